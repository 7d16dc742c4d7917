"""Drawn parts: each takes what a read model says and gives positions; a template writes them down
as SVG.

Colours come from the style sheet by class, so that dark mode and a strict Content-Security-Policy
hold.
"""
