"""An OpenID Connect issuer, through Authlib: authorization code flow with PKCE, state and nonce.

The checks: the issuer's metadata names the issuer, the state is the one that was sent, and the ID
token is signed by one of its keys with an asymmetric algorithm, for this client, this login (nonce)
and this time.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from requests import RequestException, Session

from buildfarm.domain.auth.login import OidcSettings
from buildfarm.errors import InfraError, NotAllowed
from buildfarm.ports.authentication import AuthorizationRequest

_SECONDS = 10
_LEEWAY_SECONDS = 60
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Without `none`, and without algorithms whose key is a shared secret."""

Document = dict[str, Any]


class OidcIssuer:
    """See :class:`buildfarm.ports.authentication.IdentityProvider`."""

    def __init__(self, settings: OidcSettings, secret: str) -> None:
        self._settings = settings
        self._secret = secret
        self._known: Document = {}

    def begin(self, redirect_uri: str) -> tuple[str, AuthorizationRequest]:
        """Return the URL for the browser, and the request to keep until it returns.

        :raises InfraError: the issuer does not answer.
        """
        authorization_request = AuthorizationRequest(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
        )
        endpoint = str(self._metadata()["authorization_endpoint"])
        with self._session(redirect_uri) as session:
            url, _ = session.create_authorization_url(
                endpoint,
                state=authorization_request.state,
                nonce=authorization_request.nonce,
                code_verifier=authorization_request.verifier,
            )
        return str(url), authorization_request

    def complete(
        self,
        authorization_request: AuthorizationRequest,
        redirect_uri: str,
        answer: Mapping[str, str],
    ) -> Mapping[str, object]:
        """Return the verified claims; see
        :class:`~buildfarm.ports.authentication.IdentityProvider`.
        """
        if not hmac.compare_digest(
            answer.get("state", "").encode(), authorization_request.state.encode()
        ):
            raise NotAllowed("this answer belongs to another login", hint="begin again at /login")
        if "error" in answer:
            said = answer.get("error_description") or answer["error"]
            raise NotAllowed(
                f"{self._settings.issuer} said no: {said[:200]}", hint="begin again at /login"
            )
        metadata = self._metadata()
        try:
            with self._session(redirect_uri) as session:
                token = session.fetch_token(
                    metadata["token_endpoint"], timeout=_SECONDS,
                    code_verifier=authorization_request.verifier,
                    authorization_response=f"{redirect_uri}?{urlencode(dict(answer))}",
                    state=authorization_request.state,
                )  # fmt: skip
                claims = self._verified(
                    str(token.get("id_token", "")),
                    str(token.get("access_token", "")),
                    authorization_request,
                )
                return {**self._userinfo(session, claims), **claims}
        except (OAuthError, JoseError, ValueError) as error:
            raise NotAllowed(
                f"{self._settings.issuer} did not prove who you are: {error}",
                hint="begin again at /login",
            ) from error
        except RequestException as error:
            raise self._silent(error) from error

    def _session(self, redirect_uri: str) -> OAuth2Session:
        session = OAuth2Session(
            self._settings.client_id, self._secret or None, scope=self._settings.scopes,
            redirect_uri=redirect_uri, code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if self._secret else "none",
        )  # fmt: skip
        session.trust_env = False
        return session

    def _verified(
        self, id_token: str, access_token: str, authorization_request: AuthorizationRequest
    ) -> Document:
        """Return the claims of the ID token (OpenID Connect Core 3.1.3.7).

        :raises JoseError: a check fails.
        """
        keys = KeySet.import_key_set(self._fetch(str(self._metadata()["jwks_uri"])))  # type: ignore[arg-type]  # a KeySetSerialization
        token = jwt.decode(id_token, keys, algorithms=_ALGORITHMS)
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": self._settings.issuer},
                "aud": {"essential": True, "value": self._settings.client_id},
            },
            params={
                "nonce": authorization_request.nonce,
                "client_id": self._settings.client_id,
                "access_token": access_token,
            },
        )
        claims.validate(leeway=_LEEWAY_SECONDS)
        return dict(claims)

    def _userinfo(self, session: OAuth2Session, claims: Document) -> Document:
        """Return the userinfo endpoint's claims about this subject (OpenID Connect Core 5.3.2)."""
        endpoint = self._metadata().get("userinfo_endpoint")
        if (
            not endpoint
            or {self._settings.name_claim, self._settings.groups_claim} <= claims.keys()
        ):
            return {}
        answer = session.get(endpoint, timeout=_SECONDS)
        found = answer.json() if answer.ok else {}
        return found if isinstance(found, dict) and found.get("sub") == claims["sub"] else {}

    def _metadata(self) -> Document:
        if not self._known:
            found = self._fetch(
                f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            )
            if found.get("issuer") != self._settings.issuer:
                raise InfraError(
                    f"{self._settings.issuer} calls itself {found.get('issuer')}",
                    hint="`login.oidc.issuer` in farm.yaml",
                )
            self._known = found
        return self._known

    def _fetch(self, url: str) -> Document:
        try:
            with Session() as plain:
                plain.trust_env = False
                answer = plain.get(url, timeout=_SECONDS)
            answer.raise_for_status()
            found = answer.json()
        except (RequestException, ValueError) as error:
            raise self._silent(error) from error
        if not isinstance(found, dict):
            raise self._silent(ValueError(f"{url} is no JSON object"))
        return found

    def _silent(self, error: Exception) -> InfraError:
        return InfraError(
            f"{self._settings.issuer} does not answer: {error}",
            hint="try again, or log in with a password",
        )
