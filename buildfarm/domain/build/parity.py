"""Parity: our buildroot beside the vendor's, differences first.

A vendor's buildroot is known from a file: mock's ``buildroot_lock.json`` (mock 5.6 and later), its
``installed_pkgs.log``, what Koji's ``listRPMs`` answers as JSON, a lock of ours, or a list of
NEVRAs, one a line.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from buildfarm.domain.core.nevra import EVR, NEVRA
from buildfarm.errors import InputError

_NEVRA = re.compile(
    r"(?P<name>\S+)-(?:(?P<epoch>\d+):)?(?P<version>[^\s:-]+)-(?P<release>[^\s:-]+)\.(?P<arch>[a-z0-9_]+)"
)
_KEY = "gpg-pubkey"  # a key in an rpm database, not an RPM
_FORMS: Mapping[str, tuple[str, ...]] = {
    "mock's buildroot_lock.json": ("buildroot", "rpms"), "a lock of ours": ("lock",),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The RPMs of the vendor's buildroot, and the form of the file they were read from."""

    form: str
    rpms: tuple[NEVRA, ...]


def parse_nevra(text: str) -> NEVRA | None:
    """Parse ``name-[epoch:]version-release.arch``, with or without ``.rpm``; return ``None`` if it
    is none.

    >>> str(parse_nevra("gcc-c++-11.4.1-3.el9.x86_64.rpm")), parse_nevra("hello")
    ('gcc-c++-11.4.1-3.el9.x86_64', None)
    """
    found = _NEVRA.fullmatch(text.removesuffix(".rpm"))
    if found is None:
        return None
    evr = EVR(epoch=int(found["epoch"] or 0), version=found["version"], release=found["release"])
    return NEVRA(name=found["name"], evr=evr, arch=found["arch"])


def read_reference(text: str) -> Reference:
    """The reference in a file of any of the forms.

    :raises InputError: it is none of them, or names no RPM.
    """
    form, rpms = _from_json(text) if text.lstrip()[:1] in ("{", "[") else _from_lines(text)
    rpms = [rpm for rpm in rpms if rpm.name != _KEY]
    if not rpms:
        raise InputError(
            f"{form} that names no RPM",
            hint="give the lock or installed_pkgs.log of a finished build",
        )
    return Reference(form=form, rpms=tuple(sorted(rpms, key=str)))


def _from_lines(text: str) -> tuple[str, list[NEVRA]]:
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = [parse_nevra(words[0]) for words in rows]
    bad = next((" ".join(words) for words, rpm in zip(rows, found, strict=True) if rpm is None), "")
    if bad:
        hint = (
            "mock's buildroot_lock.json or installed_pkgs.log, Koji's listRPMs as JSON, or a NEVRA "
            "a line"
        )
        raise InputError(f"{bad[:80]!r} is no NEVRA", hint=hint)
    form = (
        "mock's installed_pkgs.log" if rows and rows[0][-1] == "installed" else "a list of NEVRAs"
    )
    return form, [rpm for rpm in found if rpm is not None]


def _from_json(text: str) -> tuple[str, list[NEVRA]]:
    try:
        data = json.loads(text)
        form, lines = "Koji's list of RPMs", data
        for name, way in _FORMS.items():
            if isinstance(data, dict) and way[0] in data:
                form, lines = name, data
                for key in way:
                    lines = lines[key]
        return form, [_from_entry(entry) for entry in lines]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"not a lock that is known here: {type(error).__name__}: {error}"
        ) from error


def _from_entry(entry: Mapping[str, object]) -> NEVRA:
    evr = EVR(
        epoch=int(str(entry.get("epoch") or 0)),
        version=str(entry["version"]),
        release=str(entry["release"]),
    )
    return NEVRA(name=str(entry["name"]), evr=evr, arch=str(entry["arch"]))


class Differs(enum.StrEnum):
    """Kinds of difference between one of our RPMs and the vendor's of the same name, the worst
    first.
    """

    MISSING = "missing"
    LOWER = "lower"
    HIGHER = "higher"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference of one name; ``ours`` and ``theirs`` are NEVRAs, empty where there is none.

    ``built_here``: ours is an RPM that we built.
    """

    name: str
    kind: Differs
    ours: str = ""
    theirs: str = ""
    built_here: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The comparison of two buildroots: ``differences`` by kind and name; ``same`` counts RPMs with
    equal name, EVR and arch.
    """

    same: int
    differences: tuple[Difference, ...]


def parity(ours: Mapping[NEVRA, bool], theirs: Iterable[NEVRA]) -> Parity:
    """Put two buildroots beside each other.

    :param ours: the RPMs of our buildroot, each with whether we built it.

    >>> a, b = parse_nevra("zlib-1-1.x86_64"), parse_nevra("zlib-2-1.x86_64")
    >>> [(one.kind.value, one.ours) for one in parity({a: False}, [b]).differences]
    [('lower', 'zlib-1-1.x86_64')]
    """
    reference = set(theirs)
    same = ours.keys() & reference
    left, right = _by_name(ours.keys() - same), _by_name(reference - same)
    found: list[Difference] = []
    for name in sorted(left.keys() | right.keys()):
        found += _of_name(name, left.get(name, []), right.get(name, []), ours)
    order = list(Differs)
    return Parity(
        same=len(same),
        differences=tuple(sorted(found, key=lambda one: (order.index(one.kind), one.name))),
    )


def _by_name(rpms: Iterable[NEVRA]) -> dict[str, list[NEVRA]]:
    found: dict[str, list[NEVRA]] = {}
    for rpm in sorted(rpms, key=lambda rpm: (rpm.arch, rpm.evr)):
        found.setdefault(rpm.name, []).append(rpm)
    return found


def _of_name(
    name: str, ours: Sequence[NEVRA], theirs: Sequence[NEVRA], built: Mapping[NEVRA, bool]
) -> list[Difference]:
    """Pair several RPMs of one name (multilib, kernels) in the order of arch and EVR."""
    pairs = list(zip(ours, theirs, strict=False))
    found = [
        Difference(
            name=name, kind=Differs.HIGHER if other.evr < own.evr else Differs.LOWER, ours=str(own),
            theirs=str(other), built_here=built[own],
        )
        for own, other in pairs
    ]  # fmt: skip
    found += [
        Difference(name=name, kind=Differs.EXTRA, ours=str(own), built_here=built[own])
        for own in ours[len(pairs) :]
    ]
    found += [
        Difference(name=name, kind=Differs.MISSING, theirs=str(other))
        for other in theirs[len(pairs) :]
    ]
    return found
