"""Tiny image generator with ground truth, trainable on any CPU: one flat shape on grey.

`drawing` draws such images, `reading` recovers kind, colour, size and position from an image and computes its true
quality, `training` trains an SD3-like flow model and a TAESD-like VAE that ComfyUI loads, and `bench` samples from
them in this process.
"""
