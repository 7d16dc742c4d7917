"""Findings in the content of files."""
