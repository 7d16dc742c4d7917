"""Protocols for everything that services need from outside.

Adapters implement them and :mod:`buildfarm.bootstrap` chooses the adapters. A service does not know
whether the store is SQLite or PostgreSQL, or whether a message goes through Redis.
"""
