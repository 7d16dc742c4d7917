"""Inside the sandbox: facts about the content of named files of RPMs, one JSON line an RPM.

Reads ``{"requests": [{"file", "paths", "masks"}, …]}`` from standard input. The payload is walked by rpm itself
(every codec it knows, RPM v4 and v6 alike), nothing is written to disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from collections import defaultdict
from typing import Any

from buildfarm.adapters.rpm_bindings import rpm
from buildfarm.adapters.rpm_facts import normal_form
from buildfarm.adapters.rpm_facts.codec import content_to_json
from buildfarm.adapters.rpm_facts.headers import emit, plain
from buildfarm.domain.compare.facts import ContentFacts
from buildfarm.domain.compare.normalise import Mask

_BLOCK = 1 << 20
_MAX_FILE = 96 << 20
_CODECS = {"gzip": "gzdio", "bzip2": "bzdio", "xz": "xzdio", "lzma": "lzdio", "zstd": "zstdio"}
_COMPRESSOR = 1125


def main() -> int:
    """Print one line for each RPM asked for, in that order."""
    requests = json.load(sys.stdin)["requests"]
    emit({"ready": True})
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES)
    for request in requests:
        emit(_answer(request, transaction))
    return 0


def _answer(request: dict[str, Any], transaction: Any) -> dict[str, Any]:  # noqa: ANN401 -- rpm has no types
    mask = Mask(words=tuple((word, token) for word, token in request["masks"]))
    found: dict[str, ContentFacts] = {}
    error = ""
    try:
        _walk(request["file"], frozenset(request["paths"]), mask, transaction, found)
    except (rpm.error, OSError, ValueError, MemoryError) as failure:
        error = plain(f"the payload cannot be read: {failure or failure!r}")
    return {"contents": [content_to_json(facts) for facts in found.values()], "error": error}


def _walk(path: str, wanted: frozenset[str], mask: Mask, transaction: Any, found: dict[str, ContentFacts]) -> None:  # noqa: ANN401
    """Read the payload up to the last wanted file."""
    with open(path, "rb") as file:  # noqa: PTH123 -- see headers.py
        header = transaction.hdrFromFdno(file.fileno())
        files = rpm.files(header)
        linked: defaultdict[int, list[str]] = defaultdict(list)
        for entry in files:
            if entry.nlink > 1:
                linked[entry.inode].append(plain(entry.name))
        codec = _CODECS.get(header[_COMPRESSOR] or "gzip", "gzdio")
        payload = rpm.fd(os.dup(file.fileno()), "r", codec)
        archive = files.archive(payload)
        for entry in archive:
            if not archive.hascontent():
                continue
            name = plain(entry.name)
            names = wanted & set(linked.get(entry.inode, [name]) if entry.nlink > 1 else [name])
            if not names:
                continue
            facts = _read(archive, entry.size, name, mask)
            for other in names:
                found[other] = ContentFacts(**{**_fields(facts), "path": other})
            if len(found) == len(wanted):
                return


def _fields(facts: ContentFacts) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in ContentFacts.__slots__}


def _read(archive: Any, size: int, path: str, mask: Mask) -> ContentFacts:  # noqa: ANN401
    """One file's facts; a file too large to look into is only digested."""
    state = hashlib.sha256()
    kept = bytearray()
    left = size
    while left > 0:
        block = archive.read(min(left, _BLOCK))
        if not block:
            raise ValueError(f"{path}: the payload ends {left} bytes early")
        left -= len(block)
        state.update(block)
        if size <= _MAX_FILE:
            kept += block
    sha256 = state.hexdigest()
    if size > _MAX_FILE:
        return ContentFacts(path=path, size=size, sha256=sha256, normal=sha256, nature="data (too large to look into)")
    try:
        form = normal_form.reduce(bytes(kept), path, mask)
    except (ValueError, struct.error, MemoryError, RecursionError) as error:
        return ContentFacts(path=path, size=size, sha256=sha256, error=plain(str(error) or repr(error)))
    return ContentFacts(
        path=path,
        size=size,
        sha256=sha256,
        nature=form.nature,
        interpreter=plain(form.interpreter),
        normal=form.digest,
        normalisers=tuple(form.fired),
        text=form.text,
        elf=form.elf,
        classes=form.classes,
        symvers=form.symvers,
    )


if __name__ == "__main__":
    sys.exit(main())
