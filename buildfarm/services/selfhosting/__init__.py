"""Rounds of cycles, and impacts of a new generation."""
