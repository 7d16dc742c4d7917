"""Interfaces that authenticate people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Passwords(Protocol):
    """Turns passwords into slow, salted hashes."""

    def hashed(self, password: str) -> str: ...

    def fits(self, password: str, kept: str) -> bool:
        """Check a password against its hash ``kept``; an empty hash takes as long and is False."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A login in progress at an OIDC issuer; the browser keeps it until it returns."""

    state: str
    nonce: str
    verifier: str


class IdentityProvider(Protocol):
    """An OIDC issuer."""

    def begin(self, redirect_uri: str) -> tuple[str, AuthorizationRequest]:
        """Return the URL for the browser, and the request to keep until it returns.

        :raises InfraError: the issuer does not answer.
        """

    def complete(
        self,
        authorization_request: AuthorizationRequest,
        redirect_uri: str,
        answer: Mapping[str, str],
    ) -> Mapping[str, object]:
        """Return the verified claims of the person; ``answer`` is the query of the returning
        browser.

        :raises NotAllowed: the answer does not belong to this request, or the issuer refused.
        :raises InfraError: the issuer does not answer.
        """
