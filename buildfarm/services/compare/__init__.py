"""Comparing sets of RPMs."""
