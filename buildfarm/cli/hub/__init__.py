"""Verbs that speak to the hub."""
