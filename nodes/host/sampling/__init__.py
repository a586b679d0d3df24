"""ComfyUI's samplers, several candidates at a time."""
