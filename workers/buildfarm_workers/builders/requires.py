"""Check whether a root already meets the requirements of an SRPM's header. Pure functions.

It only saves a dnf run: "no" (also for unknown forms, such as rich dependencies) costs that run,
and rpmbuild checks a "yes" again before it builds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from buildfarm.domain.core.nevra import EVR
from buildfarm.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One line of Requires or Provides: ``name``, ``sense`` (``""``, ``<``, ``>=``, …) and EVR."""

    name: str
    sense: str = ""
    evr: str = ""

    @classmethod
    def parse(cls, line: str) -> Dependency:
        """Read rpm's ``[%{REQUIRENEVRS}]`` form.

        >>> Dependency.parse("zlib-devel >= 1.2")
        Dependency(name='zlib-devel', sense='>=', evr='1.2')
        """
        name, _, rest = line.strip().partition(" ")
        sense, _, evr = rest.partition(" ")
        return cls(name=name, sense=sense, evr=evr)


Provides = Mapping[str, tuple[Dependency, ...]]


def index(lines: Iterable[str]) -> Provides:
    """Return provides by name."""
    found: dict[str, tuple[Dependency, ...]] = {}
    for line in lines:
        if line.strip():
            one = Dependency.parse(line)
            found[one.name] = (*found.get(one.name, ()), one)
    return found


def missing(requires: Iterable[str], provides: Provides) -> list[str]:
    """Return the requirements that ``provides`` does not surely meet.

    >>> missing(["gcc", "zlib-devel >= 2", "rpmlib(X) <= 4-1"],
    ...         index(["gcc = 12-1", "zlib-devel = 1.3-1"]))
    ['zlib-devel >= 2']
    """
    return [line.strip() for line in requires if line.strip() and not _met(line, provides)]


def _met(line: str, provides: Provides) -> bool:
    if line.startswith("rpmlib("):
        return True  # a feature of rpm itself, which rpmbuild checks
    if line.startswith("("):
        return False
    wanted = Dependency.parse(line)
    return any(_overlaps(wanted, have) for have in provides.get(wanted.name, ()))


def _overlaps(wanted: Dependency, have: Dependency) -> bool:
    if not wanted.sense:
        return True
    if have.sense != "=":
        return False
    try:
        asked, got = EVR.parse(wanted.evr), EVR.parse(have.evr)
    except InputError:
        return False
    if not asked.release:  # rpm compares releases only if both sides have one
        got = EVR(epoch=got.epoch, version=got.version, release="")
    return (
        ("<" in wanted.sense and got < asked)
        or (">" in wanted.sense and asked < got)
        or ("=" in wanted.sense and got == asked)
    )
