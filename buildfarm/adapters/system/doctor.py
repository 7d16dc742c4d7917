"""Check what this machine can do, by doing it, for ``buildfarm doctor``."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.system import process, sandbox
from buildfarm.errors import BuildFarmError, ToolFailed

_KVM_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One ability: whether it is there, the evidence, its users, and the remedy for a gap."""

    name: str
    ok: bool
    seen: str
    needed_for: str
    remedy: str = ""
    required: bool = False


Check = Callable[[], Fact]


def _fact(
    name: str, needed_for: str, remedy: str, *, required: bool, probe: Callable[[], str]
) -> Fact:
    try:
        seen = probe()
    except (BuildFarmError, ImportError, OSError) as error:
        reason = (
            error.output.splitlines()[-1]
            if isinstance(error, ToolFailed) and error.output
            else str(error)
        )
        return Fact(
            name=name,
            ok=False,
            seen=reason[:200],
            needed_for=needed_for,
            remedy=remedy,
            required=required,
        )
    return Fact(name=name, ok=True, seen=seen, needed_for=needed_for, required=required)


def _version_of(*argv: str) -> Callable[[], str]:
    def probe() -> str:
        done = process.run(argv, timeout=30)
        return (done.text or done.error_text).splitlines()[0]

    return probe


def _module(name: str) -> Callable[[], str]:
    def probe() -> str:
        module = importlib.import_module(name)
        return str(getattr(module, "__version__", getattr(module, "VERSION", "importable")))

    return probe


def _overlay() -> str:
    """Mount an overlay, in a mount namespace of its own that ends with the probe."""
    with tempfile.TemporaryDirectory() as folder:
        parts = {name: Path(folder) / name for name in ("lower", "upper", "work", "merged")}
        for part in parts.values():
            part.mkdir()
        options = f"lowerdir={parts['lower']},upperdir={parts['upper']},workdir={parts['work']}"
        process.run(
            [
                "unshare",
                "--mount",
                "mount",
                "-t",
                "overlay",
                "overlay",
                "-o",
                options,
                parts["merged"],
            ],
            timeout=10,
        )
    return "an overlay was mounted"


def _cgroups() -> str:
    v2 = Path("/sys/fs/cgroup/cgroup.controllers")
    unified = v2.read_text(encoding="ascii").split() if v2.exists() else []
    v1 = [
        name for name in ("memory", "pids", "cpu") if Path(f"/sys/fs/cgroup/{name}/tasks").exists()
    ]
    missing = [name for name in ("memory", "pids") if name not in {*unified, *v1}]
    if missing:
        raise FileNotFoundError(
            f"no controller for {', '.join(missing)}; limits fall back to prlimit"
        )
    return f"v2: {' '.join(unified) or 'none'}; v1: {' '.join(v1) or 'none'}"


def _kvm() -> str:
    """Run code in KVM, because some hosts offer /dev/kvm and hang in it."""
    if not Path("/dev/kvm").exists():
        raise FileNotFoundError("no /dev/kvm")
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    if "svm" not in flags and "vmx" not in flags:
        raise FileNotFoundError(
            "/dev/kvm is there, the processor offers neither svm nor vmx: guests would hang"
        )
    return "/dev/kvm with svm or vmx (whether it runs guests is probed when a guest starts)"


def _sandbox() -> str:
    return sandbox.run(["id", "-u"], timeout=10).text.strip() + " inside"


def _root() -> str:
    if os.geteuid() != 0:
        raise PermissionError("not root")
    return "root"


def facts() -> list[Fact]:
    """Return all facts, in the order in which a person would fix them."""
    install = "run ./farm doctor as root once: it installs the system packages"
    return [
        _fact("rpm bindings", "everything", install, required=True, probe=_module("rpm")),
        _fact(
            "rpmbuild", "tests, demo", install, required=False,
            probe=_version_of("rpmbuild", "--version"),
        ),
        _fact(
            "rpmsign", "the signer", install, required=True,
            probe=_version_of("rpmsign", "--version"),
        ),
        _fact("gpg", "the signer", install, required=True, probe=_version_of("gpg", "--version")),
        _fact(
            "dnf", "the chroot builder", install, required=True,
            probe=_version_of("dnf", "--version"),
        ),
        _fact(
            "createrepo_c", "publish", "reinstall .venv", required=True,
            probe=_module("createrepo_c"),
        ),
        _fact("libsolv", "plan", "reinstall .venv", required=True, probe=_module("solv")),
        _fact(
            "sandbox", "everything that reads a vendor's file",
            "install bubblewrap; allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)",
            required=True, probe=_sandbox,
        ),
        _fact(
            "redis-server", "an embedded farm", install, required=False,
            probe=_version_of("redis-server", "--version"),
        ),
        _fact(
            "root", "the chroot builder", "run the worker as root, or build in guests",
            required=False, probe=_root,
        ),
        _fact(
            "overlayfs", "the chroot builder", "load the overlay module", required=False,
            probe=_overlay,
        ),
        _fact(
            "cgroups", "limits on memory and processes", "delegate memory and pids", required=False,
            probe=_cgroups,
        ),
        _fact(
            "mock", "the mock builder", "install mock on the worker (EL: epel-release, then mock)",
            required=False, probe=_version_of("mock", "--version"),
        ),
        _fact(
            "KVM", "fast guests", "without it guests run under TCG, 10 to 13 times slower",
            required=False, probe=_kvm,
        ),
        _fact(
            "libvirt", "guests", "install libvirt-daemon-system and qemu-system-x86",
            required=False, probe=_version_of("virsh", "--version"),
        ),
    ]  # fmt: skip


def disk(path: Path) -> Fact:
    """Return the free space for the farm's data."""
    free = shutil.disk_usage(path).free
    enough = 5 * 1024**3
    return Fact(
        name="disk", ok=free > enough, seen=f"{free / 1024**3:.1f} GiB free at {path}",
        needed_for="everything", remedy="free at least 5 GiB or set BUILDFARM_HOME elsewhere",
        required=True,
    )  # fmt: skip
