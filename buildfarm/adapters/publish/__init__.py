"""What writes and signs repositories."""
