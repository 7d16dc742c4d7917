"""Notices, subscriptions, digests and metrics."""
