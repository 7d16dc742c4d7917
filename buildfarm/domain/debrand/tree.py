"""A source tree in memory: relative paths to bytes, as unpacked from an SRPM or checked out from
dist-git.

Two layouts are known: ``SPECS/<name>.spec`` with ``SOURCES/<name>`` (an SRPM, CentOS's dist-git)
and a flat folder with the spec among its sources (Fedora's dist-git). Nothing here looks into a
file.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Mapping

from buildfarm.errors import InputError

MARK = "# debranded by rule "
Tree = dict[str, bytes]
_PLAIN_NAME = re.compile(r"[^/\0\n]+")


class RuleDoesNotFit(InputError):  # said as a sentence: "rule does not fit"
    """A rule's action found nothing, or another number of places than it says."""


def spec_path(tree: Mapping[str, bytes]) -> str:
    """The one spec of a tree. :raises InputError: there is none, or more than one."""
    specs = [path for path in tree if path.startswith("SPECS/") and path.endswith(".spec")]
    specs = specs or [path for path in tree if "/" not in path and path.endswith(".spec")]
    if not specs:
        specs = [path for path in tree if path.startswith("SPECS/")]
    if len(specs) != 1:
        raise InputError(f"{len(specs)} spec files in the SRPM", hint="an SRPM holds exactly one")
    return specs[0]


def source_path(tree: Mapping[str, bytes], name: str) -> str:
    """Return where the source file ``name`` stands in this tree's layout, whether it is there or
    not.

    >>> source_path({"SPECS/a.spec": b""}, "a.conf"), source_path({"a.spec": b""}, "a.conf")
    ('SOURCES/a.conf', 'a.conf')

    :raises InputError: ``name`` is no plain file name (it could leave the tree).
    """
    if name.startswith("SPECS/") and name.removeprefix("SPECS/") == spec_path(tree).removeprefix(
        "SPECS/"
    ):
        return spec_path(tree)
    plain = name.removeprefix("SOURCES/")
    if not is_plain_name(plain):
        raise InputError(f"{name!r} is no name of a source file", hint="a name has no folder in it")
    return f"SOURCES/{plain}" if spec_path(tree).startswith("SPECS/") else plain


def is_plain_name(name: str) -> bool:
    """Return whether ``name`` names a file in its own folder and nothing else.

    >>> [is_plain_name(name) for name in ("a.patch", "../a", "..", "", "a/b")]
    [True, False, False, False, False]
    """
    return name not in (".", "..") and _PLAIN_NAME.fullmatch(name) is not None


def source_names(tree: Mapping[str, bytes]) -> list[str]:
    """The names of all source files, sorted."""
    spec = spec_path(tree)
    if spec.startswith("SPECS/"):
        return sorted(path.removeprefix("SOURCES/") for path in tree if path.startswith("SOURCES/"))
    return sorted(path for path in tree if path != spec)


def matching(tree: Mapping[str, bytes], pattern: str) -> list[str]:
    """The paths of the files that ``pattern`` names: ``spec``, or a glob over source names, or over
    whole paths.
    """
    spec = spec_path(tree)
    if pattern == "spec":
        return [spec]
    by_name = source_names(tree)
    wanted = pattern.removeprefix("SOURCES/")
    found = [
        source_path(tree, name)
        for name in by_name
        if "/" not in name and fnmatch.fnmatchcase(name, wanted)
    ]
    return found or sorted(path for path in tree if path != spec and _names(path, pattern))


def _names(path: str, pattern: str) -> bool:
    """Return whether a pattern is the end of a path: ``a.conf`` and ``SOURCES/*.conf`` name
    ``x/SOURCES/a.conf``.
    """
    parts = path.split("/")
    return any(fnmatch.fnmatchcase("/".join(parts[at:]), pattern) for at in range(len(parts)))


def debranded_by(tree: Mapping[str, bytes]) -> str:
    """The digest of the rule that changed this tree already; empty if none did."""
    first = tree[spec_path(tree)].split(b"\n", 1)[0].decode("ascii", "replace")
    return first.removeprefix(MARK) if first.startswith(MARK) else ""


def digests(
    before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> tuple[tuple[str, str, str], ...]:
    """Return ``(path, SHA-256 before, SHA-256 after)`` of every file, sorted by path; empty text
    where it is not there.
    """

    def digest(tree: Mapping[str, bytes], path: str) -> str:
        return hashlib.sha256(tree[path]).hexdigest() if path in tree else ""

    return tuple(
        (path, digest(before, path), digest(after, path)) for path in sorted({*before, *after})
    )


def decode(data: bytes) -> str:
    """Return text that :func:`encode` turns back into the same bytes, whatever the encoding was."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes of what :func:`decode` gave."""
    return text.encode("utf-8", "surrogateescape")
