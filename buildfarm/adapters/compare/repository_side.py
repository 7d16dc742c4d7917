"""A repository (a URL, or a folder with repodata) as one side of a large comparison.

Its metadata lists the RPMs with their digests. An RPM is fetched when its pair is compared, and
removed afterwards.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from buildfarm.adapters.compare.folder_side import HeaderReader
from buildfarm.adapters.system import repodata_parser
from buildfarm.adapters.system.process import MEBIBYTE
from buildfarm.domain.compare.facts.facts import RpmFacts
from buildfarm.errors import InfraError, InputError
from buildfarm.rpm_folders import file_of

Json = dict[str, Any]

_REPOMD = "repodata/repomd.xml"
_SCHEMES = ("http", "https")
_TRIES, _PAUSE_SECONDS = 3, 1.0
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_METADATA_LIMIT, _RPM_LIMIT = 2048 * MEBIBYTE, 8192 * MEBIBYTE
_NOT_THERE = (404, 410)


class RepositorySide:
    """One repository; ``work`` is a folder for fetched files.

    :raises InputError: it is not a repository, or its metadata does not match repomd.xml.
    :raises InfraError: it does not answer.
    """

    def __init__(self, place: str, *, work: Path, reader: HeaderReader) -> None:
        self._base = f"{place.rstrip('/')}/" if "://" in place else ""
        self._folder = Path(place).resolve() if not self._base else Path()
        self._work = work / hashlib.sha256(place.encode()).hexdigest()[:8]
        shutil.rmtree(self._work, ignore_errors=True)  # a killed run may have left partial files
        self._work.mkdir(parents=True)
        self._reader = reader
        self._http = httpx.Client(timeout=_TIMEOUT, follow_redirects=True)
        self._lock = threading.Lock()
        self._held: dict[Path, int] = {}
        self._known: dict[str, Json] = {}
        self.identities: list[RpmFacts] = []
        self.provides: dict[str, str] = {}
        for row in self._rows():
            self._keep(row)

    def __enter__(self) -> RepositorySide:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()
        shutil.rmtree(self._work, ignore_errors=True)

    def _rows(self) -> Iterator[Json]:
        """Yield the RPMs of the metadata."""
        repomd = self._get({"href": _REPOMD, "size": 0}, "repomd.xml", limit=16 * MEBIBYTE)
        records = {record["type"]: record for record in self._parse("repomd", repomd)}
        if "primary" not in records:
            raise InputError(
                f"{self._place(_REPOMD)}: names no primary metadata", hint="run createrepo_c again"
            )
        primary = self._get(
            records["primary"],
            PurePosixPath(records["primary"]["href"]).name,
            limit=_METADATA_LIMIT,
        )
        try:
            if (
                _digest(primary, records["primary"]["checksum_type"])
                != records["primary"]["checksum"]
            ):
                raise InputError(
                    f"{self._place(records['primary']['href'])}: not what repomd.xml promises",
                    hint="the repository is being written, or damaged: try again",
                )
            yield from self._parse("primary", primary)
        finally:
            for file in (repomd, primary):
                self._let_go(file)

    def _parse(self, kind: str, file: Path) -> list[Json]:
        return repodata_parser.parse(kind, file, self._place(_REPOMD))

    def _keep(self, row: Json) -> None:
        if row["arch"] in ("src", "nosrc"):
            return
        if row["checksum_type"] != "sha256":
            raise InputError(
                f"{self._place(row['href'])}: its digest is {row['checksum_type']}",
                hint="run createrepo_c with SHA-256",
            )
        name = PurePosixPath(row["href"]).name
        self._known[row["checksum"]] = row
        self.identities.append(
            RpmFacts(
                file=name, sha256=row["checksum"], name=row["name"], epoch=row["epoch"] or None,
                version=row["version"], release=row["release"], arch=row["arch"],
                source_rpm=row["source_rpm"],
            )
        )  # fmt: skip
        for provided in row["provides"]:
            self.provides.setdefault(provided, name)

    @contextmanager
    def facts(self, identities: Sequence[RpmFacts]) -> Iterator[list[RpmFacts]]:
        """Yield all facts of some RPMs, in order; their files exist until the block ends."""
        files: list[Path | InputError] = []
        try:
            for identity in identities:
                row = self._known[identity.sha256]
                try:
                    files.append(
                        self._get(row, f"{identity.sha256}/{identity.file}", limit=_RPM_LIMIT)
                    )
                except InputError as error:
                    files.append(error)
            read = iter(self._reader.headers([file for file in files if isinstance(file, Path)]))
            yield [
                replace(identity, error=str(file))
                if isinstance(file, InputError)
                else _checked(identity, next(read))
                for identity, file in zip(identities, files, strict=True)
            ]
        finally:
            for file in files:
                if isinstance(file, Path):
                    self._let_go(file)

    def _place(self, href: str) -> str:
        return urljoin(self._base, href) if self._base else str(self._folder / href)

    def _get(self, row: Json, name: str, *, limit: int) -> Path:
        """Find or fetch a file.

        :raises InputError: it is not there.
        :raises InfraError: the server does not answer.
        """
        href = str(row["href"])
        if not self._base:
            path = file_of(self._folder, href)
            if row.get("base") or path is None:
                raise InputError(
                    f"{self._folder}: the metadata names {href}, which is not in it",
                    hint="run createrepo_c again",
                )
            return path
        url = urljoin(urljoin(self._base, row.get("base") or ""), href)
        if urlsplit(url).scheme not in _SCHEMES:
            raise InputError(
                f"{self._base}: the metadata names {url}", hint="only http and https are fetched"
            )
        place = self._work / name
        with self._lock:
            self._held[place] = self._held.get(place, 0) + 1
        self._fetch(url, place, limit=min(limit, int(row.get("size") or limit)))
        return place

    def _fetch(self, url: str, place: Path, *, limit: int) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, _TRIES + 1):
            try:
                with self._http.stream("GET", url) as answer:
                    if answer.status_code in _NOT_THERE:
                        raise InputError(
                            f"{url}: HTTP {answer.status_code}",
                            hint="the metadata names it: repair the repository",
                        )
                    answer.raise_for_status()
                    _save(answer, place, url, limit)
                    return
            except httpx.HTTPError as error:
                if attempt == _TRIES:
                    raise InfraError(
                        f"{url}: {error!r}", hint="run the same command again: it goes on from here"
                    ) from error
                time.sleep(_PAUSE_SECONDS * attempt)

    def _let_go(self, file: Path) -> None:
        with self._lock:
            if file in self._held:
                self._held[file] -= 1
                if not self._held[file]:
                    del self._held[file]
                    file.unlink(missing_ok=True)


def _save(answer: httpx.Response, place: Path, url: str, limit: int) -> None:
    size = 0
    with place.open("wb") as file:
        for block in answer.iter_bytes(MEBIBYTE):
            size += len(block)
            if size > limit:
                raise InputError(
                    f"{url}: longer than the {limit} bytes that were promised",
                    hint="repair the repository",
                )
            file.write(block)


def _digest(file: Path, kind: str) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def _checked(identity: RpmFacts, facts: RpmFacts) -> RpmFacts:
    """Return the facts, or an error if the file is not the one that the metadata names."""
    if facts.sha256 == identity.sha256 or facts.error:
        return facts
    return replace(
        identity,
        error=f"not the file that the repository's metadata names: its SHA-256 is {facts.sha256}",
    )
