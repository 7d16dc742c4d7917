"""What runs beside a build while its lease is held: the heart-beat and the log's way to the hub,
one thread each.

Both stop the build by the same sign when the hub takes the task away. Neither ever starts a
program: a child's parent-death signal counts the thread that started it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path

from buildfarm import log
from buildfarm.errors import BuildFarmError
from buildfarm_workers.hub_client import Lease, LeaseLost

_LOG_SECONDS = 1.0
_LOG_CHUNK = 512 * 1024
_FLUSH_SECONDS = 120.0


class StopSign:
    """Why a build has to stop; the first reason stays.

    ``lost``: the task is not ours any more, report nothing.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason = ""
        self.lost = False

    def raise_(self, reason: str, *, lost: bool = False) -> None:
        """Stop the build with ``reason``."""
        if not self._event.is_set():
            self.reason, self.lost = reason or "stopped", lost
            self._event.set()

    def __call__(self) -> str:
        """The reason, or nothing: what a builder's ``stop`` asks."""
        return self.reason if self._event.is_set() else ""


class Stage:
    """The stage the build is in, as the next heart-beat will say."""

    def __init__(self) -> None:
        self.name = "payload"

    def __call__(self, name: str) -> None:
        """Enter a stage."""
        self.name = name


@contextmanager
def heartbeat(lease: Lease, stage: Stage, sign: StopSign, interval: float) -> Iterator[None]:
    """Beat every ``interval`` seconds.

    A hub that is away is no reason to stop: only its word is.
    """
    over = threading.Event()

    def beat() -> None:
        while not over.wait(interval):
            try:
                answer = lease.heartbeat(stage.name)
            except LeaseLost as lost:
                sign.raise_(f"the hub took the task away: {lost}", lost=True)
                return
            except BuildFarmError as trouble:
                log.get().warning("heartbeat.failed", reason=str(trouble))
                continue
            if not answer.go_on:
                sign.raise_(answer.reason or "the hub stopped the task", lost=True)
                return

    thread = threading.Thread(
        target=copy_context().run, args=(beat,), name="heartbeat", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class LogStream:
    """Sends a growing file, from the hub's offset on; :meth:`flush` sends the rest."""

    def __init__(self, lease: Lease, file: Path, sign: StopSign) -> None:
        self._lease = lease
        self._file = file
        self._sign = sign
        self._offset = 0
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._run,), name="log", daemon=True
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send once a second what is new."""
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def flush(self) -> None:
        """Send what is left. :raises LeaseLost: nobody wants it.

        :raises InfraError: the hub does not answer.
        """
        while self._send_once(patience=_FLUSH_SECONDS):
            pass

    def _run(self) -> None:
        while not self._over.wait(_LOG_SECONDS):
            try:
                while self._send_once(patience=0.0) and not self._over.is_set():
                    pass
            except LeaseLost as lost:
                self._sign.raise_(f"the hub took the task away: {lost}", lost=True)
                return
            except BuildFarmError as trouble:
                log.get().warning("log.not_sent", reason=str(trouble))

    def _send_once(self, *, patience: float) -> bool:
        """Send one chunk; False when there was nothing to send, or the hub did not move on."""
        data = b""
        with contextlib.suppress(FileNotFoundError), self._file.open("rb") as file:
            file.seek(self._offset)
            data = file.read(_LOG_CHUNK)
        if not data:
            return False
        before = self._offset
        self._offset = self._lease.log(before, data, patience=patience)
        return self._offset != before
