"""Builds, their tasks, workers and events, and the pipeline that joins them."""
