"""A libvirtd of the farm's own: unprivileged, its sockets and state in one folder, not in /etc.

It is for one machine without a running libvirt (a container, CI, a laptop). A KVM host of a fleet
uses the system's daemon.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.system import process
from buildfarm.errors import ConfigError, InfraError, ToolFailed

_USERS = ("libvirt-qemu", "qemu")
"""Users of QEMU: Debian's, Fedora's and EL's."""
# The user must be able to reach it, which a home directory may prevent.
_LOCAL_FOLDER = Path("/var/tmp")
_GONE_SECONDS = 10.0
_LONGEST_CONFIG = 107 - len("/libvirt/qemu/lib/domain-1234567-12345678901234567890/monitor.sock")
"""Longest path of libvirt's configuration folder: sun_path (unix(7)) has 108 bytes.

libvirt makes a socket for each machine below it, named by the machine's number and the first 20
characters of its name.
"""
_QEMU_CONF = """\
# Written by the farm at every start.
security_driver = "none"
# QEMU starts one socat for each connection of a guest to the hub (guestfwd with cmd:), which its
# seccomp filter forbids
seccomp_sandbox = 0
stdio_handler = "file"
remember_owner = 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateLibvirt:
    """A daemon of our own; machines run as ``user`` and have no access to the farm's files.

    ``folder`` belongs to ``user``.
    """

    folder: Path
    user: str

    @property
    def uri(self) -> str:
        """The URI for virsh, virt-manager and the pool."""
        return f"qemu:///session?socket={self.folder}/run/libvirt/libvirt-sock"

    @property
    def env(self) -> Mapping[str, str]:
        """The environment of the daemon: its own folders."""
        names = {
            "XDG_RUNTIME_DIR": "run",
            "XDG_CONFIG_HOME": "etc",
            "XDG_CACHE_HOME": "cache",
            "XDG_DATA_HOME": "data",
            "HOME": "home",
        }
        return {name: str(self.folder / part) for name, part in names.items()}

    def prepare(self) -> Sequence[str | Path]:
        """Make folders and configuration, end what a killed farm left, and return the daemon's
        command.

        :raises ConfigError: a program is missing, the folder's name is too long, or the user cannot
            reach it.
        """
        excess = len(bytes(self.folder / "etc")) - _LONGEST_CONFIG
        if excess > 0:
            raise ConfigError(
                f"{self.folder} is too long by {excess} characters for the sockets in it",
                hint="set `folder` of `guests` in farm.yaml to a shorter one",
            )
        for program in ("libvirtd", "qemu-system-x86_64", "tini", "socat", "setpriv"):
            if not shutil.which(program, path=process.BASE_ENV["PATH"]):
                raise ConfigError(f"guests need {program}", hint="./farm guests-setup installs it")
        entry = pwd.getpwnam(self.user)
        for path in self.env.values():
            Path(path).mkdir(parents=True, exist_ok=True, mode=0o700)
        configuration = self.folder / "etc" / "libvirt"
        configuration.mkdir(exist_ok=True, mode=0o700)
        (configuration / "qemu.conf").write_text(_QEMU_CONF, encoding="utf-8")
        process.run(["chown", "-R", f"{entry.pw_uid}:{entry.pw_gid}", self.folder], timeout=60)
        self._check_reachable()
        self._end_leftover()
        # libvirt starts QEMU detached. If process 1 reaps late, every start would take a minute;
        # tini reaps at once.
        return [
            "setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups",
            "--pdeathsig", "KILL", "--", "tini", "-s", "--", "libvirtd",
        ]  # fmt: skip

    def _check_reachable(self) -> None:
        try:
            process.run(
                [
                    "setpriv",
                    f"--reuid={self.user}",
                    "--clear-groups",
                    "--",
                    "test",
                    "-x",
                    self.folder,
                ],
                timeout=10,
            )
        except ToolFailed as error:
            raise ConfigError(
                f"{self.user} cannot get to {self.folder}",
                hint="set `folder` of `guests` in farm.yaml to a place it can",
            ) from error

    def _end_leftover(self) -> None:
        """End the daemon of a killed farm, which still holds the socket."""
        file = self.folder / "run" / "libvirt" / "libvirtd.pid"
        with contextlib.suppress(OSError, ValueError):
            pid = int(file.read_text(encoding="ascii"))
            if f"XDG_RUNTIME_DIR={self.folder / 'run'}".encode() not in Path(
                f"/proc/{pid}/environ"
            ).read_bytes().split(b"\0"):
                return
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + _GONE_SECONDS
            while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
                time.sleep(0.05)

    def ready(self) -> None:
        """Check the daemon. :raises InfraError: it does not answer yet."""
        try:
            process.run(["virsh", "--quiet", "--connect", self.uri, "uri"], timeout=20)
        except ToolFailed as error:
            raise InfraError(f"libvirtd: {error.output}") from error


def qemu_user() -> str:
    """Return the user that QEMU runs as on this machine.

    :raises ConfigError: the distribution made none.
    """
    for name in _USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise ConfigError(
        "no user for QEMU on this machine",
        hint="install libvirt-daemon-system; it makes libvirt-qemu",
    )


def folder_for(home: Path, name: str) -> Path:
    """Return a folder below ``home``, or one in /var/tmp of this ``name``.

    The first must be reachable for every user, and its path short enough for sockets.
    """
    beside = home / "guests"
    short = len(bytes(beside / "libvirt" / "etc")) <= _LONGEST_CONFIG
    if short and all(parent.stat().st_mode & 0o001 for parent in (home, *home.parents)):
        return beside
    return _LOCAL_FOLDER / f"buildfarm-{name}"
