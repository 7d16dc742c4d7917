"""Names of RPMs: EVR and NEVRA, with rpm's own order.

The order is rpm's ``rpmvercmp`` (lib/rpmvercmp.c; "Version comparison" in the rpm manual).
``__eq__``, ``__hash__`` and the order agree: ``1.0`` equals ``1.00`` and both hash alike, as rpm
has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, total_ordering

from buildfarm.errors import InputError

_SEGMENT = re.compile(r"[0-9]+|[a-zA-Z]+|~|\^")
_EPOCH = re.compile(r"[0-9]{1,10}")  # rpm's is a 32-bit number
_END = (3,)


def _segments(text: str) -> tuple[tuple[int | str, ...], ...]:
    """A sort key for one version or release, segment by segment.

    Rank of what can follow at one place, low to high: ``~``, the end, ``^``, letters, digits.

    >>> _segments("1.0") == _segments("1.00")
    True
    >>> _segments("1~rc1") < _segments("1") < _segments("1^git1") < _segments("1.1")
    True
    """
    key: list[tuple[int | str, ...]] = []
    for segment in _SEGMENT.findall(text):
        if segment == "~":
            key.append((2,))
        elif segment == "^":
            key.append((4,))
        elif segment.isdigit():
            digits = segment.lstrip("0")  # a number of any length, as rpm compares it
            key.append((6, len(digits), digits))
        else:
            key.append((5, segment))
    key.append(_END)
    return tuple(key)


@total_ordering
@dataclass(frozen=True, eq=False, kw_only=True)
class EVR:
    """Epoch, version and release of one RPM. A missing epoch is 0, as in rpm."""

    epoch: int = 0
    version: str
    release: str

    @classmethod
    def parse(cls, text: str) -> EVR:
        """Read ``[epoch:]version[-release]``.

        >>> str(EVR.parse("1:2.0-3.el9"))
        '1:2.0-3.el9'

        :raises InputError: the epoch is not a number or the version is empty.
        """
        head, colon, rest = text.partition(":")
        epoch, body = (head, rest) if colon else ("0", text)
        version, _, release = body.partition("-")
        if not _EPOCH.fullmatch(epoch) or not version:
            raise InputError(f"not an EVR: {text!r}", hint="write [epoch:]version-release")
        return cls(epoch=int(epoch), version=version, release=release)

    @cached_property
    def key(
        self,
    ) -> tuple[int, tuple[tuple[int | str, ...], ...], tuple[tuple[int | str, ...], ...]]:
        """Return what equality, hash and order are made of."""
        return (self.epoch, _segments(self.version), _segments(self.release))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EVR) and self.key == other.key

    def __lt__(self, other: EVR) -> bool:
        return self.key < other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        release = f"-{self.release}" if self.release else ""
        return f"{self.epoch}:{self.version}{release}" if self.epoch else f"{self.version}{release}"


@dataclass(frozen=True, kw_only=True)
class NEVRA:
    """Name, epoch, version, release and architecture of one RPM; ``arch`` is ``src`` for an
    SRPM.
    """

    name: str
    evr: EVR
    arch: str

    def __str__(self) -> str:
        """``name-[epoch:]version-release.arch``."""
        return f"{self.name}-{self.evr}.{self.arch}"

    @property
    def nvr(self) -> str:
        """``name-version-release``, Koji's name of a build."""
        return f"{self.name}-{self.evr.version}-{self.evr.release}"

    @property
    def filename(self) -> str:
        """The file name rpmbuild gives it (no epoch)."""
        return f"{self.nvr}.{self.arch}.rpm"


def split_filename(filename: str) -> tuple[str, str, str, str]:
    """Return ``(name, version, release, arch)`` of an RPM's file name, without opening it.

    >>> split_filename("gcc-c++-11.4.1-3.el9.x86_64.rpm")
    ('gcc-c++', '11.4.1', '3.el9', 'x86_64')

    :raises InputError: the name does not have that shape.
    """
    stem = filename.removesuffix(".rpm")
    nvr, _, arch = stem.rpartition(".")
    nv, _, release = nvr.rpartition("-")
    name, _, version = nv.rpartition("-")
    if not (name and version and release and arch):
        raise InputError(
            f"{filename}: not an RPM's file name", hint="expected name-version-release.arch.rpm"
        )
    return name, version, release, arch
