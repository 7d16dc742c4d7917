"""One cluster of failed builds: the reason they have in common, and each of them."""

from __future__ import annotations

from buildfarm.api.responses.build import clusters as responses
from buildfarm.api.responses.core.base import fields_of
from buildfarm.domain.build.clusters import clusters
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.errors import NotFound
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.build.source_status import COLUMNS, as_far_as_read, since_of
from buildfarm_web.read_models.core.convert import by_name
from buildfarm_web.read_models.overview.action_required import cluster_item

_READ = 5000


def cluster_page(hub: Hub, tx: Transaction, target: str, name: str) -> responses.ClusterPage:
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
    failed_builds = [
        responses.FailedBuild(
            id=build.id,
            nvr=build.nvr,
            source=build.source,
            target=build.target,
            state=build.state,
            sig=hub.config.sig_of(build.target, build.source),
            since=since_of(build),
            why=build.reason,
        )
        for build in found.builds
    ]
    return responses.ClusterPage(
        **(fields_of(cluster_item(hub, known.name, found)) | {"builds": failed_builds}),
        now=tx.now,
        newest=found.builds[-1].state_since,
    )
