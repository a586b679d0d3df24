"""Known judges: published aesthetic and preference scores, read from their published weights."""
