"""Read models: publish."""
