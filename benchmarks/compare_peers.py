"""The peers of ``buildfarm compare``: their commands for two RPMs, and their results."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildfarm.domain.core.verdict import Verdict

OURS = "buildfarm"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A peer: ``argv(old, new, folder)`` is its command, ``ends`` are its good exit codes.

    ``found(exit code, standard output)`` summarises its result.
    """

    name: str
    argv: Callable[[Path, Path, Path], Sequence[str | Path]]
    found: Callable[[int, str], str]
    ends: frozenset[int] = frozenset({0, 1})


def _ours(code: int, said: str) -> str:
    report = json.loads(said)
    told = [item for pair in report["pairs"] for item in pair["findings"]]
    worse = sum(Verdict(item["verdict"]).badness > Verdict.EQUIVALENT.badness for item in told)
    return f"{report['verdict']}, {worse} of {len(told)} findings over EQUIVALENT, exit {code}"


def _lines(code: int, said: str) -> str:
    return f"{len(said.splitlines())} lines, exit {code}"


def _pkgdiff(code: int, said: str) -> str:
    found = re.search(r"(?:result|total changes?)[^:\n]*: *([^\n]+)", said, re.IGNORECASE)
    return f"{found[1].strip() if found else 'no result'}, exit {code}"


def _debuginfo(rpm: Path) -> Path | None:
    name, *rest = rpm.name.rsplit("-", 2)
    beside = rpm.with_name("-".join([name, "debuginfo", *rest]))
    return beside if beside.exists() else None


def _abipkgdiff(old: Path, new: Path, _: Path) -> list[str | Path]:
    debug = [_debuginfo(old), _debuginfo(new)]
    named = [
        word
        for option, file in zip(("--d1", "--d2"), debug, strict=True)
        if file
        for word in (option, file)
    ]
    return ["abipkgdiff", "--no-default-suppression", *named, old, new]


_ALL = (
    Peer(
        name=OURS, argv=lambda old, new,
        _: [ Path(sys.executable).with_name("buildfarm"), "compare", "--json", old, new, ],
        found=_ours, ends=frozenset({0, 1, 3}),
    ),
    Peer(name="rpmdiff", argv=lambda old, new, _: ["rpmdiff", old, new], found=_lines),
    Peer(
        name="build-compare",
        argv=lambda old, new, _: ["/usr/lib/build/pkg-diff.sh", old, new],
        found=_lines,
    ),
    Peer(
        name="pkgdiff",
        argv=lambda old, new, folder: ["pkgdiff", "-report-path", folder / "report.html", old, new],
        found=_pkgdiff,
    ),
    Peer(name="abipkgdiff", argv=_abipkgdiff, found=_lines, ends=frozenset(range(16))),
    Peer(
        name="diffoscope",
        argv=lambda old, new, _: ["diffoscope", "--no-progress", "--text", "-", old, new],
        found=_lines,
    ),
)  # fmt: skip


def present() -> list[Peer]:
    """Return the installed peers; print those that are missing."""
    found = []
    for peer in _ALL:
        program = str(peer.argv(Path("a-1-1"), Path("b-1-1"), Path())[0])
        if shutil.which(program):
            found.append(peer)
        else:
            print(f"{peer.name}: not on this machine, left out")
    return found


def versions() -> str:
    """Return the versions of their Debian packages."""
    argv = [
        "dpkg-query",
        "-W",
        "-f",
        "${Package} ${Version}, ",
        "rpmlint",
        "pkgdiff",
        "abigail-tools",
        "diffoscope-minimal",
        "rpm",
    ]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.rstrip(", ")
