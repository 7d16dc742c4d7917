"""The error of a reader for a malformed file."""

from __future__ import annotations


class MalformedError(ValueError):
    """The file claims to be compiled code and is malformed; it is an error, never compared as
    bytes.
    """
