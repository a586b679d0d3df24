"""Rank-based bootstrapping: a reward model refined on its own ranking of unlabelled generator outputs."""
