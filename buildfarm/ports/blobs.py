"""The blob store: files by their SHA-256."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Protocol


class StoredBlob(Protocol):
    """A file in the blob store."""

    @property
    def sha256(self) -> str: ...

    @property
    def size(self) -> int: ...


class BlobStore(Protocol):
    """Files by their SHA-256; the same bytes are stored once."""

    def put_file(self, path: Path, *, move: bool = False) -> StoredBlob:
        """Store a file (a copy, unless ``move``)."""

    def put_stream(
        self,
        stream: BinaryIO | Iterable[bytes],
        *,
        expected_sha256: str | None = None,
        limit: int | None = None,
    ) -> StoredBlob:
        """Store a stream.

        :raises InputError: another digest than expected, or longer than ``limit`` bytes.
        """

    def put_bytes(self, data: bytes) -> StoredBlob:
        """Store bytes."""

    def path(self, sha256: str) -> Path:
        """Return the path of a file. :raises NotFound: it is not in the store."""

    def has(self, sha256: str) -> bool:
        """Check for a file."""

    def sweep_temporary(self, *, older_than: float) -> int:
        """Remove uploads untouched for ``older_than`` seconds; return the number."""
