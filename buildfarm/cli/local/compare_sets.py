"""``buildfarm compare`` for folders and repositories: sides, journal, progress and results."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildfarm import places
from buildfarm.adapters.compare.folder_side import FolderSide, is_repository
from buildfarm.adapters.compare.journal import Journal, tool_digest
from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.cli.local.compare_show import Show
from buildfarm.domain.compare.policy import ComparePolicy
from buildfarm.domain.compare.report import PairResult, Report
from buildfarm.errors import InputError
from buildfarm.presentation.report_text import (
    distribution_lines,
    pair_lines,
    summary,
    unpaired_lines,
)
from buildfarm.services.compare.comparison import files_of
from buildfarm.services.compare.large_comparison import Callbacks, compare_sides

if TYPE_CHECKING:
    from buildfarm.adapters.compare.repository_side import RepositorySide

_SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Progress on standard error: one updated line on a terminal, a line every few seconds in a
    log.
    """

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic()
        self._what, self._done, self._again, self._bad, self._total = "", 0, 0, 0, 0
        self._lock = threading.Lock()

    def begin(self, what: str, total: int) -> None:
        """Start a stage."""
        self._what, self._total, self._done, self._again, self._bad = what, total, 0, 0, 0

    def step(self, count: int = 1, *, again: bool = False, bad: bool = False) -> None:
        """Count finished items; from any thread."""
        with self._lock:
            self._done += count
            self._again += again
            self._bad += bad
            pause = 0.1 if self._terminal else _SECONDS_BETWEEN_LINES
            if time.monotonic() - self._last >= pause or self._done == self._total:
                self._last = time.monotonic()
                self.show()

    def show(self) -> None:
        """Print the progress now."""
        known = f", {self._again} of them known from before" if self._again else ""
        bad = f", {self._bad} not compatible" if self._bad else ""
        text = f"{self._what}: {self._done} of {self._total}{known}{bad}"
        click.echo(f"\r\x1b[K{text}" if self._terminal else text, err=True, nl=not self._terminal)

    def clear(self) -> None:
        """Clear the line for a result."""
        if self._terminal:
            click.echo("\r\x1b[K", err=True, nl=False)


def compare_sets(
    old: str,
    new: str,
    policy: ComparePolicy,
    show: Show,
    *,
    state: Path | None,
    fresh: bool,
    jobs: int | None,
) -> Report:
    """Compare two folders or two repositories, and show results as they come."""
    folder = (
        state
        or places.home()
        / "compare"
        / hashlib.sha256(f"{_full(old)}\n{_full(new)}".encode()).hexdigest()[:16]
    )
    jobs = jobs or os.cpu_count() or 1
    progress = Progress()
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(folder / "journal", fresh=fresh))
        keep = [] if is_repository(old) or is_repository(new) else [Path(old), Path(new)]
        reader = stack.enter_context(SandboxedReader(jobs=1, keep=keep))
        vendors, ours = _sides(old, new, folder, progress, reader, jobs)
        stack.enter_context(vendors)
        stack.enter_context(ours)

        def total(count: int) -> None:
            progress.begin("pairs compared", count)

        def result(found: PairResult, again: bool) -> None:  # noqa: FBT001  # as Callbacks declares
            lines = list(pair_lines(found, verbose=show.verbose))
            if lines:
                progress.clear()
                show.write(lines)
            progress.step(again=again, bad=not found.verdict.is_compatible)

        report = compare_sides(
            vendors, ours, policy=policy, journal=journal, salt=tool_digest(), jobs=jobs,
            reader=reader, callbacks=Callbacks(total=total, result=result),
        )  # fmt: skip
    progress.clear()
    show.write(unpaired_lines((*report.missing, *report.extra), verbose=show.verbose))
    if report.sources is not None:
        show.write(distribution_lines(report.sources, verbose=show.verbose))
    show.write(summary(report, verbose=show.verbose))
    return report


def _full(place: str) -> str:
    return place if place.startswith(("http://", "https://")) else str(Path(place).resolve())


def _sides(
    old: str, new: str, folder: Path, progress: Progress, reader: SandboxedReader, jobs: int
) -> tuple[FolderSide, FolderSide] | tuple[RepositorySide, RepositorySide]:
    if is_repository(old) and is_repository(new):
        from buildfarm.adapters.compare.repository_side import RepositorySide  # noqa: PLC0415  # folders need no HTTP

        work = folder / "fetched"
        return RepositorySide(old, work=work, reader=reader), RepositorySide(
            new, work=work, reader=reader
        )
    if "://" in old or "://" in new:
        raise InputError(
            f"{old} and {new}: one is a repository, the other is not",
            hint="run createrepo_c on the folder",
        )
    files = files_of(Path(old), Path(new))
    progress.begin("headers read", sum(map(len, files)))

    def side(of: list[Path]) -> FolderSide:
        return FolderSide(
            of, reader=reader, spool=folder, read=progress.step, jobs=max(1, jobs // 2)
        )

    with ThreadPoolExecutor(2) as pool:
        vendors, ours = pool.map(side, files)
    return vendors, ours
