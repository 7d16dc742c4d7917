"""Responses: build."""
