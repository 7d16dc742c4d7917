"""Commands that need no farm."""
