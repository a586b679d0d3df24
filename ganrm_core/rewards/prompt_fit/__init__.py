"""Prompt fit: rewards that compare a picture with its prompt by an image encoder and a text encoder."""
