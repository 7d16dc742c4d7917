"""Read models: overview."""
