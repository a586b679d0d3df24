"""Best of N where pictures are made: candidates sampled side by side, looked at half-way, the weakest given up."""
