"""Passwords and OpenID Connect."""
