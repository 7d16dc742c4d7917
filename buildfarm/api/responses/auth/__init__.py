"""Responses: auth."""
