"""Failures by cause: one line a cluster."""

from __future__ import annotations

from buildfarm.domain.build.clusters import clusters
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.core.convert import Json, stamp


def failures(hub: Hub, tx: Transaction, name: str) -> Json:
    """The clusters of a target's failed builds, the largest first.

    :raises NotFound: no such target.
    """
    target = hub.target(name)
    failed = tx.find(Build, target=target.name, state=BuildState.FAILED, superseded=False)
    return {
        "target": target.name,
        "failed": len(failed),
        "clusters": [
            {
                "id": cluster.id, "kind": cluster.kind, "words": cluster.words, "example": cluster.example,
                "since": stamp(cluster.builds[0].state_since),
                "builds": [{"id": build.id, "nvr": build.nvr} for build in cluster.builds],
            }
            for cluster in clusters(failed)
        ],
    }  # fmt: skip
