"""Accounts, log-in and permissions."""
