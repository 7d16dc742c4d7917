"""Self-hosting: RPMs that still come from a seed, and when a cycle of sources has to be built once
more.

Sources that need each other can only begin with binaries from elsewhere. Such a build is *seeded*:
users never get it. When all of its cycle stands in the build tag, the cycle is built again, with
itself; the round whose buildroots took nothing of the cycle from a seed is the last one (the same
idea as the stages of a compiler's bootstrap).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

MAX_ROUNDS = 3
"""The first is seeded and the second is not; if the third still is, something else is wrong and a
person looks.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockLine:
    """One RPM of a buildroot; ``ours`` if its header is one of our own RPMs', ``bootstrap`` the
    condition that one was built under.
    """

    name: str
    nevra: str
    ours: bool
    bootstrap: str = ""


def seeded_by(lines: Iterable[LockLine], made_by_cycle: Collection[str]) -> tuple[str, ...]:
    """The RPMs of a buildroot that came from a seed, or were built under a bootstrap condition,
    though the build's own cycle makes them.

    >>> seeded_by([LockLine(name="mawk", nevra="mawk-1-1", ours=False)], {"mawk", "byacc"})
    ('mawk-1-1',)
    """
    provisional = (line for line in lines if not line.ours or line.bootstrap)
    return tuple(sorted({line.nevra for line in provisional if line.name in made_by_cycle}))


def held_back(seeded: Collection[str], round_: int, bootstrap: str = "") -> str:
    """Return why the destination tag does not take a seeded build, or one under a bootstrap
    condition; empty if it is neither.

    >>> held_back((), 1, "--with bootstrap")
    'built with --with bootstrap, without its own cycle: round 2, built with it, takes its place'
    """
    if bootstrap:
        return (
            f"built with {bootstrap}, without its own cycle: round {round_ + 1}, built with it, "
            "takes its place"
        )
    if not seeded:
        return ""
    what = f"built with seeds of its own cycle ({', '.join(sorted(seeded))})"
    if round_ >= MAX_ROUNDS:
        return f"{what} even in round {round_}: the build tag should offer ours first"
    return f"{what}: round {round_ + 1}, built with itself, takes its place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """RPMs of a name that the farm knows: ours in the build tag, ours elsewhere with the reason,
    and the source that would make one.
    """

    carried: str = ""
    refused: str = ""
    stuck: str = ""


def why_from_seed(known: Known) -> str:
    """Return why buildroots took an RPM of this name from a seed.

    >>> why_from_seed(Known(carried="zlib-1.2.13-5.el9"))
    'ours (zlib-1.2.13-5.el9) came later: a rebuild takes it'
    """
    if known.carried:
        return f"ours ({known.carried}) came later: a rebuild takes it"
    if known.refused:
        return f"ours is not in the build tag: {known.refused}"
    if known.stuck:
        return f"its source is not built: {known.stuck}"
    return "no source of ours makes it: its SRPM was in no drop"


def share(ours: int, of: int) -> float | None:
    """The self-hosted share; ``None`` where nothing was built yet."""
    return ours / of if of else None


def reached(start: Iterable[str], lock_of: Mapping[str, Collection[str]]) -> set[str]:
    """Return every RPM (by header digest) in the buildroots of ``start``, in the buildroots of
    those, and so on.

    :param lock_of: for each RPM that we built the RPMs of its buildroot; what is not in it came
        from a seed.
    """
    seen: set[str] = set()
    ahead = list(start)
    while ahead:
        one = ahead.pop()
        if one not in seen:
            seen.add(one)
            ahead += lock_of.get(one, ())
    return seen
