"""``debrand check`` over a drop of 3,000 SRPMs, and the floor: unpacking each SRPM and its tars.

Both use all processors. The drop is the demo's SRPMs many times over, under names of their own;
some have a rule, most have none and are scanned. Goal: dominated by reading, that is at most three
times the floor.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from demo.drive import make_world

_GOAL, _SRPMS = 3.0, 3_000
_CHECKOUT = Path(__file__).resolve().parents[1]
_RULES, _POLICY = _CHECKOUT / "configs" / "debrand", _CHECKOUT / "configs" / "brand.yaml"
_FLOOR = (
    'd=$(mktemp -d "$0/XXXXXX") && cd "$d" && rpm2archive -n - < "$1" | tar -x --no-same-owner; '
    'for t in *.tar* *.tgz; do [ -f "$t" ] && mkdir -p in && tar -xf "$t" -C in --no-same-owner; '
    'done; rm -rf "$d"'
)


def run(runs: int) -> None:
    """Print the table."""
    world = Path(
        os.environ.get("BUILDFARM_WORLD") or _CHECKOUT / "var" / "demo" / "world"
    ).absolute()
    if not (world / "vendor").exists():
        make_world(world, _CHECKOUT)
    srpms = [
        file
        for file in sorted((world / "vendor").rglob("*.src.rpm"))
        if "tampered" not in file.name
    ]
    command = [
        Path(sys.executable).with_name("buildfarm"),
        "debrand",
        "check",
        "--rules",
        _RULES,
        "--brand",
        _POLICY,
        "--json",
    ]
    ours, floor, source_statuses = [], [], Counter[str]()
    # Beside the files, which are hard-linked.
    with tempfile.TemporaryDirectory(prefix="bench-check-", dir=world) as work:
        drop = Path(work) / "drop"
        drop.mkdir()
        for number in range(_SRPMS):
            (drop / f"{number:04}-{srpms[number % len(srpms)].name}").hardlink_to(
                srpms[number % len(srpms)]
            )
        names = "\n".join(str(file) for file in sorted(drop.iterdir()))
        for _ in range(runs):
            started = time.perf_counter()
            done = subprocess.run(
                [*map(str, command), str(drop)], capture_output=True, text=True, check=False
            )
            ours.append(time.perf_counter() - started)
            source_statuses = Counter(one["standing"] for one in json.loads(done.stdout))
            started = time.perf_counter()
            subprocess.run(
                ["xargs", "-P", str(os.cpu_count()), "-n", "1", "sh", "-c", _FLOOR, work],
                input=names, text=True, stderr=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            floor.append(time.perf_counter() - started)
    size = sum(srpms[number % len(srpms)].stat().st_size for number in range(_SRPMS)) / 1e6
    mine, least = statistics.median(ours), statistics.median(floor)
    said = ", ".join(f"{count} {standing}" for standing, count in sorted(source_statuses.items()))
    print(
        f"debrand check, {_SRPMS} SRPMs of {size:.0f} MB on {os.cpu_count()} processors (median of "
        f"{runs}): {mine:.1f} s ({said})"
    )
    print(f"unpacking them and their tars: {least:.1f} s")
    print(
        f"ours over the floor: {mine / least:.2f} (goal: at most {_GOAL:g}) "
        f"{'met' if mine <= _GOAL * least else 'NOT MET'}"
    )
