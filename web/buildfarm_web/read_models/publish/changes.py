"""Changes from some builds to others: from one generation of a tag to the next, from compose
to compose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import get_args

from buildfarm.api.responses.core.base import NamedBuild
from buildfarm.api.responses.publish import changes as responses
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.publish.repository import Artifact
from buildfarm.ports.store import Transaction
from buildfarm_web.read_models.build.source_status import COLUMNS, as_far_as_read
from buildfarm_web.read_models.core.convert import by_name, pick_each, verdict_or_none

_LISTED = 200
_NEVR = ("id", "source", "epoch", "version", "release")
_RPM = ("name", "arch", "epoch", "version", "release")


def changes(tx: Transaction, old: Iterable[str], new: Iterable[str]) -> responses.Changes:
    """Return what two sets of builds differ in, by source; ``counts`` of all, in detail (with their
    RPMs) the first of them.
    """
    was, now = set(old), set(new)
    gone, come = _evrs(tx, was - now), _evrs(tx, now - was)
    sources = sorted({*gone, *come})
    words = Counter(
        _word(gone.get(source, ("", ""))[1], come.get(source, ("", ""))[1]) for source in sources
    )
    shown = sources[:_LISTED]
    left, came = (
        {source: one[source][0] for source in shown if source in one} for one in (gone, come)
    )
    before, after = _builds(tx, left.values()), _builds(tx, came.values())
    old_rpms, new_rpms = _rpms(tx, left.values()), _rpms(tx, came.values())
    return responses.Changes(
        counts={word: words[word] for word in get_args(responses.Change)},
        builds=[_source(source, before.get(source), after.get(source)) for source in shown],
        builds_total=len(sources),
        rpms=[
            _change(*key, old_rpms.get(key), new_rpms.get(key))
            for key in sorted({*old_rpms, *new_rpms})
        ],
    )


def _evrs(tx: Transaction, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The id and EVR of each of some builds, by source."""
    rows = by_name(_NEVR, pick_each(tx, Build, _NEVR, "id", ids))
    return {
        row["source"]: (row["id"], f"{row['epoch']}:{row['version']}-{row['release']}")
        for row in rows
    }


def _builds(tx: Transaction, ids: Iterable[str]) -> dict[str, Build]:
    return {
        build.source: build
        for build in map(as_far_as_read, by_name(COLUMNS, pick_each(tx, Build, COLUMNS, "id", ids)))
    }


def _rpms(tx: Transaction, builds: Iterable[str]) -> dict[tuple[str, str], str]:
    """Name and arch of each RPM of some builds with its EVR."""
    made = by_name(_RPM, pick_each(tx, Artifact, _RPM, "build", builds))
    return {
        (rpm["name"], rpm["arch"]): str(
            EVR(epoch=rpm["epoch"], version=rpm["version"], release=rpm["release"])
        )
        for rpm in made
    }


def _source(source: str, old: Build | None, new: Build | None) -> responses.ChangedSource:
    return responses.ChangedSource(
        source=source,
        change=_word(old.nvr if old else "", new.nvr if new else ""),
        old=NamedBuild(id=old.id, nvr=old.nvr) if old else None,
        new=responses.NewBuild(id=new.id, nvr=new.nvr, verdict=verdict_or_none(new.verdict))
        if new
        else None,
    )


def _change(name: str, arch: str, old: str | None, new: str | None) -> responses.ChangedRpm:
    return responses.ChangedRpm(
        name=name, arch=arch, change=_word(old or "", new or ""), old=old, new=new
    )


def _word(old: str, new: str) -> responses.Change:
    """Return what became of something.

    >>> _word("", "a-1"), _word("a-1", ""), _word("a-1", "a-2"), _word("a-1", "a-1")
    ('added', 'removed', 'updated', 'rebuilt')
    """
    if not old or not new:
        return "added" if new else "removed"
    return "rebuilt" if old == new else "updated"
