"""Walk an RPM's payload with rpm itself, for all its codecs and RPM v4 and v6, without
extracting.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from buildfarm.adapters.compare.rpm_facts.headers import plain
from buildfarm.adapters.system.rpm_bindings import rpm

_BLOCK = 1 << 20
_CODECS = {"gzip": "gzdio", "bzip2": "bzdio", "xz": "xzdio", "lzma": "lzdio", "zstd": "zstdio"}
_COMPRESSOR = 1125

Read = Callable[[], bytes]
Blocks = Callable[[], Iterator[bytes]]


def blocks(path: str) -> Iterator[tuple[frozenset[str], int, Blocks]]:
    """Yield (paths, size in bytes, reader) of each file with content; several paths are hard links.

    The reader must be used before the next file is requested; it raises ValueError if the payload
    ends early.

    :raises rpm.error, OSError: the RPM or its payload cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123 -- see headers.py
        header = _header(file.fileno())
        listed = rpm.files(header)
        linked: defaultdict[int, set[str]] = defaultdict(set)
        for entry in listed:
            if entry.nlink > 1:
                linked[entry.inode].add(plain(entry.name))
        codec = _CODECS.get(header[_COMPRESSOR] or "gzip", "gzdio")
        archive = listed.archive(rpm.fd(os.dup(file.fileno()), "r", codec))
        for entry in archive:
            if not archive.hascontent():
                continue
            name = plain(entry.name)
            names = (
                frozenset(linked.get(entry.inode, {name})) if entry.nlink > 1 else frozenset({name})
            )

            def read(size: int = entry.size, name: str = name) -> Iterator[bytes]:
                left = size
                while left > 0:
                    block = archive.read(min(left, _BLOCK))
                    if not block:
                        raise ValueError(f"{name}: the payload ends {left} bytes early")
                    left -= len(block)
                    yield block

            yield names, entry.size, read


def build_time(path: str) -> int:
    """Return when an RPM says that it was built, seconds since 1970; 0 if it does not say.

    :raises rpm.error, OSError: the RPM cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123 -- see headers.py
        return int(_header(file.fileno())[rpm.RPMTAG_BUILDTIME] or 0)


def _header(descriptor: int) -> Any:  # noqa: ANN401  # rpm has no types
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES)
    return transaction.hdrFromFdno(descriptor)


def files(path: str) -> Iterator[tuple[frozenset[str], int, Read]]:
    """Yield the same as :func:`blocks`, with readers that return the whole content."""
    for names, size, read in blocks(path):
        yield names, size, lambda read=read: b"".join(read())  # type: ignore[misc]  # the closure keeps this reader
