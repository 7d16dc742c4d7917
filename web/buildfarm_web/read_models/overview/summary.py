"""Summary that the overview draws beside its lists: the action required, where every source stands,
how far behind the vendor we are.
"""

from __future__ import annotations

from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.build.source_status import SourceStatusIndex, by_word, map_of
from buildfarm_web.read_models.core.convert import Json
from buildfarm_web.read_models.overview.action_required import action_required
from buildfarm_web.read_models.target.lag import lag

_MOST = 6


def glance(hub: Hub, tx: Transaction, source_statuses: SourceStatusIndex) -> Json:
    """``{action_required, words, map, lag}``: of each group of needs the first few, the rest is one
    link away.
    """
    found = source_statuses.of(hub, tx)
    return {
        "action_required": action_required(hub, tx, source_statuses.kept, most=_MOST),
        "words": by_word(found),
        "map": map_of(found),
        "lag": lag(hub, tx, source_statuses),
    }
