"""Adapter to ComfyUI's own modules: folders, memory, progress, cancel. No other package of the pack imports them."""
