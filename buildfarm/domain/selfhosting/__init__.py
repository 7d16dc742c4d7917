"""Cycles, bootstrap conditions and what a new build takes away from others."""
