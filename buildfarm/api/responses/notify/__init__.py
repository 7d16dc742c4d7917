"""Responses: notify."""
