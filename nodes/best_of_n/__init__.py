"""Nodes that choose the best of N, from finished images or while sampling."""
