"""Guests: images made from repositories, machines that live for one task, and the pool that keeps
them coming.
"""
