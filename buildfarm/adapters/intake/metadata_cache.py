"""A cache of remote repositories' metadata, pinned on disk for the plan.

It holds repomd.xml and what libsolv reads of it, no RPMs. A state is a folder named after the
digest of its repomd.xml and never changes. It is fetched in a thread of its own, while the
scheduler uses the last state; only the first time there is none yet.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import createrepo_c as cr
import httpx

from buildfarm import log
from buildfarm.adapters.system.process import MEBIBYTE
from buildfarm.errors import BuildFarmError, InfraError, InputError

_WANTED = ("primary", "filelists", "modules")
_FRESH_SECONDS = 300.0
"""Age of a state at which a newer one is looked for; dnf's own metadata_expire is 48 h."""
_LIMIT = 2048 * MEBIBYTE
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_KEPT_STATES = 3


class MetadataCache:
    """Pins repositories below ``folder``; ``ready`` is called when a new state is there."""

    def __init__(
        self,
        folder: Path,
        *,
        ready: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._ready = ready
        self._clock = clock
        self._fetching: dict[str, Future[Path]] = {}
        self._asked: dict[str, float] = {}
        self._failed: dict[str, str] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="metadata")

    def pin(self, baseurl: str, *, arch: str, releasever: str) -> Path:
        """Return the folder of a repository's newest known state.

        :raises InfraError: there is none yet: it is being fetched, or the fetch failed.
        """
        url = (
            baseurl.replace("$basearch", arch).replace("$releasever", releasever).rstrip("/") + "/"
        )
        self._take_in(url)
        known = self._newest(url)
        asked = self._asked.get(url)
        if url not in self._fetching and (asked is None or self._clock() - asked >= _FRESH_SECONDS):
            self._asked[url] = self._clock()
            self._fetching[url] = self._pool.submit(self._fetch, url)
        if known is None:
            raise InfraError(
                f"repository {url}: {self._failed.get(url) or 'its metadata is being fetched'}"
            )
        return known

    def close(self) -> None:
        """Finish the fetch in progress and end the thread."""
        self._pool.shutdown()

    def _take_in(self, url: str) -> None:
        fetching = self._fetching.get(url)
        if fetching is None or not fetching.done():
            return
        del self._fetching[url]
        error = fetching.exception()
        self._failed[url] = str(error) if error else ""
        if error is not None and not isinstance(error, BuildFarmError):
            raise error
        if error is not None:
            log.get().warning("metadata.not_fetched", repository=url, reason=str(error))

    def _place(self, url: str) -> Path:
        return self._folder / hashlib.sha256(url.encode()).hexdigest()[:16]

    def _newest(self, url: str) -> Path | None:
        states = [
            state
            for state in self._place(url).glob("[!.]*")
            if (state / "repodata" / "repomd.xml").is_file()
        ]
        return max(states, key=lambda state: state.stat().st_mtime, default=None)

    def _fetch(self, url: str) -> Path:
        if urlsplit(url).scheme not in ("http", "https"):
            raise InputError(
                f"{url}: only http and https are fetched", hint="name a local folder with `path`"
            )
        with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as http:
            repomd = _get(http, urljoin(url, "repodata/repomd.xml"), 16 * MEBIBYTE)
            place = self._place(url) / hashlib.sha256(repomd).hexdigest()[:16]
            if (place / "repodata" / "repomd.xml").is_file():
                place.touch()
                return place
            aside = place.with_name(f".{place.name}")
            shutil.rmtree(aside, ignore_errors=True)
            (aside / "repodata").mkdir(parents=True)
            (aside / "repodata" / "repomd.xml").write_bytes(repomd)
            for record in _records(aside / "repodata" / "repomd.xml", url):
                _save(http, url, record, aside)
        aside.rename(place)
        self._forget_old(url)
        self._ready()
        return place

    def _forget_old(self, url: str) -> None:
        states = sorted(
            self._place(url).glob("[!.]*"), key=lambda state: state.stat().st_mtime, reverse=True
        )
        for state in states[_KEPT_STATES:]:
            shutil.rmtree(state, ignore_errors=True)


def _records(repomd: Path, url: str) -> list[cr.RepomdRecord]:
    try:
        return [record for record in cr.Repomd(str(repomd)).records if record.type in _WANTED]
    except cr.CreaterepoCError as error:
        raise InputError(
            f"{url}: its repomd.xml cannot be read: {error}", hint="is it a repository of RPMs?"
        ) from error


def _save(http: httpx.Client, url: str, record: cr.RepomdRecord, folder: Path) -> None:
    place = (folder / record.location_href).resolve()
    if not place.is_relative_to(folder.resolve() / "repodata"):
        raise InputError(
            f"{url}: its repomd.xml names {record.location_href}, which is not in repodata/"
        )
    data = _get(
        http,
        urljoin(url, record.location_href),
        min(_LIMIT, record.size if record.size > 0 else _LIMIT),
    )
    if hashlib.new(record.checksum_type, data).hexdigest() != record.checksum:
        raise InfraError(
            f"{url}: {record.type} is not what repomd.xml promises",
            hint="it is being written: asked again",
        )
    place.write_bytes(data)


def _get(http: httpx.Client, url: str, limit: int) -> bytes:
    try:
        with http.stream("GET", url) as answer:
            answer.raise_for_status()
            data = bytearray()
            for block in answer.iter_bytes(MEBIBYTE):
                data += block
                if len(data) > limit:
                    raise InputError(f"{url}: longer than {limit} bytes")
            return bytes(data)
    except httpx.HTTPError as error:
        raise InfraError(f"{url}: {error}", hint="does the hub reach it?") from error
