"""Checksums and compressions of a target's repositories, which its clients must be able to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Checksum = Literal["sha", "sha256", "sha512"]
Compression = Literal["gz", "bz2", "xz", "zstd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepodataStyle:
    """The words of ``createrepo_c(8)``: ``--checksum`` (``sha`` is SHA-1) and
    ``--general-compress-type``.

    ``sha256`` and ``gz`` is what dnf, yum since EL6 and libsolv read. yum of EL5 needs ``sha``.
    ``open_checksum`` writes the digests of the unpacked files too: the signature covers the packed
    ones, and no client that is tested here reads the others, which cost a walk through everything
    with each build.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    checksum: Checksum = "sha256"
    compression: Compression = "gz"
    open_checksum: bool = False

    @property
    def unpacks(self) -> bool:
        """Return whether the unpacked metadata is needed to write it; else kept pieces are
        enough.
        """
        return self.open_checksum or self.compression in ("bz2", "xz")

    @property
    def suffix(self) -> str:
        """Return the suffix of the metadata's files.

        >>> RepodataStyle(compression="zstd").suffix
        'zst'
        """
        return "zst" if self.compression == "zstd" else self.compression
