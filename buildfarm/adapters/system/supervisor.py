"""Supervise the processes of a one-machine farm: start them in order, restart and end them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from buildfarm import log
from buildfarm.adapters.system import process
from buildfarm.errors import InfraError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_STEADY_SECONDS = 30.0
_TERM_GRACE_SECONDS = 20.0
_GONE_SECONDS = 10.0
_MARK = "BUILDFARM_SUPERVISED"
"""Environment variable of every child, with the home it belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One long-lived process.

    ``ready`` is called until it no longer raises InfraError; then the next child is started.
    """

    name: str
    argv: Sequence[str | Path]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], None] | None = None


@dataclass(slots=True)
class _Running:
    child: Child
    popen: subprocess.Popen[bytes]
    started: float
    pause: float = _FIRST_PAUSE
    restart_at: float | None = None


class Supervisor:
    """Runs children until :meth:`stop`; their process ids are in ``run/<name>.pid``."""

    def __init__(self, home: Path) -> None:
        self._logs = home / "logs"
        self._run = home / "run"
        self._run.mkdir(parents=True, exist_ok=True)
        self._children: list[_Running] = []
        self._stopping = False
        self._mark = f"{_MARK}={home}"
        self._end_leftovers()

    def _end_leftovers(self) -> None:
        """End processes that the children of a killed supervisor had started (gunicorn's
        workers).
        """
        for file in self._run.glob("*.pid"):
            text = file.read_text(encoding="ascii").strip()
            group = int(text) if text.isdigit() else 0
            if group and any(self._is_ours(pid) for pid in _members(group)):
                log.get().warning("process.leftover", name=file.stem, group=group)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
                _wait_gone(group)
            file.unlink()

    def _is_ours(self, pid: int) -> bool:
        """Check a process for our mark, because process ids are reused."""
        try:
            return self._mark.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False

    def add(self, child: Child, *, patience: float = 30.0) -> None:
        """Start ``child`` and wait until it is ready.

        :raises InfraError: it ended, or was not ready in ``patience`` seconds; its log says why.
        """
        running = _Running(child=child, popen=self._start(child), started=time.monotonic())
        self._children.append(running)
        deadline = time.monotonic() + patience
        while child.ready is not None:
            try:
                child.ready()
            except InfraError as error:
                log_file = self._logs / f"{child.name}.log"
                if running.popen.poll() is not None:
                    raise InfraError(
                        f"{child.name} ended at once", hint=f"see {log_file}"
                    ) from error
                if time.monotonic() > deadline:
                    raise InfraError(
                        f"{child.name} is not ready: {error}", hint=f"see {log_file}"
                    ) from error
                time.sleep(0.05)
            else:
                return

    def _start(self, child: Child) -> subprocess.Popen[bytes]:
        env = dict([self._mark.split("=", 1)], **child.env)
        popen = process.start(child.argv, log_file=self._logs / f"{child.name}.log", env=env)
        (self._run / f"{child.name}.pid").write_text(f"{popen.pid}\n", encoding="ascii")
        log.get().info("process.started", name=child.name, pid=popen.pid)
        return popen

    def watch(self) -> None:
        """Restart children that ended, with growing delays if they do not stay up."""
        now = time.monotonic()
        for running in self._children:
            if self._stopping or running.popen.poll() is None:
                continue
            if running.restart_at is None:
                # Its children would keep its port.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.popen.pid, signal.SIGKILL)
                if now - running.started > _STEADY_SECONDS:
                    running.pause = _FIRST_PAUSE
                running.restart_at = now + running.pause
                running.pause = min(running.pause * 2, _LONGEST_PAUSE)
                log.get().warning(
                    "process.ended",
                    name=running.child.name,
                    code=running.popen.returncode,
                    restart_in=running.pause,
                )
            elif now >= running.restart_at:
                running.popen, running.started, running.restart_at = (
                    self._start(running.child),
                    now,
                    None,
                )

    def run(self, stopped: Callable[[], bool]) -> None:
        """Watch until ``stopped``."""
        while not stopped():
            self.watch()
            time.sleep(0.2)

    def stop(self) -> None:
        """End every child, the last started first: SIGTERM, then SIGKILL for the group."""
        self._stopping = True
        for running in reversed(self._children):
            if running.popen.poll() is None:
                running.popen.terminate()
        deadline = time.monotonic() + _TERM_GRACE_SECONDS
        for running in reversed(self._children):
            try:
                running.popen.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.get().warning("process.killed", name=running.child.name)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.popen.pid, signal.SIGKILL)
            running.popen.wait()
            (self._run / f"{running.child.name}.pid").unlink(missing_ok=True)


def _members(group: int) -> list[int]:
    """Return the processes of a process group (proc(5): the fifth field of stat).

    Fields are counted behind the command's name.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (
                    (entry / "stat")
                    .read_text(encoding="ascii", errors="replace")
                    .rpartition(")")[2]
                    .split()
                )
                if int(fields[2]) == group:
                    found.append(int(entry.name))
    return found


def _wait_gone(group: int) -> None:
    """Wait until the kernel has ended a killed process, so that its port is free."""
    deadline = time.monotonic() + _GONE_SECONDS
    while _members(group) and time.monotonic() < deadline:
        time.sleep(0.02)
