"""Clusters: failed builds whose reasons are the same once numbers, paths and their own names are
removed.

"80 builds fail because of gcc-x" is one line to read, and one thing to repair, then retry.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from buildfarm.domain.core.build import Build

_PLACE = re.compile(r"(?:/[\w.+~@%-]+)+/?")
_POSITION = re.compile(r"(?::\d+)+:?")
_NUMBER = re.compile(r"\b(?:0x[0-9a-f]+|[0-9a-f]{12,}|\d[\d.]*)\b")
_ID_LENGTH = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Builds that failed alike: ``id`` stays the same as long as the reason does, ``words`` is the
    reason without the parts that differ.
    """

    id: str
    kind: str
    words: str
    example: str
    builds: tuple[Build, ...]


def fingerprint(build: Build, reason: str = "") -> str:
    """The reason of a failed build (or another ``reason`` it gives) without its own name, paths,
    positions and numbers.

    What lies in a folder is kept by its last name when that is a header or a library: that is often
    the cause.
    """
    own = {build.nvr, build.source, f"{build.version}-{build.release}", build.version} - {""}
    return _without(tuple(sorted(own, key=len, reverse=True)), reason or build.reason)


@lru_cache(maxsize=20_000)
def _without(names: tuple[str, ...], words: str) -> str:
    for own in names:
        words = re.sub(rf"(?<![\w-]){re.escape(own)}(?![\w-])", "@", words)
    words = _PLACE.sub(_kept, words)
    return _NUMBER.sub("#", _POSITION.sub(":", words)).strip()


def _kept(match: re.Match[str]) -> str:
    last = match[0].rstrip("/").rpartition("/")[2]
    return f"…/{last}" if last.endswith((".h", ".hpp", ".a")) or ".so" in last else "…"


def clusters(failed: Iterable[Build]) -> tuple[Cluster, ...]:
    """The failed builds by kind and fingerprint, the largest cluster first; the oldest build is the
    example.
    """
    found: dict[tuple[str, str], list[Build]] = {}
    for build in sorted(failed, key=lambda build: (build.state_since, build.id)):
        found.setdefault((build.failure_kind, fingerprint(build)), []).append(build)
    made = [
        Cluster(
            id=hashlib.sha256(f"{kind}\n{words}".encode()).hexdigest()[:_ID_LENGTH], kind=kind,
            words=words, example=some[0].reason, builds=tuple(some),
        )
        for (kind, words), some in found.items()
    ]  # fmt: skip
    return tuple(sorted(made, key=lambda cluster: (-len(cluster.builds), cluster.id)))
