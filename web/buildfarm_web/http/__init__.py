"""What every request meets: access, cookies, limits, errors, headers."""
