"""Read models: one function for a page and its JSON representation, from one consistent read.

Each gives plain JSON (dicts, lists, text, numbers); times are ISO 8601 in UTC, absent ones
``None``.
"""
