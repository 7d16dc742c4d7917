"""What a page shows and its JSON twin says: one function for both, from one consistent read.

Each gives plain JSON (dicts, lists, text, numbers); times are ISO 8601 in UTC, absent ones
``None``.
"""
