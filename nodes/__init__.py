"""ComfyUI nodes of GAN-RM; each subpackage holds the nodes of one task, and `host` the adapter to ComfyUI."""
