"""Drops, and the webhooks and polls that begin them."""
