"""Guests: images made from repositories, machines that live for one task, and their pool."""
