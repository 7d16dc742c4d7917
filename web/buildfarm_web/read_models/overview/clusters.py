"""One cluster of failed builds: the reason they have in common, and each of them."""

from __future__ import annotations

from buildfarm.domain.build.clusters import clusters
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.errors import NotFound
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.build.source_status import COLUMNS, as_far_as_read, since_of
from buildfarm_web.read_models.core.convert import Json, by_name, stamp
from buildfarm_web.read_models.overview.action_required import cluster_item

_READ = 5000


def cluster_page(hub: Hub, tx: Transaction, target: str, name: str) -> Json:
    """A cluster by its id. :raises NotFound: no such target, or no build fails like that now."""
    known = hub.target(target)
    failed = tx.select_fields(
        Build, COLUMNS, order_by="state_since", limit=_READ, target=known.name,
        state=BuildState.FAILED, superseded=False,
    )  # fmt: skip
    rows = by_name(COLUMNS, failed)
    found = next((one for one in clusters(map(as_far_as_read, rows)) if one.id == name), None)
    if found is None:
        raise NotFound(
            f"no build of {known.name} fails like {name} now",
            hint="what it named was retried or canceled; /action-required?kind=failed lists what fails now",
        )
    return {
        "now": stamp(tx.now),
        **cluster_item(hub, known.name, found),
        "newest": stamp(found.builds[-1].state_since),
        "builds": [
            {
                "id": build.id, "nvr": build.nvr, "source": build.source, "target": build.target, "state": build.state.value,
                "sig": hub.config.sig_of(build.target, build.source), "since": since_of(build), "why": build.reason,
            }
            for build in found.builds
        ],
    }  # fmt: skip
