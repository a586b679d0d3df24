"""Sampling several candidates (seeds) at once with ComfyUI's own samplers."""
