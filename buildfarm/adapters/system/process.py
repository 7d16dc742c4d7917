"""The only module that runs other programs.

An argv list, never a shell string; an explicit small environment; a time limit; bounded output with
a visible mark where it was cut; the whole process group is killed at the end. A child dies with its
parent, so that a farm process ended by SIGKILL leaves nothing running.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from buildfarm import log
from buildfarm.errors import InfraError, ToolFailed

MEBIBYTE = 1024 * 1024
_TERM_GRACE_SECONDS = 5.0
_TICK_SECONDS = 0.2
_TAIL_CHARACTERS = 4000

BASE_ENV: Mapping[str, str] = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "TZ": "UTC",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Resource limits of one process, in bytes, set by prlimit(1); ``None`` keeps the limit."""

    cpu_seconds: int | None = None
    address_space: int | None = None
    file_size: int | None = None
    processes: int | None = None
    open_files: int | None = None

    def argv(self) -> list[str]:
        """Return the prlimit words to put before a command (empty without limits)."""
        named = {
            "cpu": self.cpu_seconds,
            "as": self.address_space,
            "fsize": self.file_size,
            "nproc": self.processes,
            "nofile": self.open_files,
        }
        options = [f"--{name}={value}" for name, value in named.items() if value is not None]
        return ["prlimit", *options, "--"] if options else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The end of a program.

    ``returncode`` is negative for a signal; ``stopped`` is the reason if the farm itself ended it.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes
    seconds: float
    stopped: str = ""

    @property
    def text(self) -> str:
        """Standard output, decoded leniently."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        """The end of standard error, or of standard output if that is empty."""
        return (self.stderr or self.stdout).decode("utf-8", "replace")[-_TAIL_CHARACTERS:].strip()


class _Sink:
    """Collects one stream, or writes it to a file, up to a limit."""

    def __init__(self, limit: int, out: BinaryIO | None) -> None:
        self.limit = limit
        self._out = out
        self._kept = bytearray()
        self.seen = 0

    def feed(self, data: bytes) -> bool:
        """Take ``data``; return False if it exceeds the limit."""
        room = max(0, self.limit - self.seen)
        self.seen += len(data)
        part = data[:room]
        if self._out is not None:
            self._out.write(part)
            self._out.flush()
        else:
            self._kept += part
        return self.seen <= self.limit

    def mark(self, why: str) -> None:
        """Write a visible line where the farm cut the stream."""
        line = f"\n*** TRUNCATED: {why} ***\n".encode()
        if self._out is not None:
            self._out.write(line)
            self._out.flush()
        else:
            self._kept += line

    @property
    def kept(self) -> bytes:
        return bytes(self._kept)


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | BinaryIO | None = None,
    ok: Sequence[int] | None = (0,),
    limits: Limits | None = None,
    max_output: int = 64 * MEBIBYTE,
    out: BinaryIO | None = None,
    errors_apart: bool = False,
    watch: Callable[[], str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Run ``argv`` to its end.

    :param timeout: seconds; then the process group gets SIGTERM, and later SIGKILL.
    :param env: added to :data:`BASE_ENV`; nothing is inherited.
    :param ok: exit codes that are success; ``None`` accepts every one (the caller reads
        ``returncode``).
    :param max_output: bytes of each stream that are kept; more ends the process, with ``stopped``
        set.
    :param out: takes standard output *and* standard error instead of memory (a build's log); with
        ``errors_apart`` only standard output.
    :param watch: called about five times a second; a non-empty answer ends the process with that
        reason.
    :raises ToolFailed: the exit code is not in ``ok``, or the farm ended it and ``ok`` is not
        ``None``.
    :raises InfraError: the program cannot be started.
    """
    command = [str(word) for word in argv]
    wrapped = ["setpriv", "--pdeathsig", "KILL", "--", *(limits.argv() if limits else []), *command]
    log.debug("process.run", command=shlex.join(command))
    started = time.monotonic()
    feed = stdin if isinstance(stdin, bytes) else None
    try:
        process = subprocess.Popen(
            wrapped,
            env={**BASE_ENV, **(env or {})},
            cwd=cwd,
            stdin=subprocess.PIPE if feed is not None else (stdin or subprocess.DEVNULL),  # type: ignore[arg-type]
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if out is not None and not errors_apart else subprocess.PIPE,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
    except OSError as error:
        raise InfraError(
            f"cannot start {command[0]}: {error}", hint="run `buildfarm doctor`"
        ) from error
    stdout, stderr = _Sink(max_output, out), _Sink(max_output, None)
    try:
        pump = _Pump(process, (stdout, stderr), feed=feed, deadline=started + timeout, watch=watch)
        stopped = pump.run()
        if stopped:
            stdout.mark(stopped)
    finally:
        _end_group(process)
    completed = Completed(
        argv=tuple(command),
        returncode=process.returncode,
        stdout=stdout.kept,
        stderr=stderr.kept,
        seconds=time.monotonic() - started,
        stopped=stopped,
    )
    if ok is not None and (stopped or completed.returncode not in ok):
        what = stopped or f"exit code {completed.returncode}"
        raise ToolFailed(
            f"{Path(command[0]).name}: {what}: {completed.error_text[-600:]}",
            argv=completed.argv,
            returncode=completed.returncode,
            output=completed.error_text,
        )
    return completed


def start(
    argv: Sequence[str | Path], *, log_file: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a supervisor's long-lived child; it logs to ``log_file`` and dies with its parent.

    :raises InfraError: the program cannot be started.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log_file.open("ab") as out:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *(str(word) for word in argv)],
                env={**BASE_ENV, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
    except OSError as error:
        raise InfraError(
            f"cannot start {argv[0]}: {error}", hint="run `buildfarm doctor`"
        ) from error


class _Pump:
    """Moves bytes between a program and its sinks until it ends, or until the farm stops it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        sinks: Sequence[_Sink],
        *,
        feed: bytes | None,
        deadline: float,
        watch: Callable[[], str] | None,
    ) -> None:
        self._process = process
        self._sinks = sinks
        self._pending = memoryview(feed or b"")
        self._deadline = deadline
        self._watch = watch
        self._next_watch = 0.0

    def run(self) -> str:
        """Return the reason if the farm has to stop the program."""
        with selectors.DefaultSelector() as selector:
            for stream, sink in zip(
                (self._process.stdout, self._process.stderr), self._sinks, strict=True
            ):
                if stream is not None:
                    selector.register(stream, selectors.EVENT_READ, sink)
            if self._process.stdin is not None:
                os.set_blocking(self._process.stdin.fileno(), False)
                selector.register(self._process.stdin, selectors.EVENT_WRITE, None)
            while selector.get_map():
                if reason := self._reason_to_stop():
                    return reason
                for key, _ in selector.select(self._patience()):
                    if reason := self._move(selector, key):
                        return reason
        while self._process.poll() is None:  # the streams are closed, but the program still runs
            if reason := self._reason_to_stop():
                return reason
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self._patience())
        return ""

    def _patience(self) -> float:
        return max(0.0, min(_TICK_SECONDS, self._deadline - time.monotonic()))

    def _reason_to_stop(self) -> str:
        now = time.monotonic()
        if now >= self._deadline:
            return "time limit reached"
        if self._watch is None or now < self._next_watch:
            return ""
        self._next_watch = now + _TICK_SECONDS
        return self._watch()

    def _move(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> str:
        if key.data is None:
            self._write_some(selector)
            return ""
        data = os.read(key.fd, 65536)
        if not data:
            selector.unregister(key.fileobj)
        elif not key.data.feed(data):
            return f"output limit of {key.data.limit} bytes reached"
        return ""

    def _write_some(self, selector: selectors.BaseSelector) -> None:
        """Write standard input; close it when all is written or the reader has closed it."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            if self._pending:
                self._pending = self._pending[os.write(stdin.fileno(), self._pending[:65536]) :]
        except BrokenPipeError:
            self._pending = memoryview(b"")
        if not self._pending:
            selector.unregister(stdin)
            with contextlib.suppress(BrokenPipeError):
                stdin.close()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole process group."""
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_TERM_GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr, process.stdin):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
