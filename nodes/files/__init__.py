"""Nodes that read and write images, datasets and reward models."""
