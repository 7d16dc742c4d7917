"""Brand words: which must not be left in a built RPM, and which hits somebody allowed with a reason."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_CONTEXT = 60
_LINE_END = re.compile(rb"[\n\r\0]")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandWord:
    """A regular expression, matched without regard to case unless ``exact``; ``kind`` is its class (trademark, …)."""

    pattern: str
    kind: str
    exact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandPolicy:
    """The words, and regular expressions of lines in which they may stand (copyrights, changelogs, author mail)."""

    words: tuple[BrandWord, ...]
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """Hits of ``pattern`` (a regular expression over the context) at ``where`` (a glob) may stay, because of ``reason``."""

    pattern: str
    reason: str
    where: str = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandHit:
    """One brand word in one RPM: at ``where`` (a path, or ``header:<tag>``), ``offset`` bytes in, with its surroundings."""

    rpm: str
    where: str
    offset: int
    word: str
    kind: str
    context: str

    def as_json(self) -> dict[str, object]:
        """The hit as the store keeps it."""
        return {
            "rpm": self.rpm, "where": self.where, "offset": self.offset, "word": self.word, "class": self.kind,
            "context": self.context,
        }  # fmt: skip


def find(data: bytes, policy: BrandPolicy) -> Iterator[tuple[int, str, str, str]]:
    """``(offset, word, class, context)`` of every brand word in ``data``, in UTF-8 and in UTF-16.

    >>> policy = BrandPolicy(words=(BrandWord(pattern="acme", kind="trademark"),), keep=("Copyright",))
    >>> [hit[:3] for hit in find(b"Welcome to ACME" + bytes([10]) + b"Copyright ACME", policy)]
    [(11, 'ACME', 'trademark')]
    """
    keep = [re.compile(pattern.encode()) for pattern in policy.keep]
    for word in policy.words:
        flags = 0 if word.exact else re.IGNORECASE
        for match in re.finditer(word.pattern.encode(), data, flags):
            line = _line(data, match.start(), match.end())
            if not any(pattern.search(line) for pattern in keep):
                yield match.start(), match[0].decode("utf-8", "replace"), word.kind, _readable(line)
        literal = word.pattern.replace(r"\b", "")
        if literal.isascii() and literal.replace(" ", "").isalnum():
            wide = re.escape(literal.encode("utf-16-le"))
            for match in re.finditer(wide, data, flags):
                yield match.start(), literal, word.kind, f"UTF-16: {literal}"


def _line(data: bytes, start: int, end: int) -> bytes:
    """The line around a hit, bounded."""
    before = _LINE_END.split(data[max(0, start - _CONTEXT) : start])[-1]
    after = _LINE_END.split(data[end : end + _CONTEXT], maxsplit=1)[0]
    return before + data[start:end] + after


def _readable(line: bytes) -> str:
    return "".join(c if c.isprintable() else "·" for c in line.decode("utf-8", "replace")).strip()


def not_allowed(hits: Sequence[BrandHit], allow: Sequence[Allow]) -> list[BrandHit]:
    """The hits that nobody allowed."""
    return [
        hit
        for hit in hits
        if not any(fnmatch.fnmatchcase(hit.where, a.where) and re.search(a.pattern, hit.context) for a in allow)
    ]
