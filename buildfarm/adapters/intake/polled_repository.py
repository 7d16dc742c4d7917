"""Poll a vendor's repository: repomd.xml conditionally, and its primary metadata if that changed.

The data is untrusted: sizes are limited before and while reading, digests are checked, and the
sandbox parses.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from buildfarm.adapters.system import repodata_parser
from buildfarm.adapters.system.process import MEBIBYTE
from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.intake.polling import ListedRpm, Look, is_older
from buildfarm.domain.target.allowed_url import AllowedUrl
from buildfarm.errors import InputError
from buildfarm.ports.fetching import Fetch

_REPOMD = "repodata/repomd.xml"
_NOT_MODIFIED = 304
_REPOMD_LIMIT, _PRIMARY_LIMIT, _ROWS_LIMIT = 4 * MEBIBYTE, 256 * MEBIBYTE, 512 * MEBIBYTE


class RepositoryLook:
    """See :class:`buildfarm.ports.fetching.LookAt`."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    def __call__(
        self, place: str, known: Mapping[str, str], *, allowed: Sequence[AllowedUrl], work: Path
    ) -> Look:
        """Poll the repository at ``place``, which ends in a slash."""
        conditions = {
            "If-None-Match": known.get("etag", ""),
            "If-Modified-Since": known.get("last_modified", ""),
        }
        url = urljoin(place, _REPOMD)
        with (
            self._fetch(
                url,
                allowed=allowed,
                limit=_REPOMD_LIMIT,
                headers={name: text for name, text in conditions.items() if text},
            ) as answer,
            _kept(answer.chunks, work) as (repomd, digest),
        ):
            if answer.status == _NOT_MODIFIED or digest == known.get("digest"):
                return Look(position=known)
            records = {
                record["type"]: record for record in repodata_parser.parse("repomd", repomd, url)
            }
            position = {
                "etag": answer.headers.get("etag", ""),
                "last_modified": answer.headers.get("last-modified", ""), "digest": digest,
                "revision": str(next(iter(records.values()), {}).get("revision", "")),
            }  # fmt: skip
        if "primary" not in records:
            raise InputError(
                f"{url}: names no primary metadata", hint="is it a repository of RPMs?"
            )
        if is_older(position["revision"], known.get("revision", "")):
            return Look(position=known)  # a mirror that is behind
        position["primary"] = records["primary"]["checksum"]
        if position["primary"] == known.get("primary"):
            return Look(position=position)
        return Look(
            position=position, rpms=tuple(self._rpms(place, records["primary"], allowed, work))
        )

    def _rpms(
        self, place: str, record: Mapping[str, Any], allowed: Sequence[AllowedUrl], work: Path
    ) -> Iterator[ListedRpm]:
        url = urljoin(place, str(record["href"]))
        limit = min(_PRIMARY_LIMIT, int(record.get("size") or _PRIMARY_LIMIT))
        with (
            self._fetch(url, allowed=allowed, limit=limit) as answer,
            _kept(
                answer.chunks, work, kind=str(record["checksum_type"]), suffix=Path(url).name
            ) as (primary, digest),
        ):
            if digest != record["checksum"]:
                raise InputError(
                    f"{url}: not what repomd.xml promises",
                    hint="the repository is being written, or damaged",
                )
            rows = repodata_parser.parse("primary", primary, url, most_output=_ROWS_LIMIT)
        for row in rows:
            if row["checksum_type"] != "sha256":
                raise InputError(
                    f"{url}: {row['href']} has a digest of {row['checksum_type']}",
                    hint="SHA-256 is needed",
                )
            yield ListedRpm(
                name=row["name"],
                evr=EVR(epoch=row["epoch"], version=row["version"], release=row["release"]),
                arch=row["arch"], sha256=row["checksum"],
                url=urljoin(urljoin(place, row["base"]), row["href"]), size=row["size"],
                source_rpm=row["source_rpm"],
            )  # fmt: skip


@contextmanager
def _kept(
    chunks: Iterable[bytes], work: Path, *, kind: str = "sha256", suffix: str = ""
) -> Iterator[tuple[Path, str]]:
    """Write the body to a file that exists until the block ends; yield it and its digest.

    :raises InputError: an unknown ``kind`` of digest.
    """
    if kind not in hashlib.algorithms_guaranteed or kind.startswith("shake"):
        raise InputError(f"a digest of kind {kind!r} is not known")
    digest = hashlib.new(kind, usedforsecurity=False)
    with tempfile.NamedTemporaryFile(dir=work, suffix=f"-{suffix}" if suffix else "") as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        yield Path(file.name), digest.hexdigest()
