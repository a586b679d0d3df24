"""Post-training of a generator with a reward: groups of samples, losses in the denoised prediction, and the training loop."""
