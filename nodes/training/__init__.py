"""Nodes that train, refine and evaluate reward models."""
