"""Read models: selfhosting."""
