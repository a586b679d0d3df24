"""Mutation fuzzing of picture files and checkpoints: seeds, seeded mutations, and what must hold for each.

tests/unit/test_fuzz_*.py runs a few hundred cases, benchmarks/fuzz.py thousands. A case is its kind and number alone.
"""
