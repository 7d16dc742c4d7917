"""The hub's API for KVM hosts (``/worker/v1/guests``) as typed calls."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import ValidationError

from buildfarm.errors import InfraError, InputError, NotAllowed, NotFound
from buildfarm.wire import Buildroot, GuestGone, GuestIdentity, GuestRequest, Guests, Message

M = TypeVar("M", bound=Message)
_PATH = "/worker/v1/guests"


class GuestHubClient:
    """A client with the host's token.

    Every call raises InfraError if the hub does not answer: try again later.
    """

    def __init__(self, url: str, token: str, *, ca: Path | None = None) -> None:
        verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=str(ca)) if ca else True
        self._http = httpx.Client(
            base_url=url.rstrip("/"), timeout=httpx.Timeout(60.0, connect=10.0), verify=verify,
            trust_env=False, headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip

    def guests(self) -> Guests:
        """Return the guests that the hub knows.

        :raises NotAllowed: the hub does not know this host.
        """
        return self._read(Guests, "GET", _PATH)

    def admit(self, asked: GuestRequest) -> GuestIdentity:
        """Return an identity for a new guest."""
        return self._read(GuestIdentity, "POST", _PATH, asked)

    def dismiss(self, name: str, reason: str) -> None:
        """Report the end of a machine."""
        self._call("DELETE", f"{_PATH}/{name}", GuestGone(reason=reason))

    def buildroot(self, target: str, arch: str) -> Buildroot:
        """Return the current buildroot of a target's tasks, with paths of the hub.

        :raises InputError: the hub has none, with the reason.
        """
        return self._read(Buildroot, "GET", f"{_PATH}/buildroots/{target}/{arch}")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _read(self, model: type[M], method: str, path: str, body: Message | None = None) -> M:
        response = self._call(method, path, body)
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise InfraError(
                f"hub: {path}: not the answer of this version of the API: {error}"
            ) from error

    def _call(self, method: str, path: str, body: Message | None = None) -> httpx.Response:
        content = body.model_dump_json().encode() if body is not None else None
        try:
            response = self._http.request(
                method, path, content=content, headers={"Content-Type": "application/json"}
            )
        except httpx.TransportError as error:
            raise InfraError(
                f"hub: {path}: {type(error).__name__}: {error}", hint="is the hub up?"
            ) from error
        if response.is_success:
            return response
        try:
            said = response.json().get("detail", "")
        except ValueError:
            said = ""
        message = f"hub: {method} {path}: HTTP {response.status_code} {said}".rstrip()
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise NotAllowed(message, hint="is the token of host.yaml current?")
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise InfraError(message)
        if response.status_code == httpx.codes.NOT_FOUND:
            raise NotFound(message)
        raise InputError(message)
