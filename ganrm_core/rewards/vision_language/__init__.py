"""Vision-language reward: a chat model that sees pictures is asked about them, and its next word's probabilities score them."""
