"""Leak audit: a permutation test per nuisance of how well it separates two folders."""
