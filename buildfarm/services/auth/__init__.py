"""Accounts, sessions, tokens and log-in."""
