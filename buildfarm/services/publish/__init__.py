"""Generations, composes, buildroot layers."""
