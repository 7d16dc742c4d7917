"""A reader in a sandbox that stays for further requests.

Starting Python in a sandbox costs more than reading a small RPM. If the reader does not answer (it
crashed, or its time was up), the same request goes to an ordinary run, which finds the file at
fault.
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
    """A running reader; ``files`` are the files and folders it sees. It is not thread-safe."""

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
        except (BuildFarmError, BrokenPipeError):
            return  # the reader ended, or its answer is not awaited any more

    def _overdue(self) -> str:
        return "time limit reached" if time.monotonic() > self._deadline else ""

    @property
    def spent(self) -> bool:
        """Whether it should be replaced, because a reader never returns the memory it once took."""
        return self._left <= 0

    def send(self, request: object, *, seconds: float) -> None:
        """Send a request that may take ``seconds``."""
        self._deadline = time.monotonic() + seconds
        self._left -= 1
        try:
            os.write(self._requests, json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            return  # it has ended: no answer comes

    def answers(self, count: int) -> list[Any] | None:
        """Return ``count`` answers to the last request.

        ``None`` if the reader ended before, or its output is malformed.
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
        """End it at once, even if answers are unread."""
        os.close(self._requests)
        self._answers.close()
        self._deadline = 0.0
        self._thread.join()
