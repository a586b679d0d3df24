"""GAN-RM discriminator: backbone features, Reward Projection Layer, calibrated score, checkpoint file."""
