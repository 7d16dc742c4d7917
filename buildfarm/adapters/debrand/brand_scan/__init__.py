"""Search RPMs, SRPMs, archives and folders for a vendor's brand, in the sandbox.

It looks at headers, names and every file, at every nesting.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from buildfarm.adapters.system import sandbox
from buildfarm.adapters.system.process import MEBIBYTE
from buildfarm.domain.debrand.brand import Allow, BrandHit, BrandPolicy, not_allowed
from buildfarm.errors import InputError, ToolFailed
from buildfarm.rpm_folders import rpms_below

_SECONDS = 1800.0
_MEMORY = 2048 * MEBIBYTE
_BATCHES_A_JOB = 4
Named = tuple[Path, str]
"""A file, and its name in a hit: its path below the given folder."""


def scan_rpms(
    paths: Sequence[Path], policy: BrandPolicy, allow: Sequence[Allow] = ()
) -> list[BrandHit]:
    """Return every brand left in these RPMs that is not allowed.

    :raises InputError: one of them cannot be read; an incomplete scan is not a clean one.
    """
    return not_allowed(_scan([(path, path.name) for path in paths], policy), allow)


def scan_paths(paths: Iterable[Path], policy: BrandPolicy, *, jobs: int = 0) -> list[BrandHit]:
    """Return every brand in files and folders, on ``jobs`` processors (0: all); links are skipped.

    :raises InputError: as :func:`scan_rpms`.
    """
    files = [named for path in paths for named in _files(path)]
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        batches = _batches(files, (jobs or os.cpu_count() or 1) * _BATCHES_A_JOB)
        found = [
            hit for hits in pool.map(lambda batch: _scan(batch, policy), batches) for hit in hits
        ]
    return sorted(found, key=lambda hit: (hit.rpm, hit.where, hit.offset, hit.word))


def _files(path: Path) -> Iterable[Named]:
    if not path.is_dir():
        return [(path, path.name)]
    files = {file for file in path.rglob("*") if file.is_file() and not file.is_symlink()} | set(
        rpms_below(path)
    )
    return [(file, file.relative_to(path).as_posix()) for file in sorted(files)]


def _batches(files: Sequence[Named], count: int) -> list[list[Named]]:
    """Distribute the files evenly by size, the largest first."""
    batches: list[tuple[int, list[Named]]] = [(0, []) for _ in range(min(count, len(files)))]
    for named in sorted(files, key=lambda named: (-named[0].stat().st_size, named[1])):
        place = min(range(len(batches)), key=lambda at: batches[at][0])
        batches[place] = (batches[place][0] + named[0].stat().st_size, [*batches[place][1], named])
    return [batch for _, batch in batches]


def _scan(files: Sequence[Named], policy: BrandPolicy) -> list[BrandHit]:
    if not files:
        return []
    given = {
        "files": [(str(path.resolve()), name) for path, name in files],
        "policy": dataclasses.asdict(policy),
    }
    folders = {path.resolve().parent for path, _ in files}
    try:
        done = sandbox.python(
            "buildfarm.adapters.debrand.brand_scan.reader", read_only=sorted(folders),
            stdin=json.dumps(given).encode(), timeout=_SECONDS, memory=_MEMORY,
            max_output=256 * MEBIBYTE,
        )  # fmt: skip
    except ToolFailed as error:
        names = ", ".join(name for _, name in files[:3]) + ("" if len(files) <= 3 else " …")  # noqa: PLR2004
        last = error.output.strip().splitlines()[-1:] or ["no word of why"]
        raise InputError(f"{names}: cannot be scanned: {last[0]}") from error
    return [BrandHit(**hit) for hit in json.loads(done.stdout)]
