"""Image forensics: compression history, header fields and pixel statistics of a file."""
