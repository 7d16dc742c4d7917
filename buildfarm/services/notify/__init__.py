"""Notices, deliveries, metrics and the event stream."""
