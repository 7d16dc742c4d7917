"""The host's dnf with a complete configuration: installs base chroots and an SRPM's
requirements.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from buildfarm.adapters.system import process
from buildfarm.adapters.system.process import MEBIBYTE
from buildfarm.domain.core.build import FailureKind
from buildfarm.wire import Buildroot
from buildfarm_workers.builders.buildroot import safe_write, sandboxes
from buildfarm_workers.builders.buildroot.rpm_database import DBPATH
from buildfarm_workers.builders.port import BuildFailed, Stop, Stopped, one_line

_INSTALL_SECONDS = 1800
_MODULES = "/etc/dnf/modules.d"
_LOG_LIMIT = 64 * MEBIBYTE

_MAIN = """\
[main]
reposdir=/dev/null
varsdir=/dev/null
pluginconfpath=/dev/null
cachedir={cache}
persistdir=/var/lib/dnf
logdir=/var/lib/dnf
log_size=0
keepcache=1
metadata_expire=0
assumeyes=1
best=1
install_weak_deps=0
obsoletes=1
gpgcheck=1
protected_packages=
module_platform_id=platform:el{releasever}
tsflags=
retries=3
timeout=20
fastestmirror=0
zchunk=0
"""
# metadata_expire=0 as in mock's own configurations: a generation never changes under its URL, a
# seed may, and asking a repository whether it has changed costs one small file.

_NOT_THERE = re.compile(
    r"No matching package to install: '(?P<a>[^']+)'|No match for argument: (?P<b>\S.*)"
    r"|nothing provides (?P<c>.+?) needed by (?P<d>\S+)|Unable to find a match: (?P<e>.+)"
)
_PROBLEM = ("Error:", "error:", "Problem")
_TRANSPORT = re.compile(
    r"Failed to download metadata|Curl error|Cannot download|Error downloading packages|All "
    r"mirrors were"
    r"|more space needed|No space left|Checksum doesn't match|have incorrect checksum|GPG check "
    r"FAILED|repomd.xml GPG signature"
    r"|public key|bwrap: |Failed to synchronize cache|Couldn't open file|Read-only file system"
)


def configuration(buildroot: Buildroot) -> str:
    """Return the whole dnf.conf, with this buildroot's repositories only."""
    text = _MAIN.format(
        cache=sandboxes.CACHE_IN_ROOT, releasever=buildroot.releasever.partition(".")[0]
    )
    for repo in buildroot.repositories:
        text += f"\n[{repo.id}]\nname={repo.id}\nbaseurl={repo.baseurl}\npriority={repo.priority}\n"
        text += f"gpgcheck={int(repo.gpgcheck)}\nrepo_gpgcheck={int(repo.repo_gpgcheck)}\n"
        text += f"gpgkey={repo.gpgkey}\n" if repo.gpgkey else ""
    return text


class Installer:
    """Runs dnf for a root; a folder holds its cache and configuration."""

    def __init__(self, folder: Path) -> None:
        self._cache = folder / "dnf"
        self._home = folder / "home"

    def install(
        self, root: Path, buildroot: Buildroot, packages: Sequence[str], *, log: Path, work: Path,
        stop: Stop, files: Sequence[Path] = (),
    ) -> None:  # fmt: skip
        """Run ``dnf install`` for ``root``; RPM ``files`` are available beside the repositories.

        Errors as in :meth:`builddep`.
        """
        words = ["install", *packages, *(str(file) for file in files)]
        self._run(words, root, buildroot, log=log, work=work, stop=stop, read_only=tuple(files))

    def builddep(
        self, root: Path, buildroot: Buildroot, srpm: Path, *, log: Path, work: Path, stop: Stop
    ) -> None:
        """Run ``dnf builddep`` for the header of ``srpm``.

        :raises BuildFailed: ``dependencies`` (with the missing name) or ``infrastructure`` (a
            repository that cannot be reached or is damaged).
        :raises Stopped: the caller stopped the build.
        """
        plugin = ["--setopt=plugins=1", "--disableplugin=*", "--enableplugin=builddep"]
        words = [*plugin, "builddep", "--srpm", str(srpm)]
        self._run(words, root, buildroot, log=log, work=work, stop=stop, read_only=(srpm,))

    def _run(
        self,
        words: list[str],
        root: Path,
        buildroot: Buildroot,
        *,
        log: Path,
        work: Path,
        stop: Stop,
        read_only: tuple[Path, ...] = (),
    ) -> None:
        for folder in (self._cache, self._home, work):
            folder.mkdir(parents=True, exist_ok=True)
        (self._home / ".rpmmacros").write_text(f"%_dbpath {DBPATH}\n", encoding="utf-8")
        config = work / "dnf.conf"
        config.write_text(configuration(buildroot), encoding="utf-8")
        for mount_point in (sandboxes.CACHE_IN_ROOT, "/var/lib/dnf", "/dev", "/proc"):
            # Bubblewrap would make them, and their parents, 0700.
            safe_write.make_folder(root, mount_point)
        enable(root, buildroot.modules)
        plugins = [] if "--setopt=plugins=1" in words else ["--noplugins"]
        command = [
            "dnf", "--config", sandboxes.CONFIG_IN_BOX, "--installroot", sandboxes.ROOT_IN_BOX,
            "--releasever", buildroot.releasever, *plugins, *words,
        ]  # fmt: skip
        boxed = sandboxes.installer(
            command, root=root, cache=self._cache, config=config, home=self._home,
            read_only=(*_local_paths(buildroot), *read_only),
        )  # fmt: skip
        with log.open("ab") as out:
            out.write(f"$ {' '.join(command)}\n".encode())
            out.flush()
            said = _run_logged(boxed, out, log, stop)
        if said is not None:
            raise BuildFailed(*explain(said))


def enable(root: Path, modules: Sequence[str]) -> None:
    """Enable module streams in a root, in dnf's own files (dnf.modularity(7))."""
    if not modules:
        return
    safe_write.make_folder(root, _MODULES)
    for stream in modules:
        name, _, version = stream.partition(":")
        text = f"[{name}]\nname={name}\nstream={version}\nprofiles=\nstate=enabled\n"
        safe_write.write_file(root, f"{_MODULES}/{name}.module", text)


def _run_logged(boxed: list[str], out: BinaryIO, log: Path, stop: Stop) -> str | None:
    """Run dnf; return its output if it failed."""
    start = log.stat().st_size
    done = process.run(
        boxed, timeout=_INSTALL_SECONDS, ok=None, out=out, max_output=_LOG_LIMIT, watch=stop
    )
    if done.stopped and stop():
        raise Stopped(stop())
    if done.returncode == 0 and not done.stopped:
        return None
    with log.open("rb") as said:
        said.seek(start)
        text = said.read().decode("utf-8", "replace")
    return f"{text}\nError: {done.stopped}\n" if done.stopped else text


def explain(said: str) -> tuple[FailureKind, str]:
    r"""Return kind and reason of a failed dnf run, from its output.

    >>> explain("No matching package to install: 'foo-devel'\nNot all dependencies satisfied\n")
    (<FailureKind.DEPENDENCIES: 'dependencies'>, 'No matching package to install: foo-devel')
    """
    names: list[str] = []
    for match in _NOT_THERE.finditer(said):
        if match["c"]:
            names.append(f"{match['c']} (needed by {match['d']})")
        else:
            names.append((match["a"] or match["b"] or match["e"]).strip())
    if names:
        return FailureKind.DEPENDENCIES, one_line(
            f"No matching package to install: {', '.join(dict.fromkeys(names))}"
        )
    reason = one_line(f"dnf: {_problem(said)}")
    if _TRANSPORT.search(said) or "time limit reached" in said:
        return FailureKind.INFRASTRUCTURE, reason
    return FailureKind.DEPENDENCIES, reason


def missing(said: str) -> tuple[str, ...]:
    r"""Return the requirements that dnf found nothing for, as requested.

    >>> missing("No matching package to install: 'python3dist(flit-core) >= 3'\n")
    ('python3dist(flit-core) >= 3',)
    """
    found = (match["a"] or match["b"] for match in _NOT_THERE.finditer(said))
    return tuple(dict.fromkeys(name.strip() for name in found if name))


def _problem(said: str) -> str:
    """Return the lines of dnf's output that state the problem, or the last one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if line.startswith(_PROBLEM):
            return " ".join(lines[number : number + 4])
    return lines[-1] if lines else "it said nothing"


def _local_paths(buildroot: Buildroot) -> tuple[Path, ...]:
    """Return the folders of ``file:`` repositories and keys, which the sandbox has to show."""
    urls = [url for repo in buildroot.repositories for url in (repo.baseurl, *repo.gpgkey.split())]
    paths = {Path(urlsplit(url).path) for url in urls if url.startswith("file:")}
    return tuple(sorted(path for path in paths if path.exists()))
