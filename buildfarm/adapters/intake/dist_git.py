"""Sources from dist-git: a tree with a spec, and a list of files in a lookaside cache.

Three lists are known: CentOS's ``.NAME.metadata`` (``SHA1 SOURCES/file``), Fedora's ``sources``
(``SHA512 (file) = …``) and its old form (``MD5  file``). Every file is verified against its digest;
files that are not listed are not fetched.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from buildfarm.adapters.debrand import srpm_tree
from buildfarm.adapters.system import process
from buildfarm.domain.debrand.sources import lookaside_lists
from buildfarm.domain.debrand.tree import Tree, decode, is_plain_name, source_path, spec_path
from buildfarm.domain.target.target import DistGit
from buildfarm.errors import InfraError, InputError, ToolFailed

_BSD = re.compile(r"([A-Z0-9]+) \(([^)]+)\) = ([0-9a-f]+)")
_PLAIN = re.compile(r"([0-9a-f]{32,128})[ \t]+[ *]?(\S+)")
_BY_LENGTH: Mapping[int, str] = {
    32: "md5",
    40: "sha1",
    56: "sha224",
    64: "sha256",
    96: "sha384",
    128: "sha512",
}
_LEFT_OUT = frozenset({".git", "PATCHES", "tests", ".gitignore", ".gitattributes"})
_SECONDS = 300.0
_GIT_SECONDS = 1800.0
_NOT_THERE = (
    "not found",
    "does not exist",
    "unable to read tree",
    "not a tree",
    "did not match",
    "reference is not a tree",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One file of the lookaside cache and its digest."""

    name: str
    algorithm: str
    digest: str


@contextmanager
def checkout(
    place: DistGit, source: str, commit: str, *, macros: Mapping[str, str], work: Path
) -> Iterator[Path]:
    """Build the SRPM of a source at a commit in the sandbox, with the commit's time.

    ``work`` is emptied before and after.

    :raises InputError: no such repository, commit or file.
    :raises InfraError: the server or the cache does not answer.
    """
    url = place.repository(source)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        folder = work / "tree"
        _git(["clone", "--quiet", "--no-checkout", "--no-tags", "--", url, str(folder)], work, url)
        _git(
            ["-C", str(folder), "checkout", "--quiet", "--detach", commit],
            work,
            f"{url} at {commit}",
        )
        epoch = int(
            _git(["-C", str(folder), "show", "--no-patch", "--format=%ct", commit], work, url)
        )
        tree = with_sources(read(folder), source, place.lookaside)
        yield srpm_tree.build(tree, work / "srpm", work / "build", epoch=epoch, macros=macros)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _git(words: Sequence[str], home: Path, what: str) -> str:
    """Run git without configuration, hooks, and transports that run a program."""
    options = ["core.hooksPath=/dev/null", "core.symlinks=false", "protocol.ext.allow=never"]
    try:
        done = process.run(
            ["git", *(word for option in options for word in ("-c", option)), *words],
            timeout=_GIT_SECONDS,
            env={"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"},
        )
    except ToolFailed as error:
        said = error.output.strip().splitlines()[-1:] or [str(error)]
        if any(word in error.output for word in _NOT_THERE):
            raise InputError(
                f"{what}: {said[0]}", hint="is the name and the commit right?"
            ) from error
        raise InfraError(f"{what}: {said[0]}") from error
    return done.text.strip()


def read(folder: Path) -> Tree:
    """Read the files of a checked-out tree, without git's own.

    :raises InputError: no folder, a link, or no spec in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder", hint="give a checked-out dist-git tree")
    tree: Tree = {}
    for place in sorted(folder.rglob("*")):
        path = place.relative_to(folder)
        if path.parts[0] in _LEFT_OUT:
            continue
        if place.is_symlink() and not place.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{place}: leads out of the tree")
        if place.is_file():
            tree[path.as_posix()] = place.read_bytes()
    spec_path(tree)
    return tree


def listed(tree: Mapping[str, bytes]) -> list[Listed]:
    """Return the entries of the tree's lists. :raises InputError: a line has none of the known
    forms.
    """
    found = []
    for path in lookaside_lists(dict(tree)):
        for number, line in enumerate(decode(tree[path]).splitlines(), 1):
            if not line.strip():
                continue
            bsd, plain = _BSD.fullmatch(line.strip()), _PLAIN.fullmatch(line.strip())
            algorithm = (
                bsd[1].lower() if bsd else _BY_LENGTH.get(len(plain[1]), "") if plain else ""
            )
            name = (bsd[2] if bsd else plain[2] if plain else "").removeprefix("SOURCES/")
            if algorithm not in _BY_LENGTH.values() or not is_plain_name(name):
                raise InputError(f"{path}:{number}: {line.strip()!r} names no file with a digest")
            found.append(
                Listed(
                    name=name,
                    algorithm=algorithm,
                    digest=bsd[3] if bsd else plain[1] if plain else "",
                )
            )
    return found


def with_sources(tree: Mapping[str, bytes], package: str, lookaside: str) -> Tree:
    """Add the listed files that the tree lacks, from ``lookaside``: a folder, or a URL.

    A folder holds files by name or by digest. A URL may contain ``{name}``, ``{file}``,
    ``{algorithm}`` and ``{digest}``; without them, Fedora's form is used:
    ``URL/NAME/FILE/ALGORITHM/DIGEST/FILE``.

    :raises InputError: a file is missing, or does not match its digest.
    :raises InfraError: the cache does not answer.
    """
    done = dict(tree)
    for one in listed(tree):
        path = source_path(tree, one.name)
        content = done[path] if path in done else _get(one, package, lookaside)
        if (
            digest := hashlib.new(one.algorithm, content, usedforsecurity=False).hexdigest()
        ) != one.digest:
            raise InputError(
                f"{one.name}: its {one.algorithm} is {digest}, the tree says {one.digest}"
            )
        done[path] = content
    return done


def _get(one: Listed, package: str, lookaside: str) -> bytes:
    if "://" not in lookaside:
        for name in (one.name, one.digest):
            if (place := Path(lookaside) / name).is_file():
                return place.read_bytes()
        raise InputError(
            f"{one.name} is not in {lookaside}", hint=f"put it there by its name or as {one.digest}"
        )
    pattern = (
        lookaside
        if "{" in lookaside
        else f"{lookaside.rstrip('/')}/{{name}}/{{file}}/{{algorithm}}/{{digest}}/{{file}}"
    )
    url = pattern.format(name=package, file=one.name, algorithm=one.algorithm, digest=one.digest)
    try:
        answer = httpx.get(url, timeout=_SECONDS, follow_redirects=True)
    except httpx.HTTPError as error:
        raise InfraError(f"{url}: {error}") from error
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise InputError(f"{one.name}: {url} is not there")
    if not answer.is_success:
        raise InfraError(f"{url} answers {answer.status_code}")
    return answer.content
