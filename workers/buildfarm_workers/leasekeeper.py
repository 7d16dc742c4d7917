"""The threads beside a build while its lease is held: the heart-beat, and the log stream to the
hub.

Both stop the build by the same sign when the hub takes the task away. Neither starts a program,
because a child's parent-death signal refers to the thread that started it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from pathlib import Path

from buildfarm import log
from buildfarm.errors import BuildFarmError
from buildfarm.heartbeat import beating
from buildfarm_workers.hub_client import Lease, LeaseLost

_LOG_SECONDS = 1.0
_LOG_CHUNK = 512 * 1024
_FLUSH_SECONDS = 120.0


class StopSign:
    """The reason why a build has to stop; the first one stays.

    ``lost``: the task belongs to another worker now, report nothing.
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
        """Return the reason, or an empty string, for a builder's ``stop``."""
        return self.reason if self._event.is_set() else ""


class Stage:
    """The stage of the build, for the next heart-beat."""

    def __init__(self) -> None:
        self.name = "payload"

    def __call__(self, name: str) -> None:
        """Enter a stage."""
        self.name = name


def heartbeat(
    lease: Lease, stage: Stage, sign: StopSign, interval: float
) -> AbstractContextManager[None]:
    """Send a heart-beat every ``interval`` seconds.

    The build goes on while the hub is away; only its answer stops it.
    """

    def beat() -> bool:
        try:
            answer = lease.heartbeat(stage.name)
        except LeaseLost as lost:
            sign.raise_(f"the hub took the task away: {lost}", lost=True)
            return False
        if not answer.go_on:
            sign.raise_(answer.reason or "the hub stopped the task", lost=True)
        return answer.go_on

    return beating(beat, interval=interval, name="heartbeat")


class LogStream:
    """Sends a growing file, from the hub's offset; :meth:`flush` sends the rest."""

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
        """Send new data once a second."""
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def flush(self) -> None:
        """Send the rest.

        :raises LeaseLost: the hub does not want it.
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
        """Send one chunk; return False if there was none, or the hub did not advance."""
        data = b""
        with contextlib.suppress(FileNotFoundError), self._file.open("rb") as file:
            file.seek(self._offset)
            data = file.read(_LOG_CHUNK)
        if not data:
            return False
        before = self._offset
        self._offset = self._lease.log(before, data, patience=patience)
        return self._offset != before
