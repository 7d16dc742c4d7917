"""Brand policies: the marks that must not remain in sources and built RPMs, the lines that may hold
them, and the hits that are allowed with a reason.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

CLASSES = ("trademark", "support", "signing-key", "telemetry", "functional", "legal")
"""Classes of hits: a visible trademark, a link to the vendor's support, a key or certificate of the
vendor, something that reports to the vendor, something that works otherwise because of the name, a
legal text that names the vendor.
"""
UNREAD = "unread"
"""The class of files that could not be read; an unread file is not clean."""
_CONTEXT = 60
_LINE_END = re.compile(rb"[\n\r\0]")
_PLAIN = re.compile(r"[A-Za-z0-9 _@/:,~-]+")
_TEXT_SAMPLE = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandWord:
    """A regular expression, matched without regard to case unless ``exact``, in the files that
    ``where`` (a glob) names.

    ``kind`` is its class (:data:`CLASSES`); ``hint`` says what to do about it.
    """

    pattern: str
    kind: str
    exact: bool = False
    where: str = "*"
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Lines that match ``pattern``, in the files that ``where`` names, may hold brand words:
    ``reason`` says why.
    """

    pattern: str
    where: str = "*"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandImage:
    """A picture: byte for byte (``sha256``) or as it looks (``dhash``, 64 bits in hex; up to
    ``distance`` bits may differ).
    """

    name: str
    sha256: str = ""
    dhash: str = ""
    distance: int = 6
    kind: str = "trademark"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandKey:
    """A certificate by a regular expression over its subject or issuer (RFC 4514), or an OpenPGP
    key by (the end of) its fingerprint.
    """

    name: str
    subject: str = ""
    fingerprint: str = ""
    kind: str = "signing-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandPolicy:
    """The words, pictures and keys of a vendor, and the lines that may hold them."""

    words: tuple[BrandWord, ...]
    keep: tuple[Keep, ...] = ()
    images: tuple[BrandImage, ...] = ()
    keys: tuple[BrandKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """Hits of ``pattern`` (a regular expression over the context) at ``where`` (a glob) may stay,
    because of ``reason``.
    """

    pattern: str
    reason: str
    where: str = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandHit:
    """One brand in one file: at ``where``, a path (``a!b`` is b inside a) or ``header:<tag>``, with
    its surroundings.

    ``offset`` is in bytes, ``line`` counts from 1 in text and is 0 in anything else.
    """

    rpm: str
    where: str
    offset: int
    word: str
    kind: str
    context: str
    line: int = 0

    def as_json(self) -> dict[str, object]:
        """The hit as the store keeps it."""
        return {
            "rpm": self.rpm, "where": self.where, "offset": self.offset, "line": self.line,
            "word": self.word, "class": self.kind, "context": self.context,
        }  # fmt: skip


def is_of_binaries(hit: Mapping[str, object]) -> bool:
    """Return whether a stored hit is in what users install; one in an SRPM is shown, and holds
    nothing.

    >>> [is_of_binaries({"rpm": f"foo-1-1.el9.{arch}.rpm"}) for arch in ("noarch", "src")]
    [True, False]
    """
    return not str(hit.get("rpm", "")).endswith((".src.rpm", ".nosrc.rpm"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A brand in some bytes; :class:`BrandHit` adds the file that holds them."""

    offset: int
    line: int
    word: str
    kind: str
    context: str


class Matcher:
    """A policy prepared for scanning: plain searches, which are fast, exclude what a file does not
    contain.
    """

    def __init__(self, policy: BrandPolicy) -> None:
        self._words = [(word, _pattern(word), _needles(word)) for word in policy.words]
        self._keep = [(keep, re.compile(keep.pattern.encode())) for keep in policy.keep]

    def find(self, data: bytes, where: str) -> Iterator[Found]:
        """Find every brand word in ``data`` at ``where``, in UTF-16 and in any encoding that
        includes ASCII.

        >>> policy = BrandPolicy(words=(BrandWord(pattern="acme", kind="trademark"),),
        ...                      keep=(Keep(pattern="Copyright"),))
        >>> text = b"Welcome to ACME" + bytes([10]) + b"Copyright ACME"
        >>> [(hit.offset, hit.line, hit.word) for hit in Matcher(policy).find(text, "usr/share/x")]
        [(11, 1, 'ACME')]
        """
        lower = data.lower()
        is_text = b"\0" not in data[:_TEXT_SAMPLE]
        kept = [pattern for keep, pattern in self._keep if fnmatch.fnmatchcase(where, keep.where)]
        for word, pattern, needles in self._words:
            if needles and not any(needle in lower for needle in needles):
                continue
            if not fnmatch.fnmatchcase(where, word.where):
                continue
            for match in pattern.finditer(data):
                line = _line(data, match.start(), match.end())
                if not any(keep.search(line) for keep in kept):
                    yield Found(
                        offset=match.start(),
                        line=data.count(b"\n", 0, match.start()) + 1 if is_text else 0,
                        word=match[0].decode("utf-8", "replace"), kind=word.kind,
                        context=_readable(line),
                    )  # fmt: skip
            yield from _wide(word, needles, lower)


def _pattern(word: BrandWord) -> re.Pattern[bytes]:
    return re.compile(word.pattern.encode(), 0 if word.exact else re.IGNORECASE)


def _needles(word: BrandWord) -> tuple[bytes, ...]:
    """Return what must stand somewhere, in lower case, for the word to match at all: the word
    itself where it is plain text.
    """
    text = word.pattern.replace(r"\b", "").replace(r"\.", ".")
    if not _PLAIN.fullmatch(text.replace(".", "")) or (("." in text) and r"\." not in word.pattern):
        return ()
    low = text.lower()
    return low.encode(), low.encode("utf-16-le"), low.encode("utf-16-be")


def _wide(word: BrandWord, needles: Sequence[bytes], lower: bytes) -> Iterator[Found]:
    text = needles[0].decode() if needles else ""
    seen: set[int] = set()
    for needle, name in zip(needles[1:], ("UTF-16LE", "UTF-16BE"), strict=False):
        at = lower.find(needle)
        while at >= 0:
            if (
                at + 1 not in seen and at - 1 not in seen
            ):  # the one order, read from one byte off, is the other
                seen.add(at)
                yield Found(offset=at, line=0, word=text, kind=word.kind, context=f"{name}: {text}")
            at = lower.find(needle, at + len(needle))


def _line(data: bytes, start: int, end: int) -> bytes:
    """The line around a hit, bounded."""
    before = _LINE_END.split(data[max(0, start - _CONTEXT) : start])[-1]
    after = _LINE_END.split(data[end : end + _CONTEXT], maxsplit=1)[0]
    return before + data[start:end] + after


def _readable(line: bytes) -> str:
    return "".join(c if c.isprintable() else "·" for c in line.decode("utf-8", "replace")).strip()


def image_of(policy: BrandPolicy, sha256: str, dhash: str) -> BrandImage | None:
    """The policy's picture that this is, if any."""
    for image in policy.images:
        if image.sha256 and image.sha256 == sha256:
            return image
        if (
            image.dhash
            and dhash
            and (int(image.dhash, 16) ^ int(dhash, 16)).bit_count() <= image.distance
        ):
            return image
    return None


def key_of(
    policy: BrandPolicy, *, names: Sequence[str] = (), fingerprint: str = ""
) -> BrandKey | None:
    """The policy's certificate (by one of its ``names``) or OpenPGP key that this is, if any."""
    for key in policy.keys:
        if key.subject and any(_subject(key.subject).search(name) for name in names):
            return key
        if (
            key.fingerprint
            and fingerprint
            and fingerprint.lower().endswith(key.fingerprint.lower().replace(" ", ""))
        ):
            return key
    return None


@functools.cache
def _subject(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def not_allowed(hits: Sequence[BrandHit], allow: Sequence[Allow]) -> list[BrandHit]:
    """Return the hits that the rule does not allow."""
    return [hit for hit in hits if explained(hit, allow) is None]


def explained(hit: BrandHit, allow: Sequence[Allow]) -> Allow | None:
    """Return the reason why a hit is allowed; a file that was not read is never allowed."""
    if hit.kind == UNREAD:
        return None
    return next(
        (
            a
            for a in allow
            if fnmatch.fnmatchcase(hit.where, a.where) and re.search(a.pattern, hit.context)
        ),
        None,
    )
