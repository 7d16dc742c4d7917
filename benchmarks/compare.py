"""The comparison and its peers in one run, as medians: processes on pairs of real RPMs, and
folders.

Goals: faster than diffoscope on every pair and ten times over the sum; a folder run faster than
rpmdiff on pairs with equal payload; a folder run at most twice the floor, which is unpacking both
sides and hashing every file, on as many processors.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from benchmarks import compare_peers
from benchmarks.compare_peers import OURS, Peer
from tests.integration.compare import compare_many

_LIMIT_SECONDS = 300.0
_GOAL_SUM, _GOAL_FLOOR = 10.0, 2.0
_TWICE_PARTS = 60
_FLOOR = (
    'd=$(mktemp -d "$0/XXXXXX") && cd "$d" && rpm2archive -n - < "$1" | tar -x --no-same-owner; '
    'find . -type f -exec sha256sum {} + >/dev/null; rm -rf "$d"'
)


def run(runs: int) -> None:
    """Measure all three and print them with their goals."""
    corpus = os.environ.get("BUILDFARM_CORPUS")
    if not corpus:
        print(
            "compare: BUILDFARM_CORPUS does not name the folder of real RPMs; only what is built "
            "here is measured"
        )
    print(f"{os.cpu_count()} processors; {compare_peers.versions()}")
    with tempfile.TemporaryDirectory(prefix="bench-compare-") as work:
        if corpus:
            pairs = _pairs(Path(corpus) / "rpms" / "pairs")
            _single(pairs, Path(work), runs)
            _floor(pairs, Path(work), runs)
        _equal_payload(Path(work), runs)


def _pairs(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return the labelled pairs by a short name; pairs of one and the same file are left out."""
    listed = yaml.safe_load((folder / "pairs.yaml").read_text(encoding="utf-8"))
    named = {
        f"{row['old']} {row['new']}": [(folder / row[side]).resolve() for side in ("old", "new")]
        for row in listed
    }
    return {name: (old, new) for name, (old, new) in named.items() if old != new}


def _timed(argv: Sequence[str | Path], *, ends: frozenset[int]) -> tuple[float, int, str]:
    """Return seconds, exit code and output.

    :raises CalledProcessError: never; a bad end is in the exit code.
    """
    started = time.perf_counter()
    try:
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
            timeout=_LIMIT_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return _LIMIT_SECONDS, -1, ""
    seconds = time.perf_counter() - started
    return (
        seconds,
        done.returncode if done.returncode in ends else -abs(done.returncode),
        done.stdout.decode("utf-8", "replace"),
    )


def _single(pairs: Mapping[str, tuple[Path, Path]], work: Path, runs: int) -> None:
    """Run every peer on every pair, in turn.

    A peer that crashes on a pair is reported, and left out of that pair's ratio.
    """
    peers = compare_peers.present()
    sums = dict.fromkeys((peer.name for peer in peers), 0.0)
    slower, against, ours_sum = [], 0.0, 0.0
    print(
        f"\n{'seconds (median of ' + str(runs) + ')':<16}",
        *(f"{peer.name:>13}" for peer in peers),
        " pair",
    )
    notes = []
    for name, (old, new) in pairs.items():
        times, found = _measure(peers, old, new, work, runs)
        print(
            " " * 16,
            *(
                f"{times[peer.name]:>12.3f}{' ' if _good(found[peer.name]) else '!'}"
                for peer in peers
            ),
            f" {name}",
        )
        notes.append((name, found))
        for peer in peers:
            sums[peer.name] += times[peer.name]
        if "diffoscope" in times and _good(found["diffoscope"]):
            against += times["diffoscope"]
            ours_sum += times[OURS]
            if times[OURS] >= times["diffoscope"]:
                slower.append(name)
    print(f"{'sum':<16}", *(f"{sums[peer.name]:>12.3f} " for peer in peers))
    print("what each found (! above: it broke):")
    for name, found in notes:
        print(f"  {name}")
        for peer in peers:
            print(f"    {peer.name:<14} {found[peer.name]}")
    if against:
        _goal("diffoscope over ours, sum of the pairs", against / ours_sum, at_least=_GOAL_SUM)
        print(
            "pairs on which diffoscope is as fast or faster (goal: none): "
            f"{', '.join(slower) or 'none'}"
        )


def _good(found: str) -> bool:
    return "exit -" not in found


def _measure(
    peers: Sequence[Peer], old: Path, new: Path, work: Path, runs: int
) -> tuple[dict[str, float], dict[str, str]]:
    times: dict[str, list[float]] = {peer.name: [] for peer in peers}
    found: dict[str, str] = {}
    for round_ in range(runs + 1):
        for peer in peers:
            with tempfile.TemporaryDirectory(dir=work) as folder:
                seconds, code, said = _timed(peer.argv(old, new, Path(folder)), ends=peer.ends)
            if round_:  # the first warms the caches
                times[peer.name].append(seconds)
            else:
                found[peer.name] = peer.found(code, said) if code >= 0 else f"broke: exit {code}"
    return {name: statistics.median(taken) for name, taken in times.items()}, found


def _folders(pairs: Mapping[str, tuple[Path, Path]], work: Path) -> tuple[Path, Path]:
    """Make a folder for each side, with one RPM of each NAME and ARCH, debuginfo too."""
    sides = work / "old", work / "new"
    for side in sides:
        side.mkdir()
    taken: set[str] = set()
    for old, new in pairs.values():
        key = old.name.rsplit("-", 2)[0] + old.name.rsplit(".", 2)[1]
        if (
            key not in taken
            and "hostile" not in new.parts
            and old.name.rsplit(".", 2)[1] == new.name.rsplit(".", 2)[1]
        ):
            taken.add(key)
            for side, file in zip(sides, (old, new), strict=True):
                shutil.copy(file, side)
    return sides


def _folder_run(old: Path, new: Path, work: Path) -> Sequence[str | Path]:
    state = work / "state"
    return [
        Path(sys.executable).with_name("buildfarm"),
        "compare",
        "--json",
        "--any-release",
        "--fast",
        "--fresh",
        "--state",
        state,
        old,
        new,
    ]


def _floor(pairs: Mapping[str, tuple[Path, Path]], work: Path, runs: int) -> None:
    old, new = _folders(pairs, work)
    files = [str(file) for side in (old, new) for file in sorted(side.iterdir())]
    argv = ["xargs", "-P", str(os.cpu_count()), "-n", "1", "sh", "-c", _FLOOR, str(work)]
    ours, floor = [], []
    for round_ in range(runs + 1):
        seconds, code, _ = _timed(_folder_run(old, new, work), ends=frozenset({0, 1}))
        started = time.perf_counter()
        subprocess.run(argv, input="\n".join(files), text=True, check=True)
        if round_:
            ours.append(seconds)
            floor.append(time.perf_counter() - started)
    print(
        f"\nfolder run over {len(files) // 2} differing pairs (exit {code}): "
        f"{statistics.median(ours):.3f} s; "
        f"unpack and hash: {statistics.median(floor):.3f} s"
    )
    _goal(
        "ours over the floor",
        statistics.median(ours) / statistics.median(floor),
        at_most=_GOAL_FLOOR,
    )


def _equal_payload(work: Path, runs: int) -> None:
    """Build the same spec twice, at other times: the header differs, the payload does not."""
    sides = work / "twice-old", work / "twice-new"
    for side, epoch in zip(sides, (1_700_000_000, 1_700_000_060), strict=True):
        side.mkdir()
        compare_many.build(side, "twice", parts=_TWICE_PARTS, epoch=epoch)
    names = sorted(file.name for file in sides[0].iterdir())
    ours, rpmdiff = [], []
    for round_ in range(runs + 1):
        seconds, code, _ = _timed(_folder_run(*sides, work), ends=frozenset({0}))
        taken = sum(
            _timed(["rpmdiff", sides[0] / name, sides[1] / name], ends=frozenset({0, 1}))[0]
            for name in names
        )
        if round_:
            ours.append(seconds)
            rpmdiff.append(taken)
    print(
        f"\nfolder run over {len(names)} pairs with equal payload (exit {code}): "
        f"{statistics.median(ours):.3f} s; "
        f"rpmdiff, one process a pair: {statistics.median(rpmdiff):.3f} s"
    )
    _goal("rpmdiff over ours", statistics.median(rpmdiff) / statistics.median(ours), at_least=1.0)


def _goal(
    what: str, ratio: float, *, at_least: float | None = None, at_most: float | None = None
) -> None:
    good = ratio >= at_least if at_least is not None else at_most is not None and ratio <= at_most
    goal = f"at least {at_least:g}" if at_least is not None else f"at most {at_most:g}"
    print(f"{what}: {ratio:.2f} (goal: {goal}) {'met' if good else 'NOT MET'}")
