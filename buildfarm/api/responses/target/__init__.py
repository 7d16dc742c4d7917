"""Responses: target."""
