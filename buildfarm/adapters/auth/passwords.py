"""Argon2id hashes of passwords (RFC 9106).

The parameters are OWASP's smaller ones, so that many concurrent logins fit into memory.
"""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_KIBIBYTES = 19 * 1024


class Argon2Passwords:
    """See :class:`buildfarm.ports.authentication.Passwords`."""

    def __init__(self, *, kibibytes: int = _KIBIBYTES) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=kibibytes, parallelism=1)
        self._dummy = self._hasher.hash("no account has this password")

    def hashed(self, password: str) -> str:
        """Return the hash to store."""
        return self._hasher.hash(password)

    def fits(self, password: str, kept: str) -> bool:
        """Check a password against its hash ``kept``; an empty hash takes as long and is False."""
        try:
            return self._hasher.verify(kept or self._dummy, password) and bool(kept)
        except (VerificationError, InvalidHashError):
            return False
