"""Publish one build into a large repository, and run ``createrepo_c --update`` over the same RPMs.

The RPMs are made here, with about the metadata of an enterprise distribution: 40 files, a dozen
dependencies, ten changelog entries. The farm writes a whole new generation, metadata and RPMs;
createrepo_c renews the metadata of a folder in place, from its old metadata and without databases.
Both get one more RPM than before. Afterwards libsolv, createrepo_c's reader and dnf must see the
same RPMs in both. Goal: at least 20 times faster at 10,000 RPMs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import createrepo_c as cr

from buildfarm.adapters.publish.repository_writer import RepositoryWriter

_GOAL = 20.0
_SIZES = (1_000, 10_000)
_PARTS = 100
_COMMAND = Path(sys.executable).with_name("createrepo_c")


_BUILT, _FILES, _REQUIRES, _ENTRIES = 10, 40, 12, 10
_SUB = """
%package {name}
Summary: One part of many, in words as long as such words are
{requires}
%description {name}
This part is described in as many words as maintainers use, which is a line or two
that say what it is good for.
%files {name}
/usr/share/%{{name}}/{name}
"""


def _spec(source: str) -> str:
    """Return a source of many sub-packages."""
    requires = "\n".join(f"Requires: library-{number} >= {number}.1" for number in range(_REQUIRES))
    parts = "".join(_SUB.format(name=f"p{number}", requires=requires) for number in range(_PARTS))
    entries = "\n".join(
        f"* Mon Jan {number + 1:02} 2024 A Maintainer <maintainer@example.org> - 1.{number}-1\n"
        f"- Rebuild for library {number}\n- Fix what was said of it"
        for number in reversed(range(_ENTRIES))
    )
    return f"""
Name: {source}
Version: 1.0
Release: 1.el9
Summary: Many parts
License: MIT
BuildArch: noarch
AutoReqProv: no
%description
Many parts.
%install
for p in $(seq 0 {_PARTS - 1}); do
    d=%{{buildroot}}/usr/share/{source}/p$p/include/part
    mkdir -p $d && cd $d && touch $(seq -f 'header-of-the-part-%g.h' {_FILES})
done
%files
%dir /usr/share/{source}
{parts}
%changelog
{entries}
"""


def _made(folder: Path, count: int) -> list[_Rpm]:
    """Make RPMs of ``count`` sources: rpmbuild makes a few, the others are copies with other names.

    A name of the same length is written into the header; its digests are wrong then, which repodata
    does not check.
    """

    def build(number: int) -> None:
        top = folder / f".{number}"
        top.mkdir(parents=True)
        (top / "many.spec").write_text(_spec(f"s{number:03}"))
        defines = (
            f"_topdir {top}", f"_rpmdir {folder}",
            "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
            "_binary_payload w1.gzdio", "__os_install_post %{nil}",
        )  # fmt: skip
        words = [word for define in defines for word in ("--define", define)]
        subprocess.run(
            ["rpmbuild", "-bb", "--quiet", *words, top / "many.spec"],
            check=True,
            capture_output=True,
        )
        shutil.rmtree(top)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(build, range(_BUILT)))
    for path in sorted(folder.glob("s*.rpm")):
        data = path.read_bytes()
        for number in range(int(path.name[1:4]) + _BUILT, count, _BUILT):
            name = f"s{number:03}"
            (folder / f"{name}{path.name[4:]}").write_bytes(
                data.replace(path.name[:4].encode(), name.encode())
            )
    return [
        _Rpm(path, hashlib.sha256(path.read_bytes()).hexdigest(), path.name)
        for path in sorted(folder.glob("*.rpm"))
    ]


@dataclass(frozen=True)
class _Rpm:
    path: Path
    sha256: str
    filename: str


def run(runs: int) -> None:
    """Print a line for each size."""
    with tempfile.TemporaryDirectory(prefix="bench-publish-", dir="/var/tmp") as work:
        top = Path(work)
        rpms = _made(top / "rpms", max(_SIZES) // _PARTS + 1)
        for size in _SIZES:
            _measure(rpms[: size + runs + 1], size, runs, top / str(size))


def _measure(rpms: list[_Rpm], size: int, runs: int, work: Path) -> None:
    theirs = work / "theirs"
    (theirs / "Packages").mkdir(parents=True)
    for rpm in rpms[:size]:
        (theirs / "Packages" / rpm.filename).hardlink_to(rpm.path)
    words: list[str | Path] = [_COMMAND, "--quiet", "--update", "--no-database", theirs]
    subprocess.run(words, check=True, capture_output=True)
    writer = RepositoryWriter(work / "cache", work / "pool")
    writer.write(work / "ours-0", rpms[:size])
    ours_times, their_times = [], []
    for number in range(1, runs + 1):
        added = rpms[: size + number]
        os.sync()  # the farm flushes its own files; do not count the peer's
        started = time.perf_counter()
        writer.write(work / f"ours-{number}", added)
        ours_times.append(time.perf_counter() - started)
        (theirs / "Packages" / added[-1].filename).hardlink_to(added[-1].path)
        os.sync()
        started = time.perf_counter()
        subprocess.run(words, check=True, capture_output=True)
        their_times.append(time.perf_counter() - started)
    ours, peer = statistics.median(ours_times), statistics.median(their_times)
    print(
        f"{size:>6} RPMs and one more (median of {runs}): ours {ours:.3f} s, createrepo_c --update "
        f"{peer:.3f} s"
    )
    ratio = peer / ours
    goal = (
        f" (goal: at least {_GOAL:g}) {'met' if ratio >= _GOAL else 'NOT MET'}"
        if size == max(_SIZES)
        else ""
    )
    print(f"createrepo_c over ours: {ratio:.1f}{goal}")
    # Not every libsolv reads zstd.
    subprocess.run([*words, "--general-compress-type=gz"], check=True, capture_output=True)
    _same(work / f"ours-{runs}", theirs)
    shutil.rmtree(work)


def _same(ours: Path, theirs: Path) -> None:
    """Check that createrepo_c's reader, libsolv and dnf see the same RPMs.

    :raises ValueError: they do not.
    """
    seen = {}
    for name, folder in (("ours", ours), ("theirs", theirs)):
        reader = cr.RepositoryReader.from_path(str(folder))
        known = sorted(
            (package.nevra(), package.pkgId, len(package.provides))
            for package in reader.iter_packages()
        )
        seen[name] = (known, _solv(folder), _dnf(folder))
    if seen["ours"] != seen["theirs"]:
        raise ValueError("the two repositories do not read the same")
    print(
        f"createrepo_c's reader, libsolv and dnf read the same {len(seen['ours'][0])} RPMs in both"
    )


def _solv(folder: Path) -> list[str]:
    import solv  # noqa: PLC0415  # only here

    pool = solv.Pool()
    repo = pool.add_repo("repo")
    path = next((folder / "repodata").glob("*primary.xml.*"))
    file = solv.xfopen(str(path))
    repo.add_rpmmd(file, None)
    file.close()
    return sorted(str(solvable) for solvable in repo.solvables_iter())


def _dnf(folder: Path) -> list[str]:
    with tempfile.TemporaryDirectory() as home:
        config = Path(home) / "dnf.conf"
        config.write_text("[main]\nreposdir=/nonexistent\npluginpath=/nonexistent\n")
        done = subprocess.run(
            [
                "dnf", "--quiet", f"--config={config}", f"--installroot={home}/root",
                f"--setopt=cachedir={home}/cache", f"--setopt=logdir={home}",
                f"--repofrompath=repo,file://{folder}", "--releasever=9", "--forcearch=x86_64",
                "repoquery",
            ],
            capture_output=True,
            text=True,
            check=True,
        )  # fmt: skip
    return sorted(done.stdout.split())
