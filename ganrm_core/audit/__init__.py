"""The leak audit: what gives away which folder a picture is from, besides the picture."""
