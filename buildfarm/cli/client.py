"""The hub's API as the CLI (and anybody's script) uses it: problem+json becomes our errors again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from buildfarm.errors import BuildFarmError, Conflict, InfraError, InputError, NotAllowed, NotFound

_TIMEOUT = httpx.Timeout(300.0, connect=5.0)
_ERRORS: Mapping[int, type[BuildFarmError]] = {
    400: InputError, 401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: Conflict, 413: InputError, 422: InputError,
}  # fmt: skip
_CHUNK = 1 << 20

Json = dict[str, Any]


class Client:
    """Talks to ``/api/v1`` of one hub."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=_TIMEOUT, trust_env=False)

    def get(self, path: str, **query: object) -> Json:
        """A resource as JSON. :raises BuildFarmError: what the hub answered."""
        given = {name: str(value) for name, value in query.items() if value not in (None, "")}
        return self._send("GET", path, params=given).json()  # type: ignore[no-any-return]

    def log(self, path: str, *, task: str, offset: int) -> tuple[str, int]:
        """What a log says from ``offset`` (bytes) on, and the offset to go on from."""
        query = {"offset": str(offset), **({"task": task} if task else {})}
        answer = self._send("GET", path, params=query)
        return answer.text, int(answer.headers.get("X-Log-Offset") or offset + len(answer.content))

    def post(self, path: str, body: object) -> Json:
        """Create or change something."""
        answer = self._send("POST", path, json=body)
        found: Json = answer.json() if answer.content else {}
        if location := answer.headers.get("Location"):
            found.setdefault("url", str(httpx.URL(self.url).join(location)))
        return found

    def delete(self, path: str, body: object) -> Json:
        """End something."""
        return self._send("DELETE", path, json=body).json()  # type: ignore[no-any-return]

    def download(self, path: str, to: Path) -> None:
        """Fetch a file, streamed. :raises BuildFarmError: what the hub answered. :raises InputError: it cannot be written."""
        try:
            with self._http.stream("GET", path) as answer, to.open("wb") as file:
                if not answer.is_success:
                    answer.read()
                    raise _error_of(answer)
                for chunk in answer.iter_bytes(_CHUNK):
                    file.write(chunk)
        except OSError as error:
            raise InputError(f"{to}: {error.strerror}") from error
        except httpx.HTTPError as error:
            raise InfraError(f"the hub at {self.url} does not answer: {error}") from error

    def upload(self, path: Path) -> str:
        """Put a file into the hub's blob store, streamed; its SHA-256."""
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            with path.open("rb") as file:
                self._send("PUT", f"/blobs/{digest}", content=iter(lambda: file.read(_CHUNK), b""))
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error
        return digest

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401  # httpx's own options
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise InfraError(
                f"the hub at {self.url} does not answer: {error}", hint="start it with `buildfarm serve`"
            ) from error
        if answer.is_success:
            return answer
        raise _error_of(answer)


def _error_of(answer: httpx.Response) -> BuildFarmError:
    """The hub's problem as the error it was there."""
    problem: Json = {}
    if "json" in answer.headers.get("content-type", ""):
        problem = answer.json()
    kind = _ERRORS.get(answer.status_code, InfraError)
    message = str(problem.get("detail") or problem.get("title") or answer.text[:300] or answer.reason_phrase)
    return kind(message, hint=str(problem.get("hint") or ""))
