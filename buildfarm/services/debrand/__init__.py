"""Rehearsing debrand rules."""
