"""Read models: auth."""
