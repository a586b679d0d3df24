"""Utilities without machine learning: errors, progress, file output, threads, caches, device memory."""
