"""Test help for ComfyUI's real page: a driver for headless Chromium and a maker of workflow files."""
