"""Training: two labelled folders in, a calibrated reward model out."""
