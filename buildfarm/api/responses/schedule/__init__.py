"""Responses: schedule."""
