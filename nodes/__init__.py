"""The ComfyUI face of GAN-RM: sockets, tooltips, what the artist sees."""
