"""What services need from the outside, as protocols; adapters implement them,
:mod:`buildfarm.bootstrap` chooses.

A service never learns whether the store is SQLite or PostgreSQL, or whether a message goes through
Redis.
"""
