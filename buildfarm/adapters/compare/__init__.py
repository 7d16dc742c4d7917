"""What reads RPMs for a comparison, and what shows its report."""
