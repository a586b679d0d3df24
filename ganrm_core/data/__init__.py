"""Images as data: finding files, decoding, hashing, near-duplicates, splits and pixel transforms."""
