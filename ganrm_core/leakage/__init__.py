"""Data leakage between the two folders: finding, neutralising and testing what separates them without being taste."""
