"""Read models: target."""
