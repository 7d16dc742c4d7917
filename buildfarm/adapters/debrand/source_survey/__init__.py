"""Survey an SRPM as plain text, in the sandbox.

It finds the bootstrap condition of the spec, and brand words in spec, patches and names. Archives
are not opened: the survey tells for a whole drop which sources need a rule; the brand scan of our
own build (:mod:`buildfarm.adapters.debrand.brand_scan`) finds the rest.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from buildfarm.adapters.system import sandbox
from buildfarm.adapters.system.process import MEBIBYTE
from buildfarm.domain.debrand.brand import BrandHit, BrandPolicy
from buildfarm.domain.intake.survey import Surveyed
from buildfarm.errors import InputError, ToolFailed

_SECONDS, _SECONDS_EACH = 60.0, 30.0
_MEMORY = 2048 * MEBIBYTE
_NO_BRAND = BrandPolicy(words=())


def survey(srpms: Sequence[Path], policy: BrandPolicy | None) -> list[Surveyed]:
    """Return one answer for each SRPM, in order.

    :raises InputError: one of them ended the reader; survey each alone.
    """
    paths = [path.resolve() for path in srpms]
    given = {
        "files": [str(path) for path in paths],
        "policy": dataclasses.asdict(policy or _NO_BRAND),
    }
    try:
        done = sandbox.python(
            "buildfarm.adapters.debrand.source_survey.reader", read_only=sorted(paths),
            stdin=json.dumps(given).encode(), timeout=_SECONDS + _SECONDS_EACH * len(paths),
            memory=_MEMORY, max_output=64 * MEBIBYTE,
        )  # fmt: skip
    except ToolFailed as error:
        last = error.output.strip().splitlines()[-1:] or [str(error)]
        raise InputError(
            f"{paths[0].name} and {len(paths) - 1} more: cannot be read: {last[0]}"
        ) from error
    return [_surveyed(one) for one in json.loads(done.stdout)]


def _surveyed(one: dict[str, object]) -> Surveyed:
    hits = one.pop("hits")
    assert isinstance(hits, list)  # the reader writes these fields and no others
    return Surveyed(**one, hits=tuple(BrandHit(**hit) for hit in hits))  # type: ignore[arg-type]
