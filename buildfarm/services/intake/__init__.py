"""Drops, from whichever trigger, and their approval."""
