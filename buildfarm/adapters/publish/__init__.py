"""Adapters that write and sign repositories."""
