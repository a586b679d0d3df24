"""What nodes share to show results and check inputs."""
