"""Work that is killed at random moments, and what must hold afterwards: one file per kind of work."""
