"""Impacts: sonames and symbol versions that a new build takes away from RPMs of other sources.

Such an RPM cannot be installed beside the new one, so its source has to be built again. A build
that provides everything its predecessor did has no impact, so a rebuild without changes goes no
further.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """``source`` no longer provides ``lost``; ``affected`` maps the key of each build that needs
    some of it to what it needs.
    """

    source: str
    lost: tuple[str, ...]
    affected: Mapping[str, tuple[str, ...]]


def is_linked(capability: str) -> bool:
    """Return whether rpm's ELF generator made it: a soname, with a symbol version or without (rpm
    manual, "Dependency generators").

    >>> is_linked("libpng16.so.16(PNG16_0)(64bit)")
    True
    >>> is_linked("libpng = 2:1.6.37"), is_linked("perl(Foo.so)")
    (False, False)
    """
    soname = capability.split("(", 1)[0]
    return (
        " " not in capability and "/" not in soname and (soname.endswith(".so") or ".so." in soname)
    )


def lost(before: Iterable[str], after: Iterable[str]) -> set[str]:
    """Return what was provided to the linker before and is not any more."""
    return {capability for capability in before if is_linked(capability)} - set(after)


def impact(
    source: str,
    before: Iterable[str],
    after: Iterable[str],
    users: Mapping[str, Iterable[str]],
    still: Iterable[str] = (),
) -> Impact | None:
    """Return what a new build of ``source`` does to others; ``None`` if it takes nothing away.

    :param users: what the RPMs of each other build require, by the build's key.
    :param still: what other sources provide: it is not lost.
    """
    gone = lost(before, after) - set(still)
    if not gone:
        return None
    affected = {
        key: tuple(sorted(needed))
        for key, requires in users.items()
        if (needed := gone & set(requires))
    }
    return Impact(source=source, lost=tuple(sorted(gone)), affected=dict(sorted(affected.items())))
