"""Read models: intake."""
