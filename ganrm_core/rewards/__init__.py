"""Reward models: the `Reward` protocol, the discriminator, combinations of several, and their evaluation."""
