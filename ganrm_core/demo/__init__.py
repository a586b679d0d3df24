"""The demo: training and best-of-N on real images with controlled degradations."""
