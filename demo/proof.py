"""Proof by dnf: the published repository is signed, closed, and installs into an empty root."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console

from demo.drive import Farm, say

_out = Console()


def prove(farm: Farm, home: Path) -> bool:
    """Install everything that users would see, and ask dnf for the repository's closure."""
    target = farm.get("/targets/reef-9")
    repo = home / "repos" / target["tags"]["destination"] / "current"
    _out.print(f"repository: {repo}")
    with tempfile.TemporaryDirectory(prefix="buildfarm-proof-") as folder:
        work = Path(folder)
        configuration = _dnf_configuration(work, home, repo)
        names = _installable(work, configuration)
        say(
            f"dnf installs {len(names)} RPMs of ours into an empty root, gpgcheck=1 repo_gpgcheck=1"
        )
        installed = _dnf(
            configuration, "--installroot", work / "root", "--releasever=9", "install", *names
        )
        closed = _dnf(configuration, "repoclosure", "--check", "reef-9")
        good = installed.returncode == 0 and closed.returncode == 0
        for what, done in (("dnf install", installed), ("dnf repoclosure --check", closed)):
            _out.print(f"{what}: {'clean' if done.returncode == 0 else 'FAILED'}")
            if done.returncode != 0:
                _out.print((done.stdout + done.stderr)[-3000:], markup=False)
        shutil.rmtree(work / "root", ignore_errors=True)
    return good


def _dnf_configuration(work: Path, home: Path, repo: Path) -> Path:
    own = {
        "name": "Reef 9", "baseurl": f"file://{repo}/x86_64", "gpgcheck": 1, "repo_gpgcheck": 1,
        "gpgkey": f"file://{home}/repos/RPM-GPG-KEY", "priority": 10,
    }  # fmt: skip
    seed = {"name": "seed", "baseurl": f"file://{home}/world/seed", "gpgcheck": 0, "priority": 90}
    main = {
        "reposdir": "/dev/null", "cachedir": work / "cache", "persistdir": work / "state",
        "logdir": work / "log", "install_weak_deps": 0, "assumeyes": 1, "plugins": 1,
        "keepcache": 0,
    }  # fmt: skip
    sections = {"main": main, "reef-9": own, "seed": seed}
    lines = [
        line
        for name, values in sections.items()
        for line in (f"[{name}]", *(f"{key}={value}" for key, value in values.items()), "")
    ]
    path = work / "dnf.conf"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _dnf(configuration: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    # Debian switches the plugin "local" on: it copies every RPM it sees into the host's
    # /var/lib/dnf/plugins/local.
    plugins = ["--disableplugin=*", "--enableplugin=repoclosure"]
    argv = ["dnf", "--config", configuration, *plugins, "--forcearch=x86_64", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def _installable(work: Path, configuration: Path) -> list[str]:
    """Return every name of our binary repository."""
    done = _dnf(
        configuration, "--installroot", work / "query", "--releasever=9", "repoquery", "--quiet",
        "--repo=reef-9", "--queryformat=%{name}",
    )  # fmt: skip
    return (
        sorted(set(done.stdout.split()))
        if done.returncode == 0
        else [json.dumps(done.stderr[-500:])]
    )
