"""Inside the sandbox: facts about the content of named files of RPMs.

Nothing is written to disk.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from buildfarm.adapters.compare.rpm_facts import payload
from buildfarm.adapters.compare.rpm_facts.content_codec import content_to_json
from buildfarm.adapters.compare.rpm_facts.headers import plain
from buildfarm.adapters.compare.rpm_facts.normalisers import normal_form
from buildfarm.adapters.system.rpm_bindings import rpm
from buildfarm.domain.compare.contents.normalise import Mask
from buildfarm.domain.compare.facts.content_facts import ContentFacts

_MAX_FILE = 96 << 20


def answers(requests: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield ``{"contents": [facts, …], "error"}`` for each ``{"file", "paths", "masks"}``."""
    for request in requests:
        yield _answer(request)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    mask = Mask(words=tuple((word, token) for word, token in request["masks"]))
    found: dict[str, ContentFacts] = {}
    error = ""
    try:
        _walk(request["file"], frozenset(request["paths"]), mask, found)
    except (rpm.error, OSError, ValueError, MemoryError) as failure:
        error = plain(f"the payload cannot be read: {failure or failure!r}")
    return {"contents": [content_to_json(facts) for facts in found.values()], "error": error}


def _walk(path: str, wanted: frozenset[str], mask: Mask, found: dict[str, ContentFacts]) -> None:
    """Read the payload up to the last wanted file."""
    for linked, size, blocks in payload.blocks(path):
        names = wanted & linked
        if not names:
            continue
        facts = _read(blocks(), size, min(names), mask)
        for name in names:
            found[name] = replace(facts, path=name)
        if len(found) == len(wanted):
            return


def _read(blocks: Iterator[bytes], size: int, path: str, mask: Mask) -> ContentFacts:
    """Return one file's facts; a file that is too large is only digested."""
    state = hashlib.sha256()
    kept = bytearray()
    for block in blocks:
        state.update(block)
        if size <= _MAX_FILE:
            kept += block
    sha256 = state.hexdigest()
    if size > _MAX_FILE:
        return ContentFacts(
            path=path,
            size=size,
            sha256=sha256,
            normal=sha256,
            nature="data (too large to look into)",
        )
    try:
        form = normal_form.reduce(bytes(kept), path, mask)
    except (ValueError, struct.error, MemoryError, RecursionError) as error:
        return ContentFacts(
            path=path, size=size, sha256=sha256, error=plain(str(error) or repr(error))
        )
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
        pe=form.pe,
        members=tuple(form.members),
        active=form.active,
    )
