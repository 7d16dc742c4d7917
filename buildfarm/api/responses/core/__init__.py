"""Responses: core."""
