"""Runs inside the sandbox: scans files and prints a list of hits.

Standard input is ``{"files": [[path, name], …], "policy": {…}}``.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from buildfarm.adapters.debrand.brand_scan.marks import find_marks
from buildfarm.adapters.debrand.brand_scan.nested import ERRORS, Budget, chunks, raw, rpm_members
from buildfarm.adapters.system.rpm_bindings import rpm
from buildfarm.domain.debrand.brand import (
    UNREAD,
    BrandHit,
    BrandImage,
    BrandKey,
    BrandPolicy,
    BrandWord,
    Found,
    Keep,
    Matcher,
)

# Without the changelog, which is history.
_TAGS = (
    "NAME SUMMARY DESCRIPTION URL VENDOR PACKAGER DISTRIBUTION BUGURL LICENSE GROUP PROVIDES "
    "REQUIRES CONFLICTS OBSOLETES RECOMMENDS SUGGESTS SUPPLEMENTS ENHANCES PREIN POSTIN PREUN "
    "POSTUN PRETRANS POSTTRANS TRIGGERSCRIPTS FILETRIGGERSCRIPTS TRANSFILETRIGGERSCRIPTS "
    "VERIFYSCRIPT"
).split()
_CHANGELOG = re.compile(rb"^%changelog\b.*\Z", re.MULTILINE | re.DOTALL)
_MOST_HITS_A_FILE = 50


class Scanner:
    """Scans files for one policy."""

    def __init__(self, policy: BrandPolicy) -> None:
        self._policy = policy
        self._matcher = Matcher(policy)
        self._budget = Budget()

    def scan(self, path: Path, name: str) -> Iterator[BrandHit]:
        """Yield all hits in one file; a name ``*.rpm`` is read as an RPM, with its header.

        Damage is a hit as well, because the file was not read.
        """
        try:
            yield from self._scan(path, name)
        except ERRORS as error:
            yield self._hit(
                path.name if name.endswith(".rpm") else name,
                name,
                _unread(f"cannot be read: {error}"),
            )

    def _scan(self, path: Path, name: str) -> Iterator[BrandHit]:
        if not name.endswith(".rpm"):
            yield from self._file(name, "", path.read_bytes())
            return
        label = path.name
        transaction = rpm.TransactionSet()
        transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES | rpm.RPMVSF_MASK_NODIGESTS)
        with path.open("rb") as file:
            header = transaction.hdrFromFdno(file.fileno())
            # An SRPM's header repeats its spec, and names its packager.
            if not header[rpm.RPMTAG_SOURCEPACKAGE]:
                yield from self._header(label, header)
            for where in header[rpm.RPMTAG_FILENAMES]:  # the payload lacks %ghost files
                yield from self._name(label, where, where)
            for where, content in rpm_members(header, file.fileno()):
                if content is None:
                    yield self._hit(label, where, _unread("too large to be read"))
                else:
                    yield from self._file(label, where, content)

    def _header(self, label: str, header: Any) -> Iterator[BrandHit]:  # noqa: ANN401  # rpm ships no types
        for tag in _TAGS:
            value = header[getattr(rpm, f"RPMTAG_{tag}")]
            for text in value if isinstance(value, list | tuple) else [value]:
                if text:
                    for found in self._matcher.find(raw(str(text)), f"header:{tag}"):
                        yield self._hit(label, f"header:{tag}", found)

    def _name(self, label: str, where: str, name: str) -> Iterator[BrandHit]:
        for found in self._matcher.find(raw(name), where):
            yield self._hit(label, where, dataclasses.replace(found, line=0))

    def _file(self, label: str, where: str, data: bytes) -> Iterator[BrandHit]:
        for chunk in chunks(where or label, data, self._budget):
            if chunk.unread:
                yield self._hit(label, chunk.where, _unread(chunk.unread))
                continue
            if "!" in chunk.where:
                yield from self._name(label, chunk.where, chunk.where.rpartition("!")[2])
            content = (
                _CHANGELOG.sub(b"", chunk.data) if chunk.where.endswith(".spec") else chunk.data
            )
            found = (*self._matcher.find(content, chunk.where), *find_marks(content, self._policy))
            for one in found[:_MOST_HITS_A_FILE]:
                yield self._hit(label, chunk.where, one)

    def _hit(self, label: str, where: str, found: Found) -> BrandHit:
        readable = raw(where).decode("utf-8", "replace")
        return BrandHit(rpm=label, where=readable, **dataclasses.asdict(found))


def _unread(why: str) -> Found:
    return Found(offset=0, line=0, word="", kind=UNREAD, context=why)


def policy_of(data: dict[str, Any]) -> BrandPolicy:
    """Return a policy from its JSON."""
    return BrandPolicy(
        words=tuple(BrandWord(**one) for one in data["words"]),
        keep=tuple(Keep(**one) for one in data["keep"]),
        images=tuple(BrandImage(**one) for one in data["images"]),
        keys=tuple(BrandKey(**one) for one in data["keys"]),
    )  # fmt: skip


def main() -> None:
    """Scan all files."""
    given = json.load(sys.stdin)
    scanner = Scanner(policy_of(given["policy"]))
    hits = [
        dataclasses.asdict(hit)
        for path, name in given["files"]
        for hit in scanner.scan(Path(path), name)
    ]
    json.dump(hits, sys.stdout)


if __name__ == "__main__":
    main()
