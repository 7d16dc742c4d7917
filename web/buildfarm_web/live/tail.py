"""The growing end of one log, read once for all who follow it.

A log is sent in pieces that everybody gets alike: a piece begins where the one before ended and
ends at the first line break after a multiple of 64 KiB, or where the log ended when it was made. A
client is nothing but an offset; who is slow or comes back asks for an older piece.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from buildfarm_web.live import sse
from buildfarm_web.live.position import Position
from buildfarm_web.read_models.build.logs import lines_of, unfinished

_STEP = 1 << 16
_LONGEST_LINE = 1 << 12
"""A piece may be so much longer to end with its line; a longer line is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The bytes of a log from ``begin`` to ``end`` as a server-sent event."""

    begin: int
    end: int
    message: bytes


class Tail:
    """One open file. All methods are called by one thread at a time; ``published`` may be read by
    any.

    :ivar published: how far clients may read: whole lines, or half a line that has not grown for
    one look. :ivar reads: how often the file was read.
    """

    def __init__(self, path: Path, *, growing: bool, run: int = 0) -> None:
        """:raises OSError: the file is gone."""
        self._path = path
        self._run = run
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._seen = os.fstat(self._file).st_size
        self.reads = 0
        self.published = 0
        self.published = self._whole_lines(self._seen) if growing else self._seen

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def look(self) -> bool:
        """Return whether there is more for the clients than at the last look."""
        size, before = os.fstat(self._file).st_size, self._seen
        self._seen = size
        if size <= self.published:
            return False
        until = self._whole_lines(size)
        if until == self.published and size == before:
            until = size - unfinished(self._read(max(size - 4, self.published), size))
        moved = until > self.published
        self.published = until
        return moved

    def is_replaced(self) -> bool:
        """Return whether the path names another file now: the task was given to another worker,
        whose log begins anew.
        """
        try:
            return self._path.stat().st_ino != os.fstat(self._file).st_ino
        except OSError:
            return True

    def finish(self) -> bool:
        """End the log: an unfinished last line counts too. Return whether there was one."""
        before, self.published = self.published, max(self.published, os.fstat(self._file).st_size)
        return self.published > before

    def piece(self, begin: int) -> Piece:
        """The piece that begins at ``begin``, which is less than ``published``."""
        published = self.published
        step = begin - begin % _STEP + _STEP
        data = self._read(begin, min(published, step + _LONGEST_LINE))
        if begin + len(data) > step:
            cut = data.find(b"\n", step - begin - 1) + 1
            data = data[:cut] if cut else data[: len(data) - unfinished(data[-4:])]
        end = begin + len(data)
        lines = lines_of(begin, data, before=self._line_before(begin))
        fields = [(line.offset, line.text, int(line.error)) for line in lines]
        return Piece(
            begin=begin,
            end=end,
            message=sse.event("lines", fields, last_id=Position(self._run, end)),
        )

    def _whole_lines(self, size: int) -> int:
        """Return where the last whole line before ``size`` ends; ``published`` if none has ended
        since.
        """
        begin = max(self.published, size - _STEP)
        cut = self._read(begin, size).rfind(b"\n") + 1
        return begin + cut if cut else self.published

    def _line_before(self, begin: int) -> bytes:
        """Return what stands before ``begin`` in the same line."""
        return (
            self._read(max(begin - _LONGEST_LINE, 0), begin).rpartition(b"\n")[2] if begin else b""
        )

    def _read(self, begin: int, end: int) -> bytes:
        self.reads += 1
        return os.pread(self._file, end - begin, begin)
