"""Image data: listing, decoding, hashing, near-duplicates, folds, and pixel transforms."""
