"""The only door to ComfyUI itself: its folders, memory, progress and cancel."""
