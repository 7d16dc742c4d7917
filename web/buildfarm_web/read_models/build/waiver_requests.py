"""Waivers that somebody asked for: of which build's finding, why, and what came of it."""

from __future__ import annotations

from dataclasses import asdict

from buildfarm.domain.build.waiver import WaiverRequest
from buildfarm.domain.core.build import Build
from buildfarm.ports.store import Transaction, matching
from buildfarm_web.read_models.core.convert import Json, find_each, stamp


def waiver_request_json(tx: Transaction, asked: WaiverRequest) -> Json:
    """One; ``answer`` is empty until somebody answers."""
    return _said(asked, tx.get(Build, asked.build).nvr)


def open_waiver_requests(tx: Transaction, *, limit: int = 100, **where: object) -> list[Json]:
    """Those that nobody has answered yet, of one ``build`` or of all, what waits longest first."""
    wanted = matching(WaiverRequest, answered=None, **where)
    found = tx.find(WaiverRequest, order_by="created", limit=limit, **wanted)
    nvrs = {
        build.id: build.nvr for build in find_each(tx, Build, "id", (one.build for one in found))
    }
    return [_said(one, nvrs.get(one.build, one.build)) for one in found]


def _said(asked: WaiverRequest, nvr: str) -> Json:
    where = " ".join(word for word in (asked.rpm, asked.path, asked.subject) if word)
    return {
        **asdict(asked),
        "created": stamp(asked.created),
        "answered": stamp(asked.answered),
        "nvr": nvr,
        "finding": f"{asked.kind} {where}".strip(),
    }
