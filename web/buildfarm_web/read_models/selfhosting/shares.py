"""The self-hosted share: RPMs in a buildroot's lock that we built / all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from sys import intern
from threading import Lock
from typing import Any

from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.core.task import Task
from buildfarm.domain.publish.repository import Artifact
from buildfarm.errors import NotFound
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.core.convert import Json, pick_each

_KEPT = 20_000
_KEPT_LINES = 5_000
_KEPT_GENERATIONS = 50


def nevra_of(entry: Json) -> str:
    """The NEVRA of a lock's line."""
    evr = EVR(epoch=int(entry["epoch"]), version=entry["version"], release=entry["release"])
    return f"{entry['name']}-{evr}.{entry['arch']}"


class Shares:
    """Cache of what locks say, by the lock's digest: a lock never changes, and what we built stays
    built.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}
        self._lines: dict[str, tuple[Json, ...]] = {}
        self._counted: dict[str, Any] = {}
        self._lock = Lock()

    def kept(self, generation: str, count: Callable[[], Any]) -> Any:  # noqa: ANN401  # what is counted is the caller's
        """Return what was counted over all locks of a generation, which never changes; ``""`` names
        none and is not kept.
        """
        known = self._counted.get(generation)
        if known is None:
            known = count()
            with self._lock:
                if len(self._counted) >= _KEPT_GENERATIONS:
                    self._counted.clear()
                if generation:
                    self._counted[generation] = known
        return known

    def lines(self, hub: Hub, tx: Transaction, digest: str) -> tuple[Json, ...]:
        """``{name, nevra, sha256, ours}`` for each RPM of a lock; empty if there is none to read."""
        known = self._lines.get(digest)
        if known is not None:
            return known
        entries = lock_entries(hub, digest)
        if entries is None:
            return ()
        ours = own_headers(tx, entries)
        made = tuple(
            {"name": intern(str(one["name"])), "nevra": intern(nevra_of(one)), "sha256": one.get("sha256") or "",
             "ours": one.get("sha256") in ours}
            for one in entries
        )  # fmt: skip
        with self._lock:
            if len(self._lines) >= _KEPT_LINES:
                self._lines.clear()
            self._lines[digest] = made
        return made

    def of(self, hub: Hub, tx: Transaction, digest: str) -> tuple[int, int] | None:
        """``(ours, all)`` of the lock with this digest; ``None`` if there is none to read."""
        known = self._known.get(digest)
        if known is not None:
            return known
        entries = lock_entries(hub, digest)
        if entries is None:
            return None
        counted = (len(own_headers(tx, entries)), len(entries))
        with self._lock:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[digest] = counted
        return counted


def lock_entries(hub: Hub, digest: str) -> list[Json] | None:
    """The lines of a stored lock; ``None`` if the blob is gone or is no lock."""
    if not digest:
        return None
    try:
        data = json.loads(hub.blobs.path(digest).read_bytes())
    except (NotFound, OSError, ValueError):
        return None
    lines = data.get("lock") if isinstance(data, dict) else None
    return (
        [dict(line) for line in lines if isinstance(line, dict)]
        if isinstance(lines, list)
        else None
    )


def own_headers(tx: Transaction, entries: Iterable[Json]) -> set[str]:
    """The header digests among a lock's lines that one of our own RPMs has."""
    wanted = {str(entry.get("sha256") or "") for entry in entries} - {""}
    return {header for (header,) in pick_each(tx, Artifact, ("header",), "header", wanted)}


def locks_of(hub: Hub, tx: Transaction, tasks: Iterable[Task]) -> list[Json]:
    """Every lock of these tasks line by line, each line marked with whether we built it."""
    locks: list[Json] = []
    for task in tasks:
        entries = lock_entries(hub, task.lock)
        if entries is not None:
            ours = own_headers(tx, entries)
            lines = [{**entry, "ours": entry.get("sha256") in ours} for entry in entries]
            locks.append(
                {
                    "task": task.id,
                    "kind": task.kind.value,
                    "arch": task.arch,
                    "digest": task.lock,
                    "lock": lines,
                }
            )
    return locks
