"""The brand scan, and in the same run ``grep`` for its words in the unpacked tree, and unpacking.

Scanned are the demo's seed and vendor repositories: RPMs with compressed payloads. grep reads less
(no header, archive, other encoding or picture), so it is a floor, not a peer. Goal: at most three
times the unpacking.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from buildfarm.adapters.debrand.brand_policies import load_brand_policy
from demo.drive import make_world

_GOAL = 3.0
_UNPACK = (
    'd=$(mktemp -d "$0/XXXXXX") && cd "$d" && rpm2archive -n - < "$1" | tar -x --no-same-owner'
)
_CHECKOUT = Path(__file__).resolve().parents[1]
_POLICY = _CHECKOUT / "configs" / "brand.yaml"


def run(runs: int) -> None:
    """Print the table."""
    world = Path(
        os.environ.get("BUILDFARM_WORLD") or _CHECKOUT / "var" / "demo" / "world"
    ).absolute()
    if not (world / "seed").exists():
        make_world(world, _CHECKOUT)
    found = (file for name in ("seed", "vendor") for file in (world / name).rglob("*.rpm"))
    rpms = sorted(file for file in found if "tampered" not in file.name)
    times: dict[str, list[float]] = {"scan": [], "unpack": [], "grep": []}
    size = 0
    with tempfile.TemporaryDirectory(prefix="bench-scan-") as work:
        links = Path(work) / "rpms"
        links.mkdir()
        for file in rpms:
            shutil.copy(file, links)
        for round_ in range(runs + 1):
            with tempfile.TemporaryDirectory(dir=work) as plain:
                taken = {
                    "scan": _seconds(
                        [
                            Path(sys.executable).with_name("buildfarm"), "brand-scan", links,
                            "--policy", _POLICY, "--json",
                        ]
                    ),
                    "unpack": _seconds(
                        ["xargs", "-P", str(os.cpu_count()), "-n", "1", "sh", "-c", _UNPACK, plain],
                        names=rpms,
                    ),
                    "grep": _seconds(
                        [
                            "grep",
                            "-rciE",
                            "|".join(word.pattern for word in load_brand_policy(_POLICY).words),
                            plain,
                        ]
                    ),
                }  # fmt: skip
                size = sum(
                    file.lstat().st_size for file in Path(plain).rglob("*") if file.is_file()
                )
            if round_:  # the first warms the caches
                for name, seconds in taken.items():
                    times[name].append(seconds)
    _print(times, len(rpms), size, runs)


def _seconds(argv: Sequence[str | Path], *, names: Sequence[Path] = ()) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        argv, input="\n".join(map(str, names)), text=True, stdout=subprocess.DEVNULL, check=False
    )
    if done.returncode not in (0, 1):
        raise subprocess.CalledProcessError(done.returncode, argv)
    return time.perf_counter() - started


def _print(times: dict[str, list[float]], count: int, size: int, runs: int) -> None:
    middle = {name: statistics.median(taken) for name, taken in times.items()}
    print(
        f"\nbrand scan of {count} RPMs, {size / 1e6:.0f} MB unpacked, {os.cpu_count()} processors, "
        f"medians of {runs}"
    )
    for name, what in (
        ("scan", "buildfarm brand-scan"),
        ("unpack", "unpacking alone"),
        ("grep", "grep -rciE over the unpacked"),
    ):
        print(f"  {what:<30} {middle[name]:7.2f} s  {size / 1e6 / middle[name]:8.0f} MB/s")
    ratio = middle["scan"] / middle["unpack"]
    print(
        f"  scan / unpacking: {ratio:.2f} (goal: at most {_GOAL:g}) "
        f"{'met' if ratio <= _GOAL else 'NOT MET'}; "
        f"scan / (unpacking + grep): {middle['scan'] / (middle['unpack'] + middle['grep']):.2f}"
    )
