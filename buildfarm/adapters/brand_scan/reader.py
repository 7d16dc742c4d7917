"""Runs inside the sandbox: ``{"files": […], "policy": {…}}`` on standard input, a list of hits on standard output."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import json
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from buildfarm.adapters.rpm_bindings import rpm
from buildfarm.domain.brand import BrandHit, BrandPolicy, BrandWord, find

_TAGS = (
    "NAME SUMMARY DESCRIPTION URL VENDOR PACKAGER DISTRIBUTION BUGURL LICENSE GROUP PROVIDES REQUIRES PREIN POSTIN PREUN POSTUN "
    "PRETRANS POSTTRANS TRIGGERSCRIPTS FILETRIGGERSCRIPTS TRANSFILETRIGGERSCRIPTS"
).split()  # the changelog stays: it tells history
_MAGIC: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", gzip.decompress), (b"BZh", bz2.decompress), (b"\xfd7zXZ\x00", lzma.decompress),
)  # fmt: skip
_PAYLOAD = {"gzip": "gzdio", "xz": "xzdio", "zstd": "zstdio", "bzip2": "bzdio", "lzma": "lzdio"}
_MOST_HITS_A_FILE = 50


def scan(path: str, policy: BrandPolicy) -> Iterator[BrandHit]:
    """All hits in one RPM."""
    name = Path(path).name
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES | rpm.RPMVSF_MASK_NODIGESTS)
    with Path(path).open("rb") as file:
        header = transaction.hdrFromFdno(file.fileno())
        yield from _in_header(name, header, policy)
        files = rpm.files(header)
        payload = rpm.fd(os.dup(file.fileno()), "r", _PAYLOAD.get(header[rpm.RPMTAG_PAYLOADCOMPRESSOR] or "gzip"))
        archive = files.archive(payload)
        for entry in archive:
            where = _bytes(entry.name).decode("utf-8", "replace")
            yield from _hits(name, where, _bytes(entry.name), policy)
            if entry.linkto:
                yield from _hits(name, where, _bytes(entry.linkto), policy)
            if archive.hascontent():
                yield from _hits(name, where, _plain(archive.read(entry.size)), policy)


def _in_header(name: str, header: Any, policy: BrandPolicy) -> Iterator[BrandHit]:  # noqa: ANN401  # rpm ships no types
    for tag in _TAGS:
        value = header[getattr(rpm, f"RPMTAG_{tag}")]
        for text in value if isinstance(value, list | tuple) else [value]:
            if text:
                yield from _hits(name, f"header:{tag}", _bytes(str(text)), policy)


def _bytes(text: str) -> bytes:
    """What the header holds: rpm hands out bytes that are no UTF-8 as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def _plain(data: bytes) -> bytes:
    """The content of a compressed file; the file itself if it is none (or a damaged one)."""
    for magic, decompress in _MAGIC:
        if data.startswith(magic):
            try:
                return decompress(data)
            except (OSError, EOFError, lzma.LZMAError, zlib.error):
                return data
    return data


def _hits(rpm_name: str, where: str, data: bytes, policy: BrandPolicy) -> Iterator[BrandHit]:
    for number, (offset, word, kind, context) in enumerate(find(data, policy)):
        if number >= _MOST_HITS_A_FILE:
            return
        yield BrandHit(rpm=rpm_name, where=where, offset=offset, word=word, kind=kind, context=context)


def main() -> None:
    """Scan all files."""
    given = json.load(sys.stdin)
    words = tuple(BrandWord(**word) for word in given["policy"]["words"])
    policy = BrandPolicy(words=words, keep=tuple(given["policy"]["keep"]))
    json.dump([dataclasses.asdict(hit) for path in given["files"] for hit in scan(path, policy)], sys.stdout)


if __name__ == "__main__":
    main()
