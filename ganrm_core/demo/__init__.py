"""A trial run with pictures that come from PyPI, and faults made on purpose."""
