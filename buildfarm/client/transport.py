"""One hub over HTTP: requests with retries, answers as models, files as streams."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from buildfarm.api.responses.core.base import ApiResponse, ListPage
from buildfarm.client.problems import error_of
from buildfarm.errors import InfraError, InputError

A = TypeVar("A", bound=ApiResponse)
P = TypeVar("P", bound=ListPage)

_TIMEOUT = httpx.Timeout(300.0, connect=5.0)
_ATTEMPTS = 4
_LONGEST_PAUSE = 60.0
_CHUNK = 1 << 20
_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def path_of(*segments: str) -> str:
    """A path of these segments, whatever is in them.

    >>> path_of("builds", "a/b-1~rc1", "log")
    '/builds/a%2Fb-1~rc1/log'
    """
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An answer as it came, with the ``ETag`` that ``If-Match`` wants."""

    json: dict[str, Any]
    etag: str


class Transport:
    """Talks to ``/api/v1`` of one hub. ``sleep`` waits between attempts."""

    def __init__(
        self, url: str, token: str = "", *, sleep: Callable[[float], None] = time.sleep, http: httpx.BaseTransport | None = None
    ) -> None:  # fmt: skip
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=f"{url}/api/v1",
            headers=headers,
            timeout=_TIMEOUT,
            trust_env=False,
            transport=http,
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """A resource as JSON. :raises BuildFarmError: what the hub answered."""
        return self.seen(path, **query).json

    def seen(self, path: str, **query: object) -> Seen:
        """A resource as JSON with its ETag."""
        answer = self._send("GET", path, params=_given(query))
        return Seen(json=answer.json(), etag=answer.headers.get("ETag", ""))

    def read(self, model: type[A], path: str, **query: object) -> A:
        """A resource as what it is."""
        return model.parse(self._send("GET", path, params=_given(query)).content)

    def pages(self, model: type[P], path: str, **query: object) -> Iterator[P]:
        """The pages of a list, one request each, as they are asked for."""
        page = self.read(model, path, **query)
        yield page
        while page.cursor:
            page = self.read(model, path, **{**query, "cursor": page.cursor})
            yield page

    def post(self, path: str, body: object, *, if_match: str = "", key: str = "") -> dict[str, Any]:
        """Create or change something, once: a ``key`` is made where none is given, so that it may
        be sent again.

        ``if_match`` is the ETag of what was looked at. :raises Conflict: it has changed since.
        """
        headers = {
            "Idempotency-Key": key or str(uuid.uuid4()),
            **({"If-Match": if_match} if if_match else {}),
        }
        answer = self._send("POST", path, json=body, headers=headers)
        found: dict[str, Any] = answer.json() if answer.content else {}
        if location := answer.headers.get("Location"):
            found.setdefault("url", str(httpx.URL(self.url).join(location)))
        return found

    def delete(self, path: str, body: object) -> dict[str, Any]:
        """End something."""
        answer = self._send("DELETE", path, json=body)
        return answer.json()  # type: ignore[no-any-return]

    def change(self, model: type[A], path: str, body: object, *, if_match: str = "") -> A:
        """The same, with the answer as what it is."""
        return model.from_json(self.post(path, body, if_match=if_match))

    def text(self, path: str, **query: object) -> tuple[str, Mapping[str, str], int]:
        """A text, the answer's headers and the number of bytes that came."""
        answer = self._send("GET", path, params=_given(query))
        return answer.text, answer.headers, len(answer.content)

    def download(self, path: str, to: Path) -> None:
        """Fetch a file, streamed.

        :raises BuildFarmError: what the hub answered. :raises InputError: it cannot be written.
        """
        try:
            with self._http.stream("GET", path) as answer, to.open("wb") as file:
                if not answer.is_success:
                    answer.read()
                    raise error_of(answer)
                for chunk in answer.iter_bytes(_CHUNK):
                    file.write(chunk)
        except OSError as error:
            raise InputError(f"{to}: {error.strerror}") from error
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    def upload(self, path: Path) -> str:
        """Put a file into the hub's blob store, streamed; its SHA-256."""
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            with path.open("rb") as file:
                size = {"Content-Length": str(path.stat().st_size)}
                chunks = iter(lambda: file.read(_CHUNK), b"")
                answer = self._http.put(f"/blobs/{digest}", content=chunks, headers=size)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        if not answer.is_success:
            raise error_of(answer)
        return digest

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401  # httpx's own options
        """A request that may be sent again: a GET, or a POST with its key.

        Only a hub that is there is asked again.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._http.request(method, path, **options)
            except httpx.ConnectError as error:
                raise self._silent(error) from error
            except httpx.HTTPError as error:
                if attempt == _ATTEMPTS:
                    raise self._silent(error) from error
                self._sleep(2.0 ** (attempt - 1))
                continue
            if answer.is_success:
                return answer
            pause = _pause(answer, attempt)
            if pause is None or attempt == _ATTEMPTS:
                raise error_of(answer)
            self._sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _silent(self, error: httpx.HTTPError) -> InfraError:
        return InfraError(
            f"the hub at {self.url} does not answer: {error}",
            hint="start it with `buildfarm serve`",
        )


def _given(query: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in query.items() if value not in (None, "")}


def _pause(answer: httpx.Response, attempt: int) -> float | None:
    """Seconds until it is worth asking again; ``None`` where it is not.

    ``Retry-After`` is in seconds, as the hub writes it.
    """
    after = answer.headers.get("Retry-After", "")
    if answer.status_code not in _LATER and not (
        answer.status_code == HTTPStatus.CONFLICT and after
    ):
        return None
    pause = float(after) if after.isascii() and after.isdigit() else 2.0 ** (attempt - 1)
    return pause if pause <= _LONGEST_PAUSE else None
