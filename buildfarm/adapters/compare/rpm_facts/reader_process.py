"""A reader in its sandbox that stays for the next question.

Starting Python in a sandbox costs more than reading a small RPM. What a reader cannot answer (it
crashed, its time was up) is no answer here: the same question is put to an ordinary run, which
finds out whose fault it is.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from buildfarm.adapters.system import sandbox
from buildfarm.adapters.system.process import MEBIBYTE
from buildfarm.errors import BuildFarmError

READER = "buildfarm.adapters.compare.rpm_facts.reader"
MEMORY = 512 * MEBIBYTE
_MAX_OUTPUT, _MAX_LINE = 2048 * MEBIBYTE, 256 * MEBIBYTE
_LONGEST_SECONDS = 86_400.0
_MOST_QUESTIONS = 64


class ReaderProcess:
    """``files`` are the files and folders the reader sees. Not for several threads at once."""

    def __init__(self, files: Sequence[Path], *, memory: int = MEMORY) -> None:
        asked, self._requests = os.pipe()
        answered, out = os.pipe()
        self._answers = os.fdopen(answered, "rb")
        self._deadline = time.monotonic() + _LONGEST_SECONDS
        self._greeted = False
        self._left = _MOST_QUESTIONS
        self._thread = threading.Thread(
            target=self._run, args=(asked, out, files, memory), daemon=True
        )
        self._thread.start()

    def _run(self, asked: int, out: int, files: Sequence[Path], memory: int) -> None:
        try:
            with os.fdopen(asked, "rb") as stdin, os.fdopen(out, "wb") as stdout:
                sandbox.python(
                    READER, read_only=list(dict.fromkeys(files)), stdin=stdin, out=stdout,
                    timeout=_LONGEST_SECONDS, memory=memory, max_output=_MAX_OUTPUT, ok=None,
                    watch=self._overdue,
                )  # fmt: skip
        except (
            BuildFarmError,
            BrokenPipeError,
        ):  # no answer comes, or nobody waits for it any more; see above
            return

    def _overdue(self) -> str:
        return "time limit reached" if time.monotonic() > self._deadline else ""

    @property
    def spent(self) -> bool:
        """Return whether it has answered so much that a new one is due: what a reader once took it
        does not give back.
        """
        return self._left <= 0

    def send(self, request: object, *, seconds: float) -> None:
        """Put a question that may take so long."""
        self._deadline = time.monotonic() + seconds
        self._left -= 1
        try:
            os.write(self._requests, json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            return  # it has ended: no answer comes

    def answers(self, count: int) -> list[Any] | None:
        """So many answers to the last question; ``None`` if the reader ended before, or said what
        cannot be understood.
        """
        try:
            if not self._greeted and json.loads(self._answers.readline(_MAX_LINE)) != {
                "ready": True
            }:
                return None
            self._greeted = True
            found = [json.loads(self._answers.readline(_MAX_LINE)) for _ in range(count)]
        except ValueError:
            return None
        self._deadline = time.monotonic() + _LONGEST_SECONDS
        return found

    def close(self) -> None:
        """End it, whatever it is at; an answer that nobody has read must not keep it."""
        os.close(self._requests)
        self._answers.close()
        self._deadline = 0.0
        self._thread.join()
