"""Files by their SHA-256, under ``<root>/ab/abcdef…``, read-only, written aside and renamed into place."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from buildfarm.errors import InputError, NotFound

_CHUNK = 1 << 20
_TEMPORARY = ".incoming"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A file in the store; ``size`` in bytes."""

    sha256: str
    size: int


class Blobs:
    """The store at ``root``. Safe with any number of processes: whoever renames last writes the same bytes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / _TEMPORARY).mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the file is. :raises NotFound: it is not in the store."""
        found = self._place(sha256)
        if not found.exists():
            raise NotFound(f"no blob {sha256}", hint=f"upload it with PUT /api/v1/blobs/{sha256}")
        return found

    def has(self, sha256: str) -> bool:
        """Whether the file is there."""
        return _is_digest(sha256) and self._place(sha256).exists()

    def _place(self, sha256: str) -> Path:
        if not _is_digest(sha256):
            raise InputError(f"{sha256!r} is no SHA-256", hint="64 lower-case hexadecimal digits")
        return self._root / sha256[:2] / sha256

    def put_bytes(self, data: bytes) -> Blob:
        """Take bytes in."""
        return self.put_stream([data])

    def put_file(self, path: Path, *, move: bool = False) -> Blob:
        """Take a file in: a copy, or with ``move`` the file itself."""
        if move:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = os.fstat(file.fileno()).st_size
                os.fsync(file.fileno())
            with tempfile.TemporaryDirectory(dir=self._root / _TEMPORARY) as folder:
                aside = Path(folder) / digest
                shutil.move(path, aside)
                self._keep(aside, digest)
            return Blob(sha256=digest, size=size)
        with path.open("rb") as file:
            return self.put_stream(file)

    def put_stream(
        self, stream: BinaryIO | Iterable[bytes], *, expected_sha256: str | None = None, limit: int | None = None
    ) -> Blob:
        """Take a stream in.

        :param limit: bytes.
        :raises InputError: another digest than expected, or longer than ``limit``; nothing stays of it.
        """
        digest, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self._root / _TEMPORARY)
        aside = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                for chunk in _chunks(stream):
                    size += len(chunk)
                    if limit is not None and size > limit:
                        raise InputError(f"more than {limit} bytes")
                    digest.update(chunk)
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            found = digest.hexdigest()
            if expected_sha256 is not None and found != expected_sha256:
                raise InputError(f"SHA-256 is {found}, expected was {expected_sha256}", hint="send the file again")
            self._keep(aside, found)
        finally:
            aside.unlink(missing_ok=True)
        return Blob(sha256=found, size=size)

    def _keep(self, aside: Path, sha256: str) -> None:
        place = self._place(sha256)
        place.parent.mkdir(exist_ok=True)
        aside.chmod(0o444)
        aside.rename(place)

    def sweep_temporary(self, *, older_than: float) -> int:
        """Remove what a crash left half-written more than ``older_than`` seconds ago; how many."""
        swept = 0
        for left in (self._root / _TEMPORARY).iterdir():
            with contextlib.suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - older_than:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
                    swept += 1
        return swept


def _is_digest(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


def _chunks(stream: BinaryIO | Iterable[bytes]) -> Iterator[bytes]:
    read = getattr(stream, "read", None)
    if read is None:
        yield from stream
        return
    while chunk := read(_CHUNK):
        yield chunk
