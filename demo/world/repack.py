"""Turn a package of the host distribution into an RPM, with dependencies found by rpm."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.world.run import run

_NOT_REQUIRED = "perl|pkgconfig|python|debuginfo|/usr/bin/perl|/usr/bin/python|/usr/local/.*"
_DROPPED = (
    "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian",
    "usr/share/bug", "usr/share/menu", "usr/share/gcc", "usr/lib/systemd", "etc/cron.daily",
    "etc/init.d",
)  # fmt: skip
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_LIBRARY = re.compile(r"^(lib(bz2|popt|png|z)[0-9.-]+|zlib1g)$")
_FIELD = re.compile(r"^([A-Za-z-]+): (.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """The input of an RPM: a tree of files and its metadata.

    ``extra`` is spec text (scriptlets).
    """

    name: str
    version: str
    release: str
    tree: Path
    provides: Sequence[str] = ()
    requires: Sequence[str] = ()
    extra: str = ""


def unpack(deb: Path, tree: Path, home: Path) -> dict[str, str]:
    """Unpack with /usr merged and without documentation; return the control fields."""
    tree.mkdir(parents=True, exist_ok=True)
    run(["dpkg-deb", "--extract", deb, tree], home=home)
    for name in _MERGED:
        source = tree / name
        if source.is_dir() and not source.is_symlink():
            _merge(source, tree / "usr" / name)
            shutil.rmtree(source)
    for dropped in _DROPPED:
        shutil.rmtree(tree / dropped, ignore_errors=True)
    control = run(["dpkg-deb", "--field", deb], home=home)
    return {match[1]: match[2] for line in control.splitlines() if (match := _FIELD.match(line))}


def _merge(source: Path, target: Path) -> None:
    for entry in sorted(source.rglob("*")):
        place = target / entry.relative_to(source)
        if entry.is_dir() and not entry.is_symlink():
            place.mkdir(parents=True, exist_ok=True)
        elif not (place.exists() or place.is_symlink()):
            place.parent.mkdir(parents=True, exist_ok=True)
            entry.rename(place)


def split_version(text: str) -> tuple[str, str]:
    """Return ``(version, release)`` in rpm's alphabet, without the epoch.

    >>> split_version("1:2.36-9+deb12u10")
    ('2.36', '9+deb12u10')
    """
    version, _, release = text.rpartition(":")[2].rpartition("-")
    if not version:
        version, release = release, "1"
    return version.replace("-", "."), release.replace("-", ".")


def requires_of(control: dict[str, str], known: Collection[str]) -> list[str]:
    """Return a package's dependencies that are in the seed (of alternatives, the first that is).

    Shared libraries are left to the sonames that rpm finds, so that a rebuilt library can replace a
    seed's.
    """
    wanted = []
    for group in ", ".join(
        filter(None, (control.get("Depends"), control.get("Pre-Depends")))
    ).split(", "):
        names = [part.strip().split(" ")[0].split(":")[0] for part in group.split("|")]
        wanted += [name for name in names if name in known and not _LIBRARY.match(name)][:1]
    return sorted(set(wanted))


def build_rpm(package: Package, work: Path) -> Path:
    """Build one RPM with rpmbuild from the tree as it is; return its path."""
    work.mkdir(parents=True, exist_ok=True)
    listing = work / "files"
    listing.write_text("".join(f'"/{path}"\n' for path in _files(package.tree)), encoding="utf-8")
    spec = work / f"{package.name}.spec"
    lines = [
        "%global debug_package %{nil}",
        "%global __os_install_post %{nil}",
        "%global _build_id_links none",
        f"%global __requires_exclude ^({_NOT_REQUIRED}).*$",
        f"Name: {package.name}",
        f"Version: {package.version}",
        f"Release: {package.release}",
        f"Summary: {package.name}, repacked to bootstrap from",
        "License: see the host distribution",
        "Vendor: Seed",
        *(f"Provides: {name}" for name in package.provides),
        *(f"Requires: {name}" for name in package.requires),
        "%description",
        "Repacked from the host distribution.",
        "%install",
        "rmdir %{buildroot}",
        f"cp -al {package.tree} %{{buildroot}}",
        package.extra,
        f"%files -f {listing}",
    ]
    spec.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run(
        [
            "rpmbuild", "-bb", "--quiet", "--target", "x86_64", "--define", f"_topdir {work}",
            "--define", "_binary_payload w1.zstdio", "--define", f"_dbpath {work}/db", "--define",
            "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm", "--define",
            "_rpmdir " + str(work / "RPMS"), spec,
        ],
        home=work,
    )  # fmt: skip
    return next((work / "RPMS").glob("*.rpm"))


def _files(tree: Path) -> list[str]:
    """Return files, links and empty directories: shared directories belong to ``filesystem``."""
    found = []
    for folder, folders, files in os.walk(tree):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        found += [str((here / name).relative_to(tree)) for name in (*files, *links)]
        if not files and not folders and here != tree:
            found.append(str(here.relative_to(tree)))
    return sorted(found)
