"""The cost of a pristine machine for each build: from start to first task, and for a whole build.

The floors are QEMU booting the same image only to switch it off, with the same accelerator, and the
same SRPM rebuilt bare on the host. Measured elsewhere with emulation: 8.5 to 16 s from start to
first task; 1.5 s if a warmed machine is restored, which the farm does not do yet.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.build_overhead import Bench, bench
from demo.drive import GUEST, DemoFailed, Farm

_LIMIT_SECONDS = 900.0
_POLL_SECONDS = 0.2


def run(runs: int) -> None:
    """Print the table. :raises DemoFailed: a guest did not build."""
    with bench(guests=1) as measured:
        with Farm(measured.home) as farm:
            farm.build_image(GUEST)
            built = [_build(farm, measured.srpm()) for _ in range(runs)]
        _print(measured, built, runs)


def _print(measured: Bench, built: list[dict[str, Any]], runs: int) -> None:
    """Print the table; the floors are measured when no guest runs any more."""
    accelerator = str(built[0]["host"]["accelerator"])
    times = {
        "boot": [
            _seconds_between(_started(measured.home, task["worker"]), task["started"])
            for task in built
        ],
        "task": [float(task["seconds"]) for task in built],
        "floor": [_bare_boot(measured.home, accelerator) for _ in range(runs)],
        "bare": [measured.bare(measured.srpm()) for _ in range(runs)],
    }
    boot, task, floor, bare = (
        statistics.median(times[name]) for name in ("boot", "task", "floor", "bare")
    )
    print(f"\nguests, medians of {runs} ({accelerator})")
    print(
        f"  machine's start to its first task, cold   {boot:7.2f} s   {boot / floor:5.1f} x a bare "
        "boot of the image"
    )
    print(f"  the image booted and switched off         {floor:7.2f} s")
    print(
        f"  the task in the guest                     {task:7.2f} s   {task / bare:5.1f} x bare on "
        "the host"
    )
    print(f"  rpmbuild --rebuild on the host            {bare:7.2f} s")


def _build(farm: Farm, srpm: Path) -> dict[str, Any]:
    """Send one SRPM and wait for the end of its build task."""
    drop = farm.post("/drops", {"target": "reef-9", "srpms": [{"path": str(srpm)}]})["id"]
    deadline = time.monotonic() + _LIMIT_SECONDS
    while time.monotonic() < deadline:
        for build in farm.get(f"/drops/{drop}")["builds"]:
            if build["state"] in ("failed", "on_hold"):
                raise DemoFailed(f"{build['nvr']}: {build['state']}: {build.get('why')}")
            for task in farm.get(f"/builds/{build['id']}")["tasks"]:
                if task["kind"] == "build" and task["state"] == "CLOSED":
                    return dict(task)
        time.sleep(_POLL_SECONDS)
    raise DemoFailed(f"{srpm.name} was not built in {_LIMIT_SECONDS:.0f} s")


def _started(home: Path, guest: str) -> str:
    """Return the time at which the pool logged this machine's start."""
    for line in (home / "logs" / "guests.log").read_text(encoding="utf-8").splitlines():
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("event") == "guest.started" and said.get("guest") == guest:
            return str(said["timestamp"])
    raise DemoFailed(f"the pool's log does not tell when {guest} was started")


def _seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _bare_boot(home: Path, accelerator: str) -> float:
    """Return the seconds of QEMU with the image and no identity: it boots and switches itself
    off.
    """
    place = next((home / "guests" / "images" / GUEST).glob("current"), None) or _elsewhere(home)
    manifest = json.loads((place / "image.json").read_text(encoding="utf-8"))
    started = time.perf_counter()
    subprocess.run(
        [
            "qemu-system-x86_64", "-accel", accelerator, "-cpu", "max", "-machine", "q35", "-m",
            "1024", "-smp", "2", "-display", "none", "-no-reboot", "-kernel", place / "vmlinuz",
            "-initrd", place / "initramfs.img", "-append", manifest["append"], "-drive",
            f"file={place / 'disk.img'},format=raw,if=virtio,snapshot=on",
        ],
        check=True,
        capture_output=True,
        timeout=_LIMIT_SECONDS,
    )  # fmt: skip
    return time.perf_counter() - started


def _elsewhere(home: Path) -> Path:
    """Return the folder of the guests, from host.yaml, if QEMU's user cannot read the home."""
    for line in (home / "host.yaml").read_text(encoding="utf-8").splitlines():
        if line.startswith("folder: "):
            return Path(line.removeprefix("folder: ")) / "images" / GUEST / "current"
    raise DemoFailed(f"{home / 'host.yaml'} names no folder")
