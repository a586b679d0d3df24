"""Scenarios that run inside ComfyUI's Python (see `host_support.in_process`)."""
