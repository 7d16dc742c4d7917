"""Read models: schedule."""
