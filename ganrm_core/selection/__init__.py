"""Best-of-N selection: ranking, close calls, successive halving, and placing the best files."""
