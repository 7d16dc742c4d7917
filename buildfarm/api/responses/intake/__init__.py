"""Responses: intake."""
