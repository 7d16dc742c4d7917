"""What the farm costs over a bare rebuild: a one-file C source, from POST to published, beside ``rpmbuild --rebuild``.

Both in buildroots filled from the same seed, in turn, in one run; and beside the real mock where there is one. The goal is
1.5 s over the bare rebuild; mock needs about 5.5 s over it with a warm root cache.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from demo.drive import Farm, Json, make_world, prepare_home
from demo.world import vendor

CHECKOUT = Path(__file__).resolve().parents[1]
GOAL_SECONDS = 1.5
_POLL_SECONDS = 0.02
_SPEC = """Name: onefile
Version: {version}
Release: 1%{{?dist}}
Summary: A one-file C source
License: MIT
Source0: onefile.c
BuildRequires: gcc
%description
A one-file C source.
%prep
%setup -q -c -T
cp %{{SOURCE0}} .
%build
gcc %{{build_cflags}} -o onefile onefile.c %{{build_ldflags}}
%install
install -D -m 755 onefile %{{buildroot}}%{{_bindir}}/onefile
%files
%{{_bindir}}/onefile
%changelog
* Mon Jan 05 2026 Bench <bench@vendor.example> - {version}-1
- Made
"""


class Bench:
    """A farm of its own, a root for the bare rebuild, and a vendor whose key the farm trusts."""

    def __init__(self, work: Path) -> None:
        self.work = work
        world = Path(os.environ.get("BUILDFARM_WORLD") or CHECKOUT / "var" / "demo" / "world")
        make_world(world, CHECKOUT)
        self.home = work / "home"
        prepare_home(self.home, CHECKOUT)
        (self.home / "world").symlink_to(world)
        self._key = vendor.make_key(work / "gnupg", "Bench", "bench@vendor.example")
        (work / "key").write_text(vendor.export_key(work / "gnupg"), encoding="ascii")
        self._configure()
        self.root = work / "root"
        self._fill_root(world / "seed")

    def _configure(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        farm = yaml.safe_load((self.home / "farm.yaml").read_text(encoding="utf-8"))
        farm |= {"listen": f"127.0.0.1:{port}", "local_workers": 1, "drop_folders": [str(self.work / "drops")]}
        (self.home / "farm.yaml").write_text(yaml.safe_dump(farm), encoding="utf-8")
        file = self.home / "targets" / "reef-9.yaml"
        target = yaml.safe_load(file.read_text(encoding="utf-8"))
        target |= {"gate": {"uncompared": True}, "upstream": {"vendor": "Bench", "keys": [str(self.work / "key")]}}
        file.write_text(yaml.safe_dump(target), encoding="utf-8")
        self.packages: list[str] = target["buildroot"]["packages"]

    def _fill_root(self, seed: Path) -> None:
        vendor.dnf_install(self.root, self.work / "dnf", {"seed": seed}, self.packages)
        with (self.root / "etc/passwd").open("a", encoding="ascii") as passwd:
            passwd.write("bench:x:1500:1500::/builddir:/bin/bash\n")
        (self.root / "builddir").mkdir()

    def srpm(self, version: int) -> Path:
        """A signed SRPM that the farm has not seen."""
        top = self.work / f"make-{version}"
        (top / "SOURCES").mkdir(parents=True)
        (top / "SOURCES/onefile.c").write_text("int main(void) { return 0; }\n", encoding="ascii")
        spec = top / "onefile.spec"
        spec.write_text(_SPEC.format(version=version), encoding="ascii")
        argv = ["rpmbuild", "-bs", "--nodeps", "--define", f"_topdir {top}", "--define", "dist .el9", str(spec)]
        subprocess.run(argv, check=True, capture_output=True)
        made = next((top / "SRPMS").glob("*.src.rpm"))
        vendor.sign(self.work / "gnupg", self._key, [made])
        drops = self.work / "drops"
        drops.mkdir(exist_ok=True)
        return Path(shutil.move(made, drops))

    def bare(self, srpm: Path) -> float:
        """Seconds of ``rpmbuild --rebuild`` in a root that is there already."""
        shutil.copy(srpm, self.root / "builddir")
        argv = [
            "bwrap", "--unshare-all", "--die-with-parent", "--uid", "1500", "--gid", "1500", "--bind", str(self.root), "/",
            "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin",
            "--setenv", "HOME", "/builddir", "--", "rpmbuild", "--rebuild", "--define", "_topdir /builddir/build",
            "--define", "dist .el9", f"/builddir/{srpm.name}",
        ]  # fmt: skip
        started = time.perf_counter()
        subprocess.run(argv, check=True, capture_output=True)
        return time.perf_counter() - started

    def mock(self, srpm: Path) -> float:
        """Seconds of the real mock with a warm root cache, on the same repository."""
        text = subprocess.run(
            [CHECKOUT / ".venv/bin/buildfarm", "mock-config", "reef-9"], check=True, capture_output=True, text=True,
            env={**os.environ, "BUILDFARM_HOME": str(self.home), "BUILDFARM_CONFIG": str(self.home / "farm.yaml")},
        ).stdout  # fmt: skip
        file = self.work / "bench.cfg"
        file.write_text(text + "\nconfig_opts['isolation'] = 'simple'\n", encoding="utf-8")
        result = self.work / "mock-result"
        result.mkdir(exist_ok=True)
        result.chmod(0o777)  # mock writes it as an ordinary user
        argv = ["mock", "-r", str(file), "--rebuild", str(srpm), "--resultdir", str(result), "--quiet"]
        started = time.perf_counter()
        subprocess.run(argv, check=True, capture_output=True, env={**os.environ, **_mock_user()})
        return time.perf_counter() - started


def _mock_user() -> dict[str, str]:
    """mock refuses root unless sudo's variables name an ordinary user of its group."""
    if os.geteuid() != 0:
        return {}
    members = grp.getgrnam("mock").gr_mem
    user = pwd.getpwnam(members[0])
    return {"SUDO_UID": str(user.pw_uid), "SUDO_GID": str(user.pw_gid)}


def farm_seconds(farm: Farm, srpm: Path) -> tuple[float, Json]:
    """Seconds from POST to published, as an outsider sees it through the API, and the build."""
    started = time.perf_counter()
    drop = farm.post("/drops", {"target": "reef-9", "srpms": [{"path": str(srpm)}]})["id"]
    while True:
        builds = farm.get(f"/drops/{drop}")["builds"]
        if builds and builds[0]["state"] == "published":
            return time.perf_counter() - started, builds[0]
        if builds and builds[0]["state"] in ("failed", "on_hold"):
            raise RuntimeError(f"{builds[0]['nvr']}: {builds[0]['why']}")
        time.sleep(_POLL_SECONDS)


def run(runs: int) -> None:
    """Measure and print."""
    with bench() as measured, Farm(measured.home) as farm:
        with_mock = shutil.which("mock") is not None
        warm = measured.srpm(1)
        farm_seconds(farm, warm)
        farm_seconds(farm, measured.srpm(2))
        measured.bare(warm)
        times: dict[str, list[float]] = {"farm, POST to published": [], "bare rpmbuild --rebuild": []}
        columns: dict[str, Callable[[Path], float]] = {"bare rpmbuild --rebuild": measured.bare}
        if with_mock:
            try:
                measured.mock(warm)
                times["mock --rebuild, warm"] = []
                columns["mock --rebuild, warm"] = measured.mock
            except subprocess.CalledProcessError as error:
                print(f"mock is left out: it ended with {error.returncode}: {error.stderr[-300:]!r}")
        last: Json = {}
        for number in range(runs):
            srpm = measured.srpm(number + 3)
            seconds, last = farm_seconds(farm, srpm)
            times["farm, POST to published"].append(seconds)
            for name, measure in columns.items():
                times[name].append(measure(srpm))
        report(times)
        stages(farm.get(f"/builds/{last['id']}"))


def report(times: dict[str, list[float]]) -> None:
    """The table and the ratios."""
    print(f"build_overhead: a one-file C source, {len(next(iter(times.values())))} runs in turn")
    for name, seconds in times.items():
        print(f"  {name:<26} median {statistics.median(seconds):6.2f} s   {min(seconds):.2f} to {max(seconds):.2f}")
    farm, bare = times["farm, POST to published"], times["bare rpmbuild --rebuild"]
    over = statistics.median(a - b for a, b in zip(farm, bare, strict=True))
    print(f"  farm over bare: {over:.2f} s (goal {GOAL_SECONDS} s)")
    print(f"  ratio farm / bare: {statistics.median(a / b for a, b in zip(farm, bare, strict=True)):.2f}")
    if mock := times.get("mock --rebuild, warm"):
        print(f"  ratio farm / mock: {statistics.median(a / b for a, b in zip(farm, mock, strict=True)):.2f}")
        print(f"  mock over bare: {statistics.median(a - b for a, b in zip(mock, bare, strict=True)):.2f} s")


def stages(build: Json) -> None:
    """Where the last run's time went."""
    print("  the last run, task by task:")
    for task in build["tasks"]:
        print(f"    {task['kind']:<8} {task['seconds'] or 0:.2f} s")
    print("  state by state:")
    for state in build["states"]:
        print(f"    {state['at']}  {state['state']}")


@contextmanager
def bench() -> Iterator[Bench]:
    """A bench in a folder that goes away (not under /tmp: mock's user has to enter it)."""
    folder = Path(tempfile.mkdtemp(prefix="buildfarm-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield Bench(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
