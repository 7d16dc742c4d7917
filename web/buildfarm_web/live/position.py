"""Position of an SSE client: the log of a task, and the byte in it."""

from __future__ import annotations

from typing import NamedTuple

from buildfarm_web.read_models.core.convert import numbered


class Position(NamedTuple):
    """``run`` is 0 where the client does not know
    (:attr:`buildfarm_web.read_models.build.logs.LogFile.run`).

    >>> str(Position(1767323045000, 97)), Position.parse("1767323045000-97"), Position.parse("97"), Position.parse("x")
    ('1767323045000-97', Position(run=1767323045000, offset=97), Position(run=0, offset=97), Position(run=0, offset=0))
    """

    run: int
    offset: int

    def __str__(self) -> str:
        return f"{self.run}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Return what a page or Last-Event-ID gives back; an offset alone will do, and what is
        neither is the beginning.
        """
        run, _, offset = text.rpartition("-")
        return cls(numbered(run, 0, most=2**62), numbered(offset, 0, most=2**62))
