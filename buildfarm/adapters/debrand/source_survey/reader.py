"""Runs inside the sandbox: surveys SRPMs and prints one answer for each.

Standard input is ``{"files": [path, …], "policy": {…}}``. The spec is text here: nothing in it is
expanded.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from buildfarm.adapters.debrand.brand_scan.nested import ERRORS, raw, rpm_members
from buildfarm.adapters.debrand.brand_scan.reader import policy_of
from buildfarm.adapters.system.rpm_bindings import rpm
from buildfarm.domain.debrand.brand import BrandHit, Matcher
from buildfarm.domain.selfhosting.bootstrap_condition import condition_in

_TEXT = 1 << 20
_SAMPLE = 8192
_KEPT = 5
_CHANGELOG = re.compile(rb"^%changelog\b.*\Z", re.MULTILINE | re.DOTALL)
Answer = dict[str, object]


def survey(path: Path, matcher: Matcher) -> Answer:
    """Return the survey of one SRPM; damage is an answer as well."""
    condition, hits = "", []
    try:
        for name, content in _members(path):
            where = raw(name).decode("utf-8", "replace")
            hits += list(_hits(matcher, where, raw(name)))
            if content is None or b"\0" in content[:_SAMPLE]:
                continue
            if name.endswith(".spec"):
                found = condition_in(content.decode("utf-8", "replace"))
                condition = str(found) if found else ""
            hits += list(
                _hits(
                    matcher,
                    where,
                    _CHANGELOG.sub(b"", content) if name.endswith(".spec") else content,
                )
            )
    except ERRORS as error:
        return {"condition": "", "found": 0, "hits": [], "problem": f"cannot be read: {error}"}
    hits.sort(key=lambda hit: not hit.where.endswith(".spec"))
    kept = [dataclasses.asdict(hit) for hit in hits[:_KEPT]]
    return {"condition": condition, "found": len(hits), "hits": kept, "problem": ""}


def _members(path: Path) -> Iterator[tuple[str, bytes | None]]:
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES | rpm.RPMVSF_MASK_NODIGESTS)
    with path.open("rb") as file:
        header = transaction.hdrFromFdno(file.fileno())
        yield from rpm_members(header, file.fileno(), most=_TEXT)


def _hits(matcher: Matcher, where: str, data: bytes) -> Iterator[BrandHit]:
    for found in matcher.find(data, where):
        yield BrandHit(rpm="", where=where, **dataclasses.asdict(found))


def main() -> None:
    """Read them all."""
    given = json.load(sys.stdin)
    matcher = Matcher(policy_of(given["policy"]))
    json.dump([survey(Path(path), matcher) for path in given["files"]], sys.stdout)


if __name__ == "__main__":
    main()
