"""Sample images and controlled degradations for the demo, tests and benchmarks."""
