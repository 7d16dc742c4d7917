"""Read models: build."""
