"""Looks for brand words in RPMs: headers, and every file of the payload, read in the sandbox."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from buildfarm.adapters import sandbox
from buildfarm.domain.brand import Allow, BrandHit, BrandPolicy, not_allowed

_SECONDS = 900.0


def scan_rpms(paths: Sequence[Path], policy: BrandPolicy, allow: Sequence[Allow] = ()) -> list[BrandHit]:
    """Every brand word left in these RPMs that nobody allowed.

    :raises ToolFailed: the reader ended badly; a scan that did not end is no clean scan.
    """
    if not paths:
        return []
    given = {"files": [str(path) for path in paths], "policy": dataclasses.asdict(policy)}
    done = sandbox.python(
        "buildfarm.adapters.brand_scan.reader",
        read_only=list(paths),
        stdin=json.dumps(given).encode(),
        timeout=_SECONDS,
    )
    return not_allowed([BrandHit(**hit) for hit in json.loads(done.stdout)], allow)
