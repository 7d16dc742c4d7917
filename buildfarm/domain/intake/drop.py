"""A drop: a batch of SRPMs a vendor published, with the vendor's binaries where they exist."""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


class DropState(enum.StrEnum):
    """State of the drop as a whole; its builds have states of their own."""

    RECEIVED = "received"
    INGESTED = "ingested"
    ON_HOLD = "on_hold"


class Approval(enum.StrEnum):
    """Whether a person has to approve the drop before anything of it is built, and the answer."""

    NOT_NEEDED = ""
    AWAITED = "awaited"
    GIVEN = "given"
    REFUSED = "refused"


class ItemKind(enum.StrEnum):
    """Kinds of files in a drop."""

    SRPM = "srpm"
    BINARY = "binary"
    DIST_GIT = "dist_git"
    """a source at a commit: ``filename`` is ``SOURCE@COMMIT``, ``sha256`` the digest of where that
    is
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """One drop for one target; ``id`` is :func:`drop_id` of its content, so the same drop twice is
    the same drop.

    Its builds start with its ``priority``; a negative one is background work. While ``approval`` is
    awaited they are planned and wait; ``reason`` says why it is on hold or awaits approval.
    """

    id: str
    target: str
    name: str
    trigger: str
    owner: str
    state: DropState
    reason: str = ""
    scratch: bool = False
    priority: int = 0
    approval: Approval = Approval.NOT_NEEDED
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DropItem:
    """One file of a drop. ``build`` names the build it became or belongs to; ``problem`` why it did
    not.

    ``url`` is where it is fetched from; without a digest in the drop, ``sha256`` is that of the URL
    until it was.
    """

    id: str
    drop_id: str
    kind: ItemKind
    sha256: str
    filename: str
    build: str = ""
    problem: str = ""
    url: str = ""


_OTHERS_REQUIRE = re.compile(
    r"bin/|^/etc/|^/usr/lib/sendmail$|^/usr/lib/rpm/|^/usr/libexec/|^/usr/share/(?:xml|sgml|aclocal|java)/"
)


def may_be_required(path: str) -> bool:
    """Return whether others name such a file in their Requires: createrepo_c's primary ones
    (cr_is_primary), and those that specs name too.

    >>> may_be_required("/usr/bin/awk"), may_be_required("/usr/share/doc/awk/README")
    (True, False)
    """
    return bool(_OTHERS_REQUIRE.search(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorRpm:
    """One of the vendor's binaries, kept to compare with; ``source`` and ``sourcerpm`` say which
    SRPM made it.

    ``provides``, ``requires`` and ``files`` (those that others may require: programs, /etc) are
    what the plan expects of our own rebuild; ``problem`` is why it cannot be trusted. ``verdict``
    and ``waived`` are what the comparison in force says of it: a copy, so that counting need not
    read reports.
    """

    id: str
    target: str
    sha256: str
    filename: str
    name: str
    arch: str
    source: str
    sourcerpm: str
    evr: str = ""
    provides: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    problem: str = ""
    verdict: str = ""
    waived: bool = False


def drop_id(target: str, digests: Iterable[str]) -> str:
    """The SHA-256 of the target and the sorted digests of all its files.

    >>> drop_id("t", ["b", "a"]) == drop_id("t", ["a", "b"]) != drop_id("u", ["a", "b"])
    True
    """
    text = "\n".join([target, *sorted(set(digests))])
    return hashlib.sha256(text.encode()).hexdigest()
