"""The demo's report, read from the API, and its check against the expected results."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from demo.drive import Farm, Json

_out = Console(width=None if sys.stdout.isatty() else 160)


def print_report(farm: Farm, drop: Json, seconds: float, home: Path) -> bool:
    """Print table and figures; return False if a result differs from the world's expectation."""
    expected = json.loads((home / "world" / "expected.json").read_text(encoding="utf-8"))
    table = Table(
        "SRPM", "State", "Verdict", "Why", title=f"Drop {drop['id'][:12]}", title_justify="left"
    )
    wrong: list[str] = []
    for build in sorted(drop["builds"], key=lambda build: build["nvr"]):
        why = build.get("why") or ""
        table.add_row(build["nvr"], build["state"], build.get("verdict") or "", why)
        wrong += _differs(build, expected.get(build["source"], {}))
    _out.print(table)
    target = farm.get(f"/targets/{drop['target']}")
    compat = drop.get("compatibility") or {}
    _out.print(f"POST to rest: {seconds:.0f} s")
    if compat:
        _out.print(f"vendor RPMs compatible: {compat.get('compatible')} of {compat.get('total')}")
    share = target.get("self_hosted_share")
    if share is not None:
        _out.print(f"self-hosted share of the buildroots: {share:.1%}")
    seeds = farm.get(f"/targets/{drop['target']}/seeds")
    rising = [one for one in seeds["over_time"] if one["share"] is not None]
    if rising:
        _out.print(
            f"  from {rising[0]['share']:.1%} in generation {rising[0]['number']} to "
            f"{rising[-1]['share']:.1%} in generation "
            f"{rising[-1]['number']}; {len(seeds['seeds'])} RPMs still come from the seed "
            f"(buildfarm seeds {drop['target']})"
        )
    for one in seeds["cycles"]:
        took = (
            f"took {', '.join(one['seeded'])} from the seed"
            if one["seeded"]
            else "took nothing of it from the seed"
        )
        _out.print(
            f"cycle {' and '.join(one['cycle'])}: {one['nvr']}, round {one['round']}, {took}",
            highlight=False,
        )
    _out.print(
        f"brand words left in our RPMs: {target.get('brand_hits', 0)}, in our SRPMs: "
        f"{target.get('source_brand_hits', 0)}"
    )
    for head in target.get("heads", ()):
        _out.print(
            f"{head['tag']}: generation {head['number']}, digest {head['digest'][:16]}, "
            f"{head['rpms']} RPMs"
        )
    for line in wrong:
        _out.print(f"[bold red]not as foreseen:[/] {line}")
    return not wrong


def _differs(build: Json, expected: Json) -> list[str]:
    """Return the differences between a build and the world's expectation of its source."""
    found: list[str] = []
    for key in ("state", "verdict"):
        want = expected.get(key)
        allowed = want if isinstance(want, list) else [want]
        if want is not None and build.get(key) not in allowed:
            found.append(f"{build['nvr']}: {key} is {build.get(key)!r}, foreseen was {want!r}")
    if (text := expected.get("why_contains")) and text not in (build.get("why") or ""):
        found.append(f"{build['nvr']}: the reason does not say {text!r}: {build.get('why')!r}")
    return found
