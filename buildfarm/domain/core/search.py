"""The search index: names of things, each under the beginnings it is found by.

An index of tokens with prefix look-up works alike on every database: a name is stored once for each
position where a word of it begins, so that ``simple`` finds ``perl-Test-Simple``.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable, Iterator

from buildfarm.domain.core.records import SearchEntry

MOST_TOKEN = 200
"""Characters of a token; what is longer is found by its beginning all the same."""

_MOST_WORDS = 12
_WORD = re.compile(r"(?<![^\W_])[^\W_]", re.UNICODE)
_ID_LENGTH = 24


class SearchKind(enum.StrEnum):
    """Kinds of entries."""

    SOURCE = "source"
    RPM = "rpm"
    FILE = "file"
    DROP = "drop"
    FAILURE = "failure"


def beginnings(name: str) -> tuple[str, ...]:
    """A name from each of its words on, in lower case.

    >>> beginnings("perl-Test-Simple")
    ('perl-test-simple', 'test-simple', 'simple')
    >>> beginnings("libstdc++")
    ('libstdc++',)
    """
    lower = name.lower()
    starts = [match.start() for match in _WORD.finditer(lower)][:_MOST_WORDS]
    return tuple(
        dict.fromkeys([lower[:MOST_TOKEN], *(lower[start:][:MOST_TOKEN] for start in starts)])
    )


def of_path(path: str) -> tuple[str, ...]:
    """A path is found by its beginning and by its last part.

    >>> of_path("/etc/ssh/sshd_config")
    ('/etc/ssh/sshd_config', 'sshd_config')
    """
    lower = path.lower()
    return tuple(dict.fromkeys((lower[:MOST_TOKEN], lower.rpartition("/")[2][:MOST_TOKEN])))


def words(query: str) -> tuple[str, ...]:
    """The words of a query in lower case, the longest (which is looked up) first; the others only
    narrow it.

    >>> words("  gcc Fatal  error ")
    ('fatal', 'error', 'gcc')
    """
    found = dict.fromkeys(word[:MOST_TOKEN] for word in query.lower().split())
    return tuple(sorted(found, key=len, reverse=True))


def of_source(source: str, *, target: str) -> Iterator[SearchEntry]:
    """A source of a target."""
    return _entries(SearchKind.SOURCE, source, beginnings(source), source=source, target=target)


def of_rpm(name: str, *, source: str, target: str) -> Iterator[SearchEntry]:
    """An RPM's name."""
    return _entries(SearchKind.RPM, name, beginnings(name), source=source, target=target)


def of_file(path: str, *, rpm: str, source: str, target: str) -> Iterator[SearchEntry]:
    """A file in an RPM."""
    return _entries(SearchKind.FILE, path, of_path(path), detail=rpm, source=source, target=target)


def of_drop(identity: str, name: str, *, target: str) -> Iterator[SearchEntry]:
    """A drop's name; ``detail`` is its id."""
    return _entries(SearchKind.DROP, name, beginnings(name), detail=identity, target=target)


def of_failure(
    cluster: str, fingerprint: str, *, source: str, target: str
) -> Iterator[SearchEntry]:
    """Yield why something failed, without what differs from build to build; ``detail`` is the
    cluster's id.
    """
    tokens = (cluster, *beginnings(fingerprint))
    return _entries(
        SearchKind.FAILURE, fingerprint, tokens, detail=cluster, source=source, target=target
    )


def _entries(
    kind: SearchKind,
    label: str,
    tokens: Iterable[str],
    *,
    detail: str = "",
    source: str = "",
    target: str = "",
) -> Iterator[SearchEntry]:
    for token in tokens:
        identity = entry_id(
            kind, target, source, detail if kind is SearchKind.DROP else "", token, label
        )
        yield SearchEntry(
            id=identity,
            kind=kind.value,
            token=token,
            label=label,
            detail=detail,
            source=source,
            target=target,
        )


def entry_id(*parts: str) -> str:
    """An id that is the same for the same entry."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_ID_LENGTH]
