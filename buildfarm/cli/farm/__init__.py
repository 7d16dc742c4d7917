"""The farm's own processes."""
