"""The journal of a large comparison: a line is appended for each result.

The incomplete last line of a killed run is cut off.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import threading
from pathlib import Path
from types import TracebackType

import buildfarm
from buildfarm.domain.compare.report import PairResult, pair_from_json, pair_to_json
from buildfarm.errors import Conflict, InputError

_PARTS = (
    "domain/compare",
    "domain/core/verdict.py",
    "domain/core/nevra.py",
    "adapters/compare/rpm_facts",
    "services/compare/comparison.py",
)


@functools.cache
def tool_digest() -> str:
    """Return a SHA-256 over the sources on which a result depends."""
    root = Path(buildfarm.__file__).parent
    files = [
        file
        for part in _PARTS
        for file in ([root / part] if part.endswith(".py") else (root / part).rglob("*.py"))
    ]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


class Journal:
    """A file of results; only their keys and positions are in memory.

    It is used from one thread and locked by one process.

    :raises Conflict: another comparison is using it now.
    """

    def __init__(self, file: Path, *, fresh: bool = False) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        try:
            self._stream = file.open("r+b" if file.exists() else "w+b")
        except OSError as error:
            raise InputError(
                f"{file}: {error.strerror}", hint="name another place with --state"
            ) from error
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            raise Conflict(
                f"{file}: another comparison writes it now",
                hint="wait for it, or name another with --state",
            ) from None
        self._lock = threading.Lock()
        self._places: dict[str, tuple[int, int]] = {}
        if fresh:
            self._stream.truncate(0)
        self._stream.seek(self._load())

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def _load(self) -> int:
        """Index the complete lines and cut off the rest; return the end of the file."""
        self._stream.seek(0)
        end = 0
        for line in self._stream:
            key, separator, _ = line.partition(b" ")
            if not line.endswith(b"\n") or not separator:
                break
            self._places[key.decode("ascii", "replace")] = (end, len(line))
            end += len(line)
        self._stream.truncate(end)
        return end

    def keys(self) -> frozenset[str]:
        """Return the keys of all results."""
        return frozenset(self._places)

    def get(self, key: str) -> PairResult:
        """Return one result.

        :raises KeyError: it is not there.
        :raises InputError: the file is damaged.
        """
        place, length = self._places[key]
        line = os.pread(self._stream.fileno(), length, place)
        try:
            return pair_from_json(json.loads(line.partition(b" ")[2]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{self._file}: the entry at byte {place} is damaged", hint="begin with --fresh"
            ) from error

    def put(self, key: str, result: PairResult) -> None:
        """Append a result and flush it."""
        line = f"{key} {json.dumps(pair_to_json(result))}\n".encode()
        with self._lock:
            place = self._stream.seek(0, os.SEEK_END)
            self._stream.write(line)
            self._stream.flush()
            self._places[key] = (place, len(line))
