"""Responses: overview."""
