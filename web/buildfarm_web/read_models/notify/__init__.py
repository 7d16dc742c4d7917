"""Read models: notify."""
