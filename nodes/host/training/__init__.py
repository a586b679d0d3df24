"""Training of a LoRA through ComfyUI's model wrapper: injected layers, thawed weights, gradients, rollouts."""
