"""Read models: core."""
