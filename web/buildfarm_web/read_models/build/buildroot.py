"""The buildroot of a build beside that of the build before: which RPMs came, went or changed, ours
or a seed's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildfarm.domain.core.build import Build
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.build import builds
from buildfarm_web.read_models.core.convert import Json, stamp
from buildfarm_web.read_models.selfhosting.shares import lock_entries, nevra_of, own_headers

_TRIED = 50


def buildroot_page(hub: Hub, tx: Transaction, name: str) -> Json:
    """Every arch's buildroot of a build against the last build of its source that has one.

    :raises NotFound: no such build.
    """
    build = builds.find_build(tx, name)
    locks = _locks(tx, build)
    before = _before(tx, build) if locks else None
    old = _locks(tx, before) if before else {}
    return {
        "now": stamp(tx.now),
        "build": build.id,
        "nvr": build.nvr,
        "target": build.target,
        "source": build.source,
        "before": {"id": before.id, "nvr": before.nvr, "created": stamp(before.created)}
        if before
        else None,
        "buildroots": [
            _compared(hub, tx, arch, old.get(arch), task) for arch, task in sorted(locks.items())
        ],
    }


def _locks(tx: Transaction, build: Build) -> dict[str, Task]:
    """The last finished build task of each arch that wrote its buildroot down."""
    found = tx.find(
        Task, subject=build.id, kind=TaskKind.BUILD, state=TaskState.CLOSED, order_by="created,id"
    )
    return {task.arch: task for task in found if task.lock}


def _before(tx: Transaction, build: Build) -> Build | None:
    earlier = tx.find(
        Build,
        target=build.target,
        source=build.source,
        order_by="created",
        descending=True,
        limit=_TRIED,
    )
    return next(
        (
            one
            for one in earlier
            if one.created < build.created and one.id != build.id and _locks(tx, one)
        ),
        None,
    )


def _compared(hub: Hub, tx: Transaction, arch: str, old: Task | None, new: Task) -> Json:
    now = _lines(hub, tx, new.lock)
    was = _lines(hub, tx, old.lock) if old else None
    changes = difference(was, now) if was is not None else []
    return {
        "arch": arch, "task": new.id, "lock": new.lock, "rpms": len(now), "ours": sum(line["ours"] for line in now.values()),
        "before": {"task": old.id, "lock": old.lock, "rpms": len(was or {})} if old else None,
        "same": len(now) - sum(one["change"] != "removed" for one in changes) if was is not None else 0,
        "changes": changes,
    }  # fmt: skip


def _lines(hub: Hub, tx: Transaction, digest: str) -> dict[str, Json]:
    """The RPMs of a lock by name and arch."""
    entries: Sequence[Json] = lock_entries(hub, digest) or ()
    ours = own_headers(tx, entries)
    return {
        f"{line['name']}.{line['arch']}": {
            "name": line["name"], "nevra": nevra_of(line), "sha256": line.get("sha256") or "", "ours": line.get("sha256") in ours,
        }
        for line in entries
    }  # fmt: skip


def difference(old: Mapping[str, Json], new: Mapping[str, Json]) -> list[Json]:
    """Return what differs between two buildroots, by name: ``added``, ``removed``, ``updated``, or
    ``rebuilt`` (another RPM of the same NEVRA).

    >>> a = {"name": "a", "nevra": "a-1", "sha256": "x", "ours": False}
    >>> [one["change"] for one in difference({"a": a, "b": a}, {"a": a | {"sha256": "y", "ours": True}, "c": a})]
    ['rebuilt', 'removed', 'added']
    """
    changes = []
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        if was and now and was["sha256"] == now["sha256"] and was["nevra"] == now["nevra"]:
            continue
        changes.append(
            {"name": (now or was or {})["name"], "change": _word(was, now), "old": was, "new": now}
        )
    return changes


def _word(was: Json | None, now: Json | None) -> str:
    if not was or not now:
        return "added" if now else "removed"
    return "rebuilt" if was["nevra"] == now["nevra"] else "updated"
