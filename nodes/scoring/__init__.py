"""Nodes that score, combine and map."""
