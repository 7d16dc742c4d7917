"""Repositories, their generations, composes and modules."""
