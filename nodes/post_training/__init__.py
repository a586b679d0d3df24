"""Nodes that improve a generator with a reward: prompts, groups of samples, LoRA training, comparison, export."""
