"""The hub's worker API (``/worker/v1``) as typed calls, with retries.

A restart of the hub costs nothing: transport errors and 5xx answers are repeated with growing
pauses until a deadline. :class:`Hub` uses the worker's token, :class:`Lease` the token of one
claimed task.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import ValidationError

from buildfarm import log
from buildfarm.errors import Conflict, InfraError, NotAllowed
from buildfarm.wire import (
    BlobRef,
    Claim,
    Heartbeat,
    HeartbeatAnswer,
    Hello,
    LogAnswer,
    Message,
    Report,
    Welcome,
)

M = TypeVar("M", bound=Message)

API = "/worker/v1"
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
_CHUNK = 1024 * 1024
_JSON = {"Content-Type": "application/json"}


class NotClaimable(Conflict):
    """The task is not for this worker (any more): the message is stale and is dropped."""


class LeaseLost(Conflict):
    """The hub reassigned or canceled the task: this worker's results do not count."""


class Refused(InfraError):  # named after what happened, as all errors of the farm
    """The hub refused; repeating the request is of no use."""


class _Client:
    """A client for one base URL with one token."""

    def __init__(
        self, http: httpx.Client, token: str, *, patience: float, sleep: Callable[[float], None]
    ) -> None:
        self._http = http
        self._token = token
        self.patience = patience
        self._sleep = sleep

    def patiently(
        self, what: str, attempt: Callable[[], httpx.Response], *, patience: float | None = None
    ) -> httpx.Response:
        """Repeat ``attempt`` until the hub answers below 500.

        :raises InfraError: it does not, in time.
        """
        deadline = time.monotonic() + (self.patience if patience is None else patience)
        pause = _FIRST_PAUSE
        while True:
            try:
                response = attempt()
                if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    return response
                trouble = f"HTTP {response.status_code}"
            except httpx.TransportError as error:
                trouble = f"{type(error).__name__}: {error}"
            if time.monotonic() + pause > deadline:
                raise InfraError(f"hub: {what}: {trouble}", hint="is the hub up?")
            log.get().warning("hub.retry", call=what, trouble=trouble, pause=pause)
            self._sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def post(self, path: str, body: Message, *, patience: float | None = None) -> httpx.Response:
        """POST a wire model."""
        data = body.model_dump_json().encode()
        return self.patiently(
            path,
            lambda: self._http.post(
                f"{API}{path}", content=data, headers={**self.headers, **_JSON}
            ),
            patience=patience,
        )

    @property
    def headers(self) -> dict[str, str]:
        """Return the authorization header."""
        return {"Authorization": f"Bearer {self._token}"}


class Hub:
    """The hub's API for the worker; ``patience`` is the number of seconds for repeated calls."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca: Path | None = None,
        patience: float = 600.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=str(ca)) if ca else True
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            timeout=httpx.Timeout(60.0, connect=10.0),
            verify=verify,
            trust_env=False,
        )
        self._sleep = sleep
        self._client = _Client(self._http, token, patience=patience, sleep=sleep)

    def hello(self, hello: Hello, *, patience: float | None = None) -> Welcome:
        """Register this worker. :raises NotAllowed: the hub does not know the token."""
        response = self._client.post("/hello", hello, patience=patience)
        return _read(Welcome, response, "hello")

    def claim(self, task: str) -> tuple[Claim, Lease]:
        """Take the lease of ``task``. :raises NotClaimable: it is not for this worker."""
        response = self._client.post(f"/tasks/{task}/claim", Message())
        if response.status_code in (httpx.codes.CONFLICT, httpx.codes.NOT_FOUND):
            raise NotClaimable(f"task {task}: {_detail(response)}")
        claim = _read(Claim, response, "claim")
        client = _Client(self._http, claim.token, patience=self._client.patience, sleep=self._sleep)
        return claim, Lease(self._http, client, task)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class Lease:
    """One claimed task. Every call raises :class:`LeaseLost` once the hub reports it."""

    def __init__(self, http: httpx.Client, client: _Client, task: str) -> None:
        self._http = http
        self._client = client
        self._path = f"/tasks/{task}"

    def heartbeat(self, stage: str, *, patience: float = 0.0) -> HeartbeatAnswer:
        """Report that the work goes on."""
        return _held(
            HeartbeatAnswer,
            self._client.post(f"{self._path}/heartbeat", Heartbeat(stage=stage), patience=patience),
        )

    def log(self, offset: int, data: bytes, *, patience: float | None = None) -> int:
        """Append to the task's log at ``offset``; return the hub's offset, where to continue."""
        response = self._client.patiently(
            "log",
            lambda: self._http.post(
                f"{API}{self._path}/log",
                params={"offset": offset},
                content=data,
                headers=self._client.headers,
            ),
            patience=patience,
        )
        return _held(LogAnswer, response).offset

    def payload(self, blob: BlobRef, target: Path) -> None:
        """Fetch the order's payload into ``target``.

        :raises InfraError: its digest does not match.
        """

        def attempt() -> httpx.Response:
            digest = hashlib.sha256()
            with self._http.stream(
                "GET", f"{API}{self._path}/payload", headers=self._client.headers
            ) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    return response
                with target.open("wb") as file:
                    for chunk in response.iter_raw(_CHUNK):
                        digest.update(chunk)
                        file.write(chunk)
            if digest.hexdigest() != blob.sha256:
                raise httpx.ReadError(
                    f"payload has SHA-256 {digest.hexdigest()}, the order says {blob.sha256}"
                )
            return response

        _check_held(self._client.patiently("payload", attempt))

    def upload(self, file: Path, sha256: str) -> None:
        """Store one artifact under its digest; repeating it does no harm."""

        def attempt() -> httpx.Response:
            with file.open("rb") as content:
                return self._http.put(
                    f"{API}{self._path}/artifacts/{sha256}",
                    params={"filename": file.name},
                    content=content,
                    headers={**self._client.headers, "Content-Type": "application/octet-stream"},
                )

        _check_held(self._client.patiently("artifact", attempt))

    def finish(self, report: Report) -> None:
        """Report the result. :raises Refused: the hub does not accept this report."""
        _check_held(self._client.post(f"{self._path}/finish", report))


def _held(model: type[M], response: httpx.Response) -> M:
    _check_held(response)
    return _read(model, response, str(response.request.url.path))


def _check_held(response: httpx.Response) -> None:
    gone = (
        httpx.codes.CONFLICT,
        httpx.codes.NOT_FOUND,
        httpx.codes.GONE,
        httpx.codes.UNAUTHORIZED,
        httpx.codes.FORBIDDEN,
    )
    if response.status_code in gone:
        raise LeaseLost(_detail(response))
    if response.is_error:
        raise Refused(
            f"hub: {response.request.method} {response.request.url.path}: {_detail(response)}"
        )


def _read(model: type[M], response: httpx.Response, what: str) -> M:
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise NotAllowed(f"hub: {what}: {_detail(response)}", hint="is the worker's token current?")
    if response.is_error:
        raise Refused(f"hub: {what}: {_detail(response)}")
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise Refused(
            f"hub: {what}: not the answer of this worker's version of the API: {error}"
        ) from error


def _detail(response: httpx.Response) -> str:
    """Return the detail of a problem+json, or the bare status."""
    try:
        body = response.json()
        said = body.get("detail") or body.get("title") if isinstance(body, dict) else ""
    except ValueError:
        said = ""
    return f"HTTP {response.status_code}" + (f": {said}" if said else "")
