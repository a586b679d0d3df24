"""Evaluation metrics and calibration of binary scorers; NumPy arrays in, numbers out."""
