"""Polling of a vendor's repositories: decides which of their packages are new and which are taken.

The revision of repomd.xml is createrepo_c's (seconds since 1970 unless told otherwise); files are
told apart by their SHA-256.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from buildfarm.domain.core.nevra import EVR

_SOURCES = frozenset({"src", "nosrc"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRpm:
    """One RPM or SRPM as a repository's primary metadata names it; ``size`` in bytes,
    ``source_rpm`` empty for an SRPM.
    """

    name: str
    evr: EVR
    arch: str
    sha256: str
    url: str
    size: int
    source_rpm: str = ""

    @property
    def filename(self) -> str:
        """The last part of its URL."""
        return self.url.rpartition("/")[2]

    @property
    def is_source(self) -> bool:
        """Return whether it is an SRPM."""
        return self.arch in _SOURCES


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at one repository.

    ``position`` is what to remember of it; ``rpms`` is ``None`` where nothing has changed.
    """

    position: Mapping[str, str]
    rpms: tuple[ListedRpm, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The packages of a look that become a drop, and those passed over for good."""

    taken: tuple[ListedRpm, ...] = ()
    passed_over: tuple[ListedRpm, ...] = field(default=())


def is_older(revision: str, known: str) -> bool:
    """Return whether a repository went back: a mirror that lags behind.

    Revisions that are no numbers have no order.

    >>> is_older("1700000000", "1700000060"), is_older("a", "b"), is_older("5", "")
    (True, False, False)
    """
    return revision.isdecimal() and known.isdecimal() and int(revision) < int(known)


def findings(
    rpms: Iterable[ListedRpm], *, arches: Collection[str], seen: Collection[str],
    sent: Collection[str], first: bool, skip: bool = False
) -> Findings:  # fmt: skip
    """Return what of a repository's RPMs is taken.

    Of a repository that was looked at before: all SRPMs and all binaries that are not ``seen``. At
    the ``first`` look: of each source the newest SRPM, and the binaries of SRPMs that are taken or
    were ``sent`` (file names); with ``skip`` nothing. Binaries of other arches are never taken.
    """
    new = {rpm.sha256: rpm for rpm in rpms if rpm.sha256 not in seen}.values()
    ours = [rpm for rpm in new if rpm.is_source or rpm.arch in arches or rpm.arch == "noarch"]
    if first:
        newest: dict[str, EVR] = {}
        for rpm in ours:
            if rpm.is_source and (rpm.name not in newest or newest[rpm.name] < rpm.evr):
                newest[rpm.name] = rpm.evr
        sources = {rpm.filename for rpm in ours if rpm.is_source and newest[rpm.name] == rpm.evr}
        ours = [
            rpm
            for rpm in ours
            if (rpm.filename in sources if rpm.is_source else rpm.source_rpm in {*sources, *sent})
        ]
    taken = {} if skip and first else {rpm.sha256: rpm for rpm in ours}
    return Findings(
        taken=tuple(taken.values()),
        passed_over=tuple(rpm for rpm in new if rpm.sha256 not in taken),
    )
