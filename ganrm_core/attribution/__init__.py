"""Attribution maps: where in an image a reward comes from."""
