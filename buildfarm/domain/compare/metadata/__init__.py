"""Findings in headers, file lists, dependencies, scripts and changelogs."""
