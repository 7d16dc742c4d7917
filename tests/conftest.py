"""What all tests share: where the real data and the demo's world are, and what this machine can do."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer

from demo.drive import make_world
from tests.spreading import ByFarm

CHECKOUT = Path(__file__).resolve().parents[1]

# The same examples in every run: whoever changed nothing sees no test fail.
# BUILDFARM_HYPOTHESIS=search looks for new ones.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("search", settings.get_profile("default"))
settings.load_profile(os.environ.get("BUILDFARM_HYPOTHESIS", "repeatable"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFarm:
    """Which tests go to one process together."""
    return ByFarm(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot do, each with its reason."""
    reasons = {
        "corpus": ""
        if os.environ.get("BUILDFARM_CORPUS")
        else "BUILDFARM_CORPUS does not name the folder of real RPMs",
        "mock": "" if shutil.which("mock") else "no `mock` command on this machine",
        "root": "" if os.geteuid() == 0 else "needs root (overlayfs, dnf --installroot)",
        "kvm": _why_no_guests(),
        "browser": "" if shutil.which("chromium") else "no chromium on this machine",
    }
    for item in items:
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def _why_no_guests() -> str:
    programs = ("qemu-system-x86_64", "libvirtd", "virsh", "socat", "tini", "mkfs.ext4", "cpio")
    missing = [
        name
        for name in programs
        if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    ]
    if missing:
        return f"guests need {', '.join(missing)} (./farm guests-setup)"
    return (
        ""
        if importlib.util.find_spec("libvirt")
        else "libvirt's Python bindings are not installed (./farm guests-setup)"
    )


@pytest.fixture(scope="session")
def world() -> Path:
    """The demo's world: BUILDFARM_WORLD, else var/demo/world, made if it is not there."""
    if os.geteuid() != 0:
        pytest.skip("not root: the world's build machine is filled by dnf --installroot")
    folder = Path(os.environ.get("BUILDFARM_WORLD") or CHECKOUT / "var" / "demo" / "world")
    make_world(folder, CHECKOUT)
    return folder
