"""A folder of RPMs as one side of a large comparison.

Headers are read once and kept on disk, identities in memory.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Protocol

from buildfarm.adapters.compare.rpm_facts.codec import rpm_from_json, rpm_to_json
from buildfarm.domain.compare.batch import identity
from buildfarm.domain.compare.facts.facts import RpmFacts

_AT_ONCE = 128


def is_repository(place: str) -> bool:
    """Check whether a place is a URL, or a folder with repodata."""
    return (
        place.startswith(("http://", "https://"))
        or (Path(place) / "repodata" / "repomd.xml").is_file()
    )


class HeaderReader(Protocol):
    """Reads headers in the sandbox."""

    def headers(self, files: Sequence[Path]) -> list[RpmFacts]:
        """Return the facts of each file, in that order; damage is in ``error``."""


class FolderSide:
    """The RPM files of one folder.

    ``jobs`` threads read the headers; ``read`` is called with the number of headers read.

    :raises InfraError: the sandbox does not start.
    """

    def __init__(
        self, files: Sequence[Path], *, reader: HeaderReader, spool: Path,
        read: Callable[[int], None] = lambda _: None, jobs: int = 1,
    ) -> None:  # fmt: skip
        spool.mkdir(parents=True, exist_ok=True)
        self._spool = tempfile.TemporaryFile(dir=spool)  # noqa: SIM115  # closed with the side
        self._places: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self.identities: list[RpmFacts] = []
        self.provides: dict[str, str] = {}
        shares = iter([files[start : start + _AT_ONCE] for start in range(0, len(files), _AT_ONCE)])
        with ThreadPoolExecutor(jobs) as pool:
            while some := list(islice(shares, jobs)):
                for found in pool.map(reader.headers, some):
                    for facts in found:
                        self._keep(facts)
                    read(len(found))

    def _keep(self, facts: RpmFacts) -> None:
        line = json.dumps(rpm_to_json(facts)).encode()
        self._places[facts.file] = (self._spool.tell(), len(line))
        self._spool.write(line)
        self.identities.append(identity(facts))
        for dependency in facts.dependencies.get("PROVIDE", ()):
            self.provides.setdefault(dependency.name, facts.basename)

    @contextmanager
    def facts(self, identities: Sequence[RpmFacts]) -> Iterator[list[RpmFacts]]:
        """Yield all facts of some RPMs, in order."""
        yield [self._load(one.file) for one in identities]

    def _load(self, file: str) -> RpmFacts:
        place, length = self._places[file]
        with self._lock:
            self._spool.seek(place)
            line = self._spool.read(length)
        return rpm_from_json(json.loads(line))

    def __enter__(self) -> FolderSide:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._spool.close()
