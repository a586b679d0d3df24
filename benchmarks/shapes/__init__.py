"""A generator small enough to train on any CPU, whose pictures have a ground truth: one flat shape on grey.

`drawing` draws such pictures, `reading` reads kind, colour, size and place back from a picture and says how true it
is to a taste, `training` trains an SD3-shaped flow model and a TAESD-shaped VAE on them, which ComfyUI's own loaders
load, and `bench` samples from them in this process.
"""
