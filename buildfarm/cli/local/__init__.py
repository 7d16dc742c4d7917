"""Verbs that need no farm."""
