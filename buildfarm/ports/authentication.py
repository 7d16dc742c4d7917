"""What recognises people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Passwords(Protocol):
    """Keeps passwords as slow, salted hashes."""

    def hashed(self, password: str) -> str: ...

    def fits(self, password: str, kept: str) -> bool:
        """Return whether it is the password behind ``kept``; with an empty ``kept`` it takes as
        long and is False.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A login that is under way at an OIDC issuer; the browser keeps it until it comes back."""

    state: str
    nonce: str
    verifier: str


class IdentityProvider(Protocol):
    """An OIDC issuer that says who somebody is."""

    def begin(self, complete: str) -> tuple[str, AuthorizationRequest]:
        """Return where to send the browser, and what must be kept meanwhile.

        :raises InfraError: the issuer does not answer.
        """

    def welcome(
        self, authorization_request: AuthorizationRequest, complete: str, answer: Mapping[str, str]
    ) -> Mapping[str, object]:
        """The verified claims about who came back with ``answer``, the query's words.

        :raises NotAllowed: the answer is not one to this authorization_request, or the issuer said
            no.
        :raises InfraError: the issuer does not answer.
        """
