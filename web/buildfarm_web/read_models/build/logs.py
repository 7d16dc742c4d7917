"""A build's logs: which there are, and their bytes from an offset on, of a running task too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.errors import NotFound
from buildfarm.services.build.building import log_path
from buildfarm.services.core.hub import Hub

_CHUNK = 1 << 16
_CONTINUES = range(0x80, 0xC0)
_FIRST_OF_LONGER = (0xC0, 0xE0, 0xF0)
"""UTF-8: bytes inside a character, and from which byte on a character is two, three or four long."""

_ERROR = re.compile(
    r"(?:^|[\s:(\[])(?:fatal error|error|undefined reference|no such file or directory|command not found"
    r"|cannot find|failed|traceback|segmentation fault|killed|bad exit status)(?:$|[\s:!.,)\]])|^\*\*\*|\*\*\* \[",
    re.IGNORECASE,
)
ERROR = re.compile(_ERROR.pattern.encode(), re.IGNORECASE | re.MULTILINE)
"""The same for the bytes of many lines; :func:`is_error` has the last word on each."""

_HARMLESS = re.compile(
    r"\b0 (?:errors?|failed)\b|^checking .*\.\.\.|-Werror|errors?\s*[:=]\s*0\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line with its line break, if it has one yet; ``offset`` in bytes, ``error`` if it looks
    like the reason of a failure.
    """

    offset: int
    text: str
    error: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """One task's log; ``growing`` while its task still runs."""

    task: Task
    path: Path
    growing: bool

    @property
    def run(self) -> int:
        """Return which of the task's logs this is: each lease begins one (milliseconds since 1970;
        0 before the first).
        """
        return int(self.task.started.timestamp() * 1000) if self.task.started else 0

    def end(self) -> int:
        """Return where the readable part ends: a character that is only half there yet is left for
        later.
        """
        size = self.path.stat().st_size
        if not self.growing or not size:
            return size
        with self.path.open("rb") as file:
            file.seek(max(size - 4, 0))
            tail = file.read()
        return size - unfinished(tail)

    def read(self, offset: int, end: int) -> Iterator[bytes]:
        """The bytes from ``offset`` to ``end``."""
        with self.path.open("rb") as file:
            file.seek(offset)
            left = end - offset
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk

    def tail(self, size: int) -> tuple[int, list[Line]]:
        """The last lines within ``size`` bytes, and where they end."""
        end = self.end()
        begin = max(end - size, 0)
        data = b"".join(self.read(begin, end))
        if begin:
            cut = data.find(b"\n") + 1
            begin, data = begin + cut, data[cut:]
        return end, lines_of(begin, data)


def unfinished(tail: bytes) -> int:
    """Return how many bytes at the end begin a UTF-8 character that is not all there.

    >>> unfinished("aä".encode()), unfinished("aä".encode()[:-1]), unfinished(b"abc")
    (0, 1, 0)
    """
    for back in range(1, min(4, len(tail)) + 1):
        byte = tail[-back]
        if byte not in _CONTINUES:
            length = 1 + sum(byte >= first for first in _FIRST_OF_LONGER)
            return back if length > back else 0
    return 0


def lines_of(offset: int, data: bytes, *, before: bytes = b"") -> list[Line]:
    r"""The lines of ``data``, which begins at ``offset``; ``before`` is how its first line began.

    Lines end at a line feed alone: a progress bar's carriage returns stay inside one.

    >>> [(line.offset, line.text, line.error) for line in lines_of(10, b"error: y\r.\nmake", before=b"x.c: ")]
    [(10, 'error: y\r.\n', True), (21, 'make', False)]
    """
    lines = []
    for line in data.split(b"\n"):
        text = line.decode("utf-8", "replace")
        error = is_error(before.decode("utf-8", "replace") + text)
        lines.append(Line(offset=offset, text=text + "\n", error=error))
        offset, before = offset + len(line) + 1, b""
    last = lines.pop()
    if last.text != "\n":
        lines.append(replace(last, text=last.text[:-1]))
    return lines


def file_of(hub: Hub, task: Task) -> LogFile | None:
    """The log of one task, if there is any."""
    growing = task.state is TaskState.OPEN
    live = log_path(hub, task.id)
    if not growing and task.log and hub.blobs.has(task.log):
        return LogFile(task=task, path=hub.blobs.path(task.log), growing=False)
    if live.is_file() and (growing or live.stat().st_size):
        return LogFile(task=task, path=live, growing=growing)
    return None


def log_of(hub: Hub, tasks: Sequence[Task], wanted: str = "") -> LogFile:
    """The log of the task ``wanted``, else of the build task that started last.

    :raises NotFound: there is none.
    """
    if wanted:
        chosen = [task for task in tasks if task.id == wanted]
        if not chosen:
            raise NotFound(f"no task {wanted} of this build")
    else:
        started = [task for task in tasks if task.started is not None]
        chosen = sorted(
            started, key=lambda t: (t.kind is TaskKind.BUILD, t.started or t.created), reverse=True
        )
    for task in chosen:
        if found := file_of(hub, task):
            return found
    raise NotFound(
        "no log yet",
        hint="a log begins when a worker starts; the build's `why` says what it waits for",
    )


def is_error(line: str) -> bool:
    """Return whether a line looks like the reason of a failure.

    >>> is_error("foo.c:3:1: error: unknown type name 'x'"), is_error("checking for error.h... yes")
    (True, False)
    """
    return bool(_ERROR.search(line)) and not _HARMLESS.search(line)
