"""The source graph of a real large distribution, from Debian's Sources and Packages indices.

A source needs the source of each package in its Build-Depends, directly: of the first alternative
that some package provides. The indices have no build times, so a build's cost is estimated from the
size of its archives, as the farm does at first.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

_BASE_SECONDS, _BYTES_A_SECOND = 30.0, 100_000.0
_FIELD = re.compile(
    r"^(Package|Source|Provides|Binary|Build-Depends(?:-Arch|-Indep)?|Architecture):"
    r"[ \t]*(.*(?:\n[ \t].*)*)",
    re.MULTILINE,
)
_SIZES = re.compile(r"^ [0-9a-f]{32} (\d+) ", re.MULTILINE)
_NAME = re.compile(r"\s*([a-z0-9][a-z0-9+.-]+)")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def fetch(folder: Path, suite: str = "bookworm") -> tuple[Path, Path]:
    """Fetch Sources and Packages of ``suite``, through apt with its own lists.

    :raises CalledProcessError: no mirror answers.
    """
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True)
    sources = folder / "sources.list"
    line = f"[signed-by={_KEYRING}] {_mirror()} {suite} main"
    sources.write_text(f"deb {line}\ndeb-src {line}\n", encoding="ascii")
    options = [
        "-o",
        f"Dir::Etc::sourcelist={sources}",
        "-o",
        "Dir::Etc::sourceparts=-",
        "-o",
        f"Dir::State::lists={lists}",
    ]
    subprocess.run(
        ["apt-get", "update", "-qq", "-o", "APT::Sandbox::User=root", *options],
        check=True,
        capture_output=True,
    )
    found = []
    for pattern in ("*_Sources*", "*_Packages*"):
        plain = folder / pattern.strip("*_")
        with plain.open("wb") as file:
            subprocess.run(
                ["/usr/lib/apt/apt-helper", "cat-file", next(lists.glob(pattern))],
                check=True,
                stdout=file,
            )
        found.append(plain)
    return found[0], found[1]


def _mirror() -> str:
    """Return the mirror that this machine's apt uses.

    :raises StopIteration: it has none of Debian.
    """
    words = [
        "apt-get",
        "indextargets",
        "--format",
        "$(ORIGIN) $(LABEL) $(REPO_URI)",
        "Created-By: Packages",
    ]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return next(
        line.split()[2] for line in listed.splitlines() if line.startswith("Debian Debian ")
    )


def write(sources: Path, packages: Path, file: Path) -> None:
    """Write the graph as JSON for ``buildfarm simulate``."""
    provider = _providers(packages)
    wanted: dict[str, set[str]] = {}
    costs: dict[str, float] = {}
    for stanza, fields in _stanzas(sources):
        name = fields["Package"]
        needs = wanted.setdefault(name, set())
        for field in ("Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"):
            needs.update(_needed(fields.get(field, ""), provider))
        size = sum(map(int, _SIZES.findall(stanza)))
        costs[name] = _BASE_SECONDS + size / _BYTES_A_SECOND
    graph = [
        {"name": name, "build_requires": sorted(needs), "cost_s": round(costs[name], 1)}
        for name, needs in wanted.items()
    ]
    file.write_text(json.dumps({"sources": graph}), encoding="utf-8")


def _providers(packages: Path) -> dict[str, str]:
    """Return the source of each package name; real packages precede those that provide the name."""
    real: dict[str, str] = {}
    virtual: dict[str, str] = {}
    for _, fields in _stanzas(packages):
        source = fields.get("Source", fields["Package"]).partition(" ")[0]
        real[fields["Package"]] = source
        for item in fields.get("Provides", "").split(","):
            if match := _NAME.match(item):
                virtual.setdefault(match[1], source)
    return virtual | real


def _stanzas(index: Path) -> Iterator[tuple[str, dict[str, str]]]:
    for stanza in index.read_text(encoding="utf-8").split("\n\n"):
        if stanza.strip():
            yield stanza, dict(_FIELD.findall(stanza))


def _needed(text: str, provider: dict[str, str]) -> Iterator[str]:
    for item in text.split(","):
        for alternative in item.split("|"):
            match = _NAME.match(alternative)
            if match and match[1] in provider:
                yield provider[match[1]]
                break
