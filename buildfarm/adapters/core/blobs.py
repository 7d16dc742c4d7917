"""The blob store: files by their SHA-256, under ``<root>/ab/abcdef…``, read-only.

A file is written aside, flushed to the disk and renamed into place, so a file always matches its
name. The same bytes are stored once, even if put at the same time; a crash leaves files only in
``.incoming``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from buildfarm.errors import InfraError, InputError, NotFound

_CHUNK = 1 << 20
_INCOMING = ".incoming"
_HEX_DIGITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A file in the store; ``size`` in bytes."""

    sha256: str
    size: int


class Blobs:
    """The store at ``root``, safe with any number of processes and threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / _INCOMING
        self._incoming.mkdir(parents=True, exist_ok=True)

    def has(self, sha256: str) -> bool:
        """Check for a file; a text that is not a SHA-256 is never there."""
        return _is_digest(sha256) and self._place(sha256).exists()

    def path(self, sha256: str) -> Path:
        """Return the path of a file, which must not be written to.

        :raises NotFound: it is not in the store.
        :raises InputError: not a SHA-256 (so a path from outside can never leave the store).
        """
        found = self._place(sha256)
        if not found.exists():
            raise NotFound(f"no blob {sha256}", hint=f"upload it with PUT /api/v1/blobs/{sha256}")
        return found

    def open(self, sha256: str) -> BinaryIO:
        """Open a file for reading. Errors as in :meth:`path`."""
        return self.path(sha256).open("rb")

    def put_bytes(self, data: bytes) -> Blob:
        """Store bytes."""
        return self.put_stream([data])

    def put_file(self, path: Path, *, move: bool = False) -> Blob:
        """Store a copy of a file, or with ``move`` the file itself.

        A moved file disappears from ``path`` only once it is stored; it must not be open for
        writing.

        :raises OSError: ``path`` cannot be read.
        """
        if move and (blob := self._adopt(path)) is not None:
            return blob
        with path.open("rb") as file:
            blob = self.put_stream(file)
        if move:
            path.unlink()
        return blob

    def put_stream(
        self,
        stream: BinaryIO | Iterable[bytes],
        *,
        expected_sha256: str | None = None,
        limit: int | None = None,
    ) -> Blob:
        """Store a stream.

        :param limit: bytes; not one more is written.
        :raises InputError: another digest than expected, or longer than ``limit``; nothing is
            stored.
        :raises InfraError: the store cannot be written (a full disk). Errors of reading ``stream``
            pass through.
        """
        if expected_sha256 is not None:
            self._place(expected_sha256)
        digest, size = hashlib.sha256(), 0
        with self._aside() as (aside, out):
            for chunk in _chunks(stream):
                size += len(chunk)
                if limit is not None and size > limit:
                    raise InputError(
                        f"more than {limit} bytes", hint="raise the limit or send less"
                    )
                digest.update(chunk)
                with _writing(self._root):
                    out.write(chunk)
            found = digest.hexdigest()
            if expected_sha256 is not None and found != expected_sha256:
                raise InputError(
                    f"SHA-256 is {found}, expected was {expected_sha256}",
                    hint="send the file again",
                )
            with _writing(self._root):
                out.flush()
                os.fchmod(out.fileno(), 0o444)
                os.fsync(out.fileno())
                self._keep(aside, found, size)
        return Blob(sha256=found, size=size)

    def sweep_temporary(self, *, older_than: float) -> int:
        """Remove uploads that a crash left, untouched for ``older_than`` seconds; return the
        number.
        """
        swept = 0
        for left in self._incoming.iterdir():
            # another process may sweep or finish at the same time
            with contextlib.suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - older_than:
                    left.unlink()
                    swept += 1
        return swept

    def _place(self, sha256: str) -> Path:
        if not _is_digest(sha256):
            raise InputError(f"{sha256!r} is no SHA-256", hint="64 lower-case hexadecimal digits")
        return self._root / sha256[:2] / sha256

    @contextlib.contextmanager
    def _aside(self) -> Iterator[tuple[Path, BinaryIO]]:
        with _writing(self._root):
            handle, name = tempfile.mkstemp(dir=self._incoming)
        try:
            with os.fdopen(handle, "wb") as out:
                yield Path(name), out
        finally:
            Path(name).unlink(missing_ok=True)

    def _keep(self, aside: Path, sha256: str, size: int) -> None:
        """Rename into place unless it is there; a file of another size is damaged and is
        replaced.
        """
        place = self._place(sha256)
        with contextlib.suppress(FileNotFoundError):
            if place.stat().st_size == size:
                return
        place.parent.mkdir(exist_ok=True)
        aside.rename(place)
        _flush_folder(place.parent)

    def _adopt(self, path: Path) -> Blob | None:
        """Link the file itself into the store; ``None`` if it has to be copied.

        That is so for a link, for a file with another name or owner (which could still be written
        to), and across file systems.
        """
        about = path.lstat()
        mine = about.st_uid == os.geteuid() and about.st_nlink == 1 and not path.is_symlink()
        if not mine or about.st_dev != self._root.stat().st_dev:
            return None
        with path.open("rb") as file:
            os.fchmod(file.fileno(), 0o444)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        with _writing(self._root):
            self._keep(path, digest, about.st_size)
            path.unlink(missing_ok=True)  # still there if the store had it already
        return Blob(sha256=digest, size=about.st_size)


@contextlib.contextmanager
def _writing(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InfraError(f"blob store {root}: {error}", hint="is the disk full?") from error


def _flush_folder(folder: Path) -> None:
    """Make a rename survive a power failure (fsync(2): the directory needs its own)."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_digest(text: str) -> bool:
    return len(text) == _HEX_DIGITS and not set(text) - set("0123456789abcdef")


def _chunks(stream: BinaryIO | Iterable[bytes]) -> Iterator[bytes]:
    read = getattr(stream, "read", None)
    if read is None:
        yield from stream
        return
    while chunk := read(_CHUNK):
        yield chunk
