"""Libsolv, Celery and Redis."""
