"""Waiver files."""
