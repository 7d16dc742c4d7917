"""Making of images."""
