"""Parts of every request: access, cookies, limits, errors, headers."""
