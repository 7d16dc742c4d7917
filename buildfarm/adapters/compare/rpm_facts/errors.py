"""What a reader says of a file that is not what it says it is."""

from __future__ import annotations


class MalformedError(ValueError):
    """It says it is compiled code, and is not well-formed: an error of that file, never something
    to compare as it is.
    """
