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
    """Files by their SHA-256; putting one twice is putting it once."""

    def put_file(self, path: Path, *, move: bool = False) -> StoredBlob:
        """Take a file in (a copy, unless ``move``)."""

    def put_stream(
        self,
        stream: BinaryIO | Iterable[bytes],
        *,
        expected_sha256: str | None = None,
        limit: int | None = None,
    ) -> StoredBlob:
        """Take a stream in. :raises InputError: another digest than expected, or longer than
        ``limit`` bytes.
        """

    def put_bytes(self, data: bytes) -> StoredBlob:
        """Take bytes in."""

    def path(self, sha256: str) -> Path:
        """Return where the file is. :raises NotFound: it is not in the store."""

    def has(self, sha256: str) -> bool:
        """Return whether the file is there."""

    def sweep_temporary(self, *, older_than: float) -> int:
        """Remove uploads untouched for ``older_than`` seconds. Return how many."""
