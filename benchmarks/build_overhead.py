"""The farm's overhead over a bare rebuild of a one-file C source, from POST to published.

The peer is ``rpmbuild --rebuild``, in a buildroot filled from the same seed, run in turn, and the
real mock (warm root cache) where it is installed. The farm is a real one with its own home, target,
port and keys, removed at the end. The goal is 1.5 s over the bare rebuild; mock takes 5.5 s over
it.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import yaml

from benchmarks.timeline import Way, table, way_of
from demo.drive import DemoFailed, Farm, make_world, prepare_home, say
from demo.world import vendor

CHECKOUT = Path(__file__).resolve().parents[1]
GOAL_SECONDS = 1.5
MOCK_OVER_SECONDS = 5.5
FARM, BARE, MOCK = "farm: POST to published", "bare: rpmbuild --rebuild", "mock --rebuild, warm"
_TARGET = "reef-9"
_POLL_SECONDS = 0.02
_LIMIT_SECONDS = 300.0
_BUILDER = 1500
_HELLO = '#include <stdio.h>\n\nint main(void)\n{\n    puts("hello");\n    return 0;\n}\n'
_SPEC = """\
Name:           hello
Version:        {version}
Release:        1%{{?dist}}
Summary:        A one-file C source
License:        MIT
Source0:        hello.c
BuildRequires:  gcc

%description
A one-file C source.

%prep
%setup -q -c -T
cp -p %{{SOURCE0}} .

%build
gcc %{{build_cflags}} -o hello hello.c %{{build_ldflags}}

%install
install -D -m 755 hello %{{buildroot}}%{{_bindir}}/hello

%files
%{{_bindir}}/hello

%changelog
* Mon Jan 05 2026 Bench <bench@vendor.example> - {version}-1
- Made
"""


class Bench:
    """A farm's home, a root for the bare rebuild, a mock configuration, and a vendor with a trusted
    key.
    """

    def __init__(self, work: Path, seed: Path, *, guests: int = 0) -> None:
        self._guests = guests
        self.work = work
        self.home = work / "home"
        self._seed = seed
        self._made = 0
        self._gnupg = work / "gnupg"
        self._key = vendor.make_key(self._gnupg, "Bench", "bench@vendor.example")
        (work / "key").write_text(vendor.export_key(self._gnupg), encoding="ascii")
        prepare_home(self.home, CHECKOUT, guests=guests)
        self._packages = self._configure()
        self._root = work / "root"
        self._fill_root()

    def close(self) -> None:
        """End the agent that gpg 2 leaves behind."""
        subprocess.run(
            ["gpgconf", "--homedir", self._gnupg, "--kill", "all"], check=False, capture_output=True
        )

    def _configure(self) -> list[str]:
        """Write the demo's farm and target with the bench's changes; return a buildroot's
        packages.
        """
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            listen = f"127.0.0.1:{probe.getsockname()[1]}"
        file = self.home / "farm.yaml"
        farm = yaml.safe_load(file.read_text(encoding="utf-8"))
        farm |= {
            "listen": listen,
            "local_workers": 0 if self._guests else 1,
            "drop_folders": [str(self.work / "drops")],
        }
        file.write_text(yaml.safe_dump(farm), encoding="utf-8")
        (self.work / "drops").mkdir()
        file = self.home / "targets" / f"{_TARGET}.yaml"
        target = yaml.safe_load(file.read_text(encoding="utf-8"))
        target |= {
            "upstream": {"vendor": "Bench", "keys": [str(self.work / "key")]},
            "external": [{"id": "seed", "path": str(self._seed), "priority": 90}],
            # There are no vendor binaries, and it has to be published.
            "gate": {"uncompared": True},
        }
        file.write_text(yaml.safe_dump(target), encoding="utf-8")
        packages: list[str] = target["buildroot"]["packages"]
        return packages

    def _fill_root(self) -> None:
        vendor.dnf_install(self._root, self.work / "dnf", {"seed": self._seed}, self._packages)
        with (self._root / "etc/passwd").open("a", encoding="ascii") as passwd:
            passwd.write(f"bench:x:{_BUILDER}:{_BUILDER}::/builddir:/bin/bash\n")
        (self._root / "builddir").mkdir()

    def srpm(self) -> Path:
        """Return a new signed SRPM; each has a version of its own."""
        self._made += 1
        top = self.work / "make"
        (top / "SOURCES").mkdir(parents=True, exist_ok=True)
        (top / "SOURCES/hello.c").write_text(_HELLO, encoding="ascii")
        spec = top / "hello.spec"
        spec.write_text(_SPEC.format(version=self._made), encoding="ascii")
        argv = [
            "rpmbuild",
            "-bs",
            "--nodeps",
            "--define",
            f"_topdir {top}",
            "--define",
            "dist .el9",
            str(spec),
        ]
        subprocess.run(argv, check=True, capture_output=True)
        made = next((top / "SRPMS").glob("*.src.rpm"))
        vendor.sign(self._gnupg, self._key, [made])
        return Path(shutil.move(made, self.work / "drops"))

    def bare(self, srpm: Path) -> float:
        """Return the seconds of ``rpmbuild --rebuild`` in an existing root, unprivileged and
        offline.
        """
        shutil.copy(srpm, self._root / "builddir")
        argv = [
            "bwrap", "--unshare-all", "--die-with-parent", "--uid", str(_BUILDER), "--gid",
            str(_BUILDER), "--bind", str(self._root), "/", "--proc", "/proc", "--dev", "/dev",
            "--tmpfs", "/tmp", "--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin",
            "--setenv", "HOME", "/builddir", "--setenv", "LC_ALL", "C.UTF-8", "--chdir",
            "/builddir", "--", "rpmbuild", "--rebuild", "--define", "_topdir /builddir/build",
            "--define", "dist .el9", srpm.name,
        ]  # fmt: skip
        return _seconds_of(argv)

    def configure_mock(self, farm: Farm) -> None:
        """Write the output of ``buildfarm mock-config``, with file:// URLs and mock's folders in
        ours.

        The build tag is pinned to the current generation, so that mock need not read a new one in
        each run.
        """
        text = subprocess.run(
            [Path(sys.prefix) / "bin" / "buildfarm", "mock-config", _TARGET],
            check=True,
            capture_output=True,
            env={
                **os.environ,
                "BUILDFARM_HOME": str(self.home),
                "BUILDFARM_CONFIG": str(self.home / "farm.yaml"),
            },
        ).stdout.decode()
        repos = self.home / "repos"
        tag = f"{_TARGET}-build"
        text = text.replace(f"{farm.url}/repos/external/{_TARGET}/seed", self._seed.as_uri())
        text = text.replace(
            f"/repos/{tag}/current/", f"/repos/{tag}/{(repos / tag / 'current').readlink()}/"
        )
        text = text.replace(f"{farm.url}/repos", repos.as_uri())
        for option, name in (("basedir", "mock"), ("cache_topdir", "mock-cache")):
            place = self.work / name
            place.mkdir()
            _give_to_mock(place)
            text += f"config_opts[{option!r}] = {str(place)!r}\n"
        # systemd-nspawn needs a systemd, which a container does not have.
        text += "config_opts['isolation'] = 'simple'\n"
        (self.work / "bench.cfg").write_text(text, encoding="utf-8")
        (self.work / "mock-result").mkdir()
        _give_to_mock(self.work / "mock-result")

    def mock(self, srpm: Path) -> float:
        """Return the seconds of ``mock --rebuild``."""
        argv = ["mock", "-r", str(self.work / "bench.cfg"), "--rebuild", str(srpm), "--resultdir",
                str(self.work / "mock-result"), "--quiet"]  # fmt: skip
        return _seconds_of(argv, {**os.environ, **_mock_user()})


def _seconds_of(argv: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    started = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True, timeout=_LIMIT_SECONDS, env=env)
    return time.perf_counter() - started


def _mock_user() -> dict[str, str]:
    """Return sudo's variables for an ordinary user of mock's group: mock refuses root without
    them.
    """
    user = _mock_member()
    return {"SUDO_UID": str(user.pw_uid), "SUDO_GID": str(user.pw_gid)} if user is not None else {}


def _mock_member() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(grp.getgrnam("mock").gr_mem[0])
    except (KeyError, IndexError):
        return None


def _give_to_mock(folder: Path) -> None:
    """Change the owner to the ordinary user, as whom mock makes its folders and results."""
    folder.chmod(0o2775)
    if (user := _mock_member()) is not None:
        os.chown(folder, user.pw_uid, grp.getgrnam("mock").gr_gid)


def farm_way(farm: Farm, srpm: Path) -> Way:
    """Measure from POST to ``published``, through the API.

    :raises DemoFailed: it is not published.
    """
    zero, started = datetime.now(UTC), time.perf_counter()
    drop = farm.post("/drops", {"target": _TARGET, "srpms": [{"path": str(srpm)}]})["id"]
    while time.perf_counter() - started < _LIMIT_SECONDS:
        builds = farm.get(f"/drops/{drop}")["builds"]
        state = builds[0]["state"] if builds else ""
        if state == "published":
            total = time.perf_counter() - started
            _settle(farm)
            states = farm.get(f"/builds/{builds[0]['id']}")["states"]
            return way_of(farm.get("/tasks", limit="50")["tasks"], states, zero=zero, total=total)
        if state in ("failed", "on_hold", "excluded", "canceled"):
            raise DemoFailed(f"{builds[0]['nvr']} is {state}: {builds[0]['why']}")
        time.sleep(_POLL_SECONDS)
    raise DemoFailed(
        f"{srpm.name} is not published after {_LIMIT_SECONDS:.0f} s; see {farm.home / 'logs'}"
    )


def _settle(farm: Farm) -> None:
    """Wait until no work is left, so that one measurement does not affect the next."""
    deadline = time.monotonic() + _LIMIT_SECONDS
    while farm.get("/tasks", active="1")["tasks"]:
        if time.monotonic() > deadline:
            raise DemoFailed("tasks of a published drop do not end")
        time.sleep(0.1)


def _warm_mock(measured: Bench, farm: Farm, srpm: Path) -> bool:
    """Check for a working mock, and fill its root cache."""
    if shutil.which("mock") is None:
        say("no mock command on this machine: its column is left out")
        return False
    say("filling mock's root cache")
    measured.configure_mock(farm)
    try:
        measured.mock(srpm)
        measured.mock(srpm)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip()[-500:]
        say(f"mock is left out, it ended with {error.returncode}: {said}")
        return False
    return True


def run(runs: int) -> None:
    """Measure and print.

    :raises DemoFailed: a build was not published, or the farm does not start.
    :raises subprocess.CalledProcessError: a peer failed.
    """
    with bench() as measured, Farm(measured.home) as farm:
        say("warming up")
        warm = measured.srpm()
        farm_way(farm, warm)
        measured.bare(warm)
        peers = {BARE: measured.bare}
        if _warm_mock(measured, farm, warm):
            peers[MOCK] = measured.mock
        times: dict[str, list[float]] = {name: [] for name in (FARM, *peers)}
        ways = []
        for number in range(1, runs + 1):
            srpm = measured.srpm()
            ways.append(farm_way(farm, srpm))
            times[FARM].append(ways[-1].total)
            for name, measure in peers.items():
                times[name].append(measure(srpm))
            taken = ", ".join(f"{name} {seconds[-1]:.2f} s" for name, seconds in times.items())
            say(f"run {number} of {runs}: {taken}")
    print("\n".join([*report(times), "", "Where the time goes:", *table(ways)]))


def report(times: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the table: seconds, and differences and ratios within each turn."""
    machine = f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    lines = [
        f"build_overhead: a one-file C source, {len(times[FARM])} runs in turn ({machine})",
        f"  {'seconds':<28}{'median':>8}{'min':>8}{'max':>8}",
    ]
    lines += [f"  {name:<28}{_three(seconds)}" for name, seconds in times.items()]
    lines += [
        f"  {'farm - bare':<28}{_three(_over(times[FARM], times[BARE]))}   goal {GOAL_SECONDS} s"
    ]
    if mock := times.get(MOCK):
        over = _three(_over(mock, times[BARE]))
        lines += [f"  {'mock - bare':<28}{over}   expected {MOCK_OVER_SECONDS} s"]
    lines += [f"  {'farm / bare':<28}{_three(_ratio(times[FARM], times[BARE]))}"]
    if mock:
        lines += [f"  {'farm / mock':<28}{_three(_ratio(times[FARM], mock))}"]
    return lines


def _over(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def _three(values: Sequence[float]) -> str:
    return "".join(
        f"{value:8.2f}" for value in (statistics.median(values), min(values), max(values))
    )


@contextmanager
def bench(*, guests: int = 0) -> Iterator[Bench]:
    """Yield a bench in a temporary folder (not in /tmp, which may be small; mock's user must enter
    it).

    Its farm has a worker beside the hub, or the given number of guests.
    """
    world = Path(
        os.environ.get("BUILDFARM_WORLD") or CHECKOUT / "var" / "demo" / "world"
    ).absolute()
    needed = ("seed", "machine") if guests else ("seed",)
    if not all((world / name / "repodata/repomd.xml").exists() for name in needed):
        make_world(world, CHECKOUT, machine=bool(guests))
    work = Path(tempfile.mkdtemp(prefix="buildfarm-bench-", dir="/var/tmp"))
    work.chmod(0o755)
    say(f"making a farm's home and a buildroot in {work}")
    try:
        measured = Bench(work, world / "seed", guests=guests)
        (measured.home / "world").symlink_to(world)
        try:
            yield measured
        finally:
            measured.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)
