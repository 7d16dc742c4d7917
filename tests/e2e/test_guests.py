"""Builds in real guests: a machine boots, its worker takes one task, and the machine is gone,
whatever happened to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import yaml
from buildfarm_workers.guests.image import image
from buildfarm_workers.guests.machine.hub_client import GuestHubClient

from buildfarm import wire
from buildfarm.adapters.system.hypervisor import Hypervisor
from buildfarm.errors import InputError
from demo.drive import GUEST, Farm, make_world
from tests.conftest import CHECKOUT
from tests.e2e.conftest import MakeHome, Signed
from tests.e2e.test_kill import in_state, until

pytestmark = [pytest.mark.world, pytest.mark.root, pytest.mark.kvm, pytest.mark.timeout(1500)]

SLOW = 900.0
"""Seconds: where only emulation runs, a build takes ten times as long."""
FILES = "%install\nmkdir -p %{buildroot}/usr/share/x\necho x > %{buildroot}/usr/share/x/%{name}\n%files\n/usr/share/x"
PROBE = """%build
echo "boot_id=$(cat /proc/sys/kernel/random/boot_id)"
reach() {{
    if timeout 10 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null; then echo "reach $1: yes"; else echo "reach $1: no"; fi
}}
reach hub 10.0.2.101 {hub}
reach redis 10.0.2.100 6379
reach loopback-of-the-host 10.0.2.2 {secret}
reach another-port-of-the-hub 10.0.2.101 {secret}
reach another-port-of-redis 10.0.2.100 {secret}
reach name-server 10.0.2.3 53
reach outside 192.0.2.1 80
reach other-guest 10.0.2.16 22
"""


@pytest.fixture(scope="module")
def home(
    make_home: MakeHome, world: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Signed]:
    make_world(world, CHECKOUT, machine=True)
    vendor = Signed(tmp_path_factory.mktemp("guest-vendor") / "v")
    upstream = {
        "vendor": "Test",
        "keys": [str(vendor.public), str(world / "vendor" / "RPM-GPG-KEY-pnaelv")],
    }
    return (
        make_home(
            "guests",
            workers=0,
            guests=2,
            lease=40.0,
            target={"upstream": upstream, "gate": {"uncompared": True}},
        ),
        vendor,
    )


@pytest.fixture(scope="module")
def farm(home: tuple[Path, Signed]) -> Iterator[Farm]:
    with Farm(home[0]) as running:
        running.build_image(GUEST)
        yield running
    assert not machines(home[0]), "the farm ended and left a machine"


def host_config(home: Path) -> dict[str, Any]:
    found = yaml.safe_load((home / "host.yaml").read_text())
    assert isinstance(found, dict)
    return found


def machines(home: Path) -> set[str]:
    """QEMU processes of this farm, by the name of their guest."""
    folder = str(host_config(home)["folder"])
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            text = entry.read_bytes().decode("utf-8", "replace")
            if (
                text.startswith("/usr/bin/qemu-system")
                and folder in text
                and (match := re.search(r"guest=([^,\0]+)", text))
            ):
                found.add(f"{match[1]} {entry.parent.name}")
    return found


def send(farm: Farm, *files: Path) -> str:
    srpms = [{"path": str(file)} for file in files if file.name.endswith(".src.rpm")]
    binaries = [{"path": str(file)} for file in files if not file.name.endswith(".src.rpm")]
    return str(
        farm.post("/drops", {"target": "reef-9", "srpms": srpms, "binaries": binaries})["id"]
    )


def builder_tasks(farm: Farm, build: str) -> list[dict[str, Any]]:
    return [
        task for task in farm.get(f"/builds/{build}")["tasks"] if task["kind"] in ("build", "srpm")
    ]


def wait_published(farm: Farm, drop: str) -> list[dict[str, Any]]:
    def rest() -> list[dict[str, Any]] | None:
        builds = farm.get(f"/drops/{drop}")["builds"]
        ended = builds and all(
            build["state"] in ("published", "failed", "on_hold") for build in builds
        )
        return builds if ended else None

    builds: list[dict[str, Any]] = until(rest, seconds=SLOW)
    assert {build["state"] for build in builds} == {"published"}, [
        (b["nvr"], b["state"], b.get("why")) for b in builds
    ]
    return builds


def test_small_sources_of_the_demo_are_built_in_guests_as_on_the_host(
    farm: Farm, home: tuple[Path, Signed], world: Path, tmp_path: Path
) -> None:
    names = ("tree", "micro-httpd")
    files = [
        path
        for kind in ("SRPMS", "RPMS")
        for name in names
        for path in (world / "vendor" / kind).glob(f"{name}-*.rpm")
    ]
    builds = wait_published(farm, send(farm, *files))
    assert {build["source"]: build["verdict"] for build in builds} == {
        "tree": "EQUIVALENT",
        "micro-httpd": "EXPECTED",
    }
    used = [task["worker"] for build in builds for task in builder_tasks(farm, build["id"])]
    assert len(used) == len(set(used)) == 3, (
        "every task has a guest of its own: two builds and a debranded SRPM"
    )
    build = next(build for build in builds if build["source"] == "tree")
    on_host = build_on_host(world, tmp_path, world / "vendor" / "SRPMS" / f"{build['nvr']}.src.rpm")
    in_guest = tmp_path / "guest"
    in_guest.mkdir()
    for rpm in (home[0] / "repos" / "reef-9" / "current").glob("*/Packages/*/tree-*.x86_64.rpm"):
        (in_guest / rpm.name).symlink_to(rpm.resolve())
    said = subprocess.run(
        [Path(sys.prefix) / "bin" / "buildfarm", "compare", on_host, in_guest, "--json"],
        capture_output=True,
        check=False,
    )
    report = json.loads(said.stdout)
    assert report["pairs"]
    assert report["verdict"] in ("IDENTICAL", "EQUIVALENT"), report


def build_on_host(world: Path, tmp_path: Path, srpm: Path) -> Path:
    """The same SRPM through the same builder beside the hub, from the seed alone."""
    target = yaml.safe_load((CHECKOUT / "configs" / "demo" / "targets" / "reef-9.yaml").read_text())
    seed = wire.Repository(id="seed", baseurl=(world / "seed").as_uri(), priority=90)
    order = wire.WorkOrder(
        task="by-hand", kind="build", build="by-hand", target="reef-9", nvr=srpm.name.removesuffix(".src.rpm"), arch="x86_64",
        payload=wire.BlobRef(sha256="0" * 64, filename=srpm.name, size=srpm.stat().st_size),
        buildroot=wire.Buildroot(
            key="by-hand", generation="", packages=tuple(target["buildroot"]["packages"]), repositories=(seed,)
        ),
        macros={"dist": ".el9_4", "vendor": "Reef", "packager": "Reef Build System"},
    )  # fmt: skip
    file, result = tmp_path / "order.json", tmp_path / "host"
    file.write_text(order.model_dump_json())
    worker = Path(sys.prefix) / "bin" / "buildfarm-worker"
    argv = [
        worker,
        "build",
        file,
        "--payload",
        srpm,
        "--result",
        result,
        "--workdir",
        tmp_path / "work",
    ]
    subprocess.run(argv, check=True, capture_output=True)
    return result


def test_a_guest_reaches_redis_and_the_hub_and_nothing_else(
    farm: Farm, home: tuple[Path, Signed]
) -> None:
    knocks: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as secret:
        port = secret.getsockname()[1]
        threading.Thread(target=_count, args=(secret, knocks), daemon=True).start()
        with socket.create_connection(("127.0.0.1", port)):
            until(lambda: knocks)  # the listener does listen: silence below means something
        body = PROBE.format(hub=farm.url.rpartition(":")[2], secret=port) + FILES
        srpm = home[1].srpm("prober", body, into=home[0] / "drops", preamble="BuildArch: noarch")
        override = {
            "target": "reef-9",
            "source": "prober",
            "reason": "it looks at its network",
            "settings": {"network": True},
        }
        farm.post("/overrides", override)
        build = wait_published(farm, send(farm, srpm))[0]
        task = builder_tasks(farm, build["id"])[0]
        log = httpx.get(f"{farm.url}/api/v1/builds/{build['id']}/log", trust_env=False).text
    answers = dict(re.findall(r"^reach ([a-z-]+): (yes|no)$", log, re.MULTILINE))
    assert answers.pop("hub") == "yes"
    assert answers.pop("redis") == "yes"
    assert len(answers) == 6, log
    assert set(answers.values()) == {"no"}, answers
    assert knocks == ["knock"], "a guest came through to the host's loopback"
    inside = re.search(r"^boot_id=(\S+)$", log, re.MULTILINE)
    assert inside
    recorded = task["host"]
    ours = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert recorded["boot_id"] == inside[1] != ours
    made = image.current(Path(host_config(home[0])["folder"]) / "images", GUEST)
    assert (recorded["guest"], recorded["image"], recorded["kvm_host"]) == (
        task["worker"],
        made.digest,
        "local",
    )
    chain = farm.get(f"/builds/{build['id']}")["provenance"]
    assert [link["digest"] for link in chain if link["link"] == "guest"] == [made.digest]


def _count(server: socket.socket, knocks: list[str]) -> None:
    with contextlib.suppress(OSError):
        while True:
            server.accept()[0].close()
            knocks.append("knock")


def test_a_guests_identity_opens_nothing_of_another_and_dies_with_it(
    farm: Farm, home: tuple[Path, Signed]
) -> None:
    config = host_config(home[0])
    desk = GuestHubClient(config["hub_url"], config["token"])
    asked = wire.GuestRequest(image="0" * 64, builder="chroot")
    one, other = desk.admit(asked), desk.admit(asked)
    srpm = home[1].srpm(
        "claimed", "%build\nsleep 5\n" + FILES, into=home[0] / "drops", preamble="BuildArch: noarch"
    )
    drop = send(farm, srpm)
    build = until(lambda: in_state(farm, drop, "queued", "building"), seconds=SLOW)
    task = until(lambda: builder_tasks(farm, build["id"]))[0]
    headers = {"Authorization": f"Bearer {one.token}"}
    claim = f"{farm.url}/worker/v1/tasks/{task['id']}/claim"
    assert (
        httpx.post(claim, json={}, headers=headers, trust_env=False).status_code
        == httpx.codes.CONFLICT
    )
    listing = f"{farm.url}/worker/v1/guests"
    assert (
        httpx.get(listing, headers=headers, trust_env=False).status_code == httpx.codes.UNAUTHORIZED
    ), "no host's token"
    with contextlib.closing(redis.Redis.from_url(one.redis_url)) as mine:
        mine.lpush(f"{one.redis_prefix}q", "x")
        for attempt in (
            lambda: mine.lrange(f"{other.redis_prefix}q", 0, -1),
            lambda: mine.hdel(f"{other.redis_prefix}unacked", "tag"),
            lambda: mine.lpush(f"{other.redis_prefix}reef-9.x86_64.n", "forged"),
            lambda: mine.keys("*"),
            mine.flushall,
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                attempt()
    desk.dismiss(one.name, "the test is over")
    assert (
        httpx.post(claim, json={}, headers=headers, trust_env=False).status_code
        == httpx.codes.UNAUTHORIZED
    )
    refused = (redis.exceptions.AuthenticationError, redis.exceptions.ConnectionError)
    with contextlib.closing(redis.Redis.from_url(one.redis_url)) as late, pytest.raises(refused):
        late.ping()
    desk.dismiss(other.name, "the test is over")
    desk.close()
    wait_published(farm, drop)


def test_a_killed_machine_and_a_killed_pool_cost_a_guest_and_no_build(
    farm: Farm, home: tuple[Path, Signed]
) -> None:
    folder = Path(host_config(home[0])["folder"])
    srpm = home[1].srpm(
        "lasting",
        "%build\nsleep 20\n" + FILES,
        into=home[0] / "drops",
        preamble="BuildArch: noarch",
    )
    drop = send(farm, srpm)
    killed: list[str] = []
    for victim in ("machine", "pool"):
        task = until(lambda: building_now(farm, drop, killed), seconds=SLOW)
        guest = str(task["worker"])
        killed.append(guest)
        if victim == "machine":
            pid = next(one.split()[1] for one in machines(home[0]) if one.split()[0] == guest)
            os.kill(int(pid), signal.SIGKILL)
        else:
            os.kill(int((home[0] / "run" / "guests.pid").read_text()), signal.SIGKILL)
        until(lambda name=guest: is_gone(home[0], folder, name), seconds=SLOW)
    build = wait_published(farm, drop)[0]
    tasks = builder_tasks(farm, build["id"])
    assert [task["state"] for task in tasks] == ["CLOSED"]
    assert tasks[0]["tried"] == killed
    assert tasks[0]["failures"] == len(killed)
    assert tasks[0]["worker"] not in killed
    packages = home[0] / "repos" / "reef-9" / "current" / "source" / "Packages"
    assert len(list(packages.glob("*/lasting-*.src.rpm"))) == 1


def building_now(farm: Farm, drop: str, killed: list[str]) -> dict[str, Any] | None:
    build = in_state(farm, drop, "queued", "building")
    for task in builder_tasks(farm, build["id"]) if build else []:
        if task["state"] == "OPEN" and task["stage"] == "build" and task["worker"] not in killed:
            return task
    return None


def is_gone(home: Path, folder: Path, guest: str) -> bool:
    """Domain, process, overlay, socket, credentials: nothing of it is left."""
    if (
        any(one.split()[0] == guest for one in machines(home))
        or (folder / "running" / guest).exists()
    ):
        return False
    if any(guest in str(path) for path in (folder / "libvirt" / "run").rglob("*")):
        return False
    if any(
        machine.name == guest for machine in Hypervisor(host_config(home)["libvirt"]).machines()
    ):
        return False
    users = (home / "redis" / "users.acl").read_text()
    return f"w-{guest} " not in users


def test_a_killed_libvirt_comes_back_and_an_image_that_was_touched_is_not_booted(
    farm: Farm, home: tuple[Path, Signed]
) -> None:
    folder = Path(host_config(home[0])["folder"])
    made = image.current(folder / "images", GUEST)
    verified = image.Verified()
    verified.check(made)
    kernel = made.path(made.manifest.kernel)
    before = kernel.read_bytes()
    log = home[0] / "logs" / "guests.log"
    kernel.chmod(0o644)
    with kernel.open("r+b") as file:
        file.seek(4096)
        file.write(b"x" + before[4097:4098])
    try:
        with pytest.raises(InputError, match=r"vmlinuz was changed: its SHA-256 is"):
            verified.check(made)
        before_it = until(lambda: machines(home[0]), seconds=SLOW)
        os.kill(
            int((folder / "libvirt" / "run" / "libvirt" / "libvirtd.pid").read_text()),
            signal.SIGKILL,
        )
        until(lambda: not before_it & machines(home[0]), seconds=SLOW)
        until(lambda: "vmlinuz was changed" in log.read_text(), seconds=SLOW)
        until(lambda: not machines(home[0]), seconds=SLOW)
    finally:
        kernel.write_bytes(before)
        kernel.chmod(0o444)
    until(lambda: machines(home[0]), seconds=SLOW)
