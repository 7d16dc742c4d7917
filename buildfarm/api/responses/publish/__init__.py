"""Responses: publish."""
