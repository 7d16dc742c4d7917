"""Two bubblewrap sandboxes for a buildroot: one for the installer, one for the build.

*Installer*: the host's dnf writes the buildroot and runs the RPMs' scriptlets in it. It is user 0
with the few capabilities that rpm needs, sees the buildroot, its cache and, read-only, the host's
programs, and nothing of the farm.

*Builder*: the buildroot is ``/``. bubblewrap makes the namespaces as root, then the buildroot's own
chroot(1) becomes the unprivileged ``mockbuild``; no_new_privs prevents set-uid files from undoing
that. There is no user namespace: root's files appear as root's, as in mock, and not as
``nobody``'s.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildfarm.adapters.system import bubblewrap

BUILD_USER = "mockbuild"
BUILD_UID = 1000
HOSTNAME = "builder"
HOME = "/builddir"
TOPDIR = ("builddir", "build")
ROOT_IN_BOX = "/buildroot"
CACHE_IN_ROOT = "/var/cache/dnf"
CONFIG_IN_BOX = "/dnf.conf"
HOME_IN_BOX = "/home"

_NAMESPACES = (
    "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--die-with-parent",
    "--new-session", "--hostname", HOSTNAME, "--clearenv", "--cap-drop", "ALL",
)  # fmt: skip
_BECOME_USER = ("CAP_SETUID", "CAP_SETGID", "CAP_SYS_CHROOT")
_INSTALL = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SETUID", "CAP_SETGID",
    "CAP_SETFCAP", "CAP_SYS_CHROOT", "CAP_KILL",
)  # fmt: skip
_HOST_ACCOUNTS_AND_KEYS = (
    "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/ssl", "/etc/pki",
    "/etc/ca-certificates", "/etc/crypto-policies",
)  # fmt: skip
_NAME_LOOKUP = ("/etc/resolv.conf", "/etc/hosts")


def installer(
    command: Sequence[str],
    *,
    root: Path,
    cache: Path,
    config: Path,
    home: Path,
    read_only: Sequence[Path],
) -> list[str]:
    """Return ``command`` in the installer's sandbox.

    ``root`` is at :data:`ROOT_IN_BOX`, ``read_only`` under their own names.
    """
    variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": HOME_IN_BOX}
    mounts: list[str | Path] = [
        *bubblewrap.proc("/proc"), "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp",
        "--tmpfs", "/run", "--bind", root, ROOT_IN_BOX,
        *bubblewrap.proc(f"{ROOT_IN_BOX}/proc"), "--dev", f"{ROOT_IN_BOX}/dev",
        "--bind", cache, f"{ROOT_IN_BOX}{CACHE_IN_ROOT}",
        "--tmpfs", f"{ROOT_IN_BOX}/var/lib/dnf",
        "--ro-bind", config, CONFIG_IN_BOX, "--ro-bind", home, HOME_IN_BOX,
    ]  # fmt: skip
    return bubblewrap.argv(
        command,
        _NAMESPACES,
        bubblewrap.environment(variables),
        bubblewrap.capabilities(_INSTALL),
        bubblewrap.host_programs(*_HOST_ACCOUNTS_AND_KEYS, *_NAME_LOOKUP),
        mounts,
        bubblewrap.read_only(read_only),
    )


def builder(
    command: Sequence[str], *, root: Path, network: bool, shared_memory: int, env: Mapping[str, str]
) -> list[str]:
    """Return ``command`` as ``mockbuild`` in ``root``; without ``network`` there is only a
    loopback.

    :param shared_memory: bytes of /dev/shm.
    """
    variables = {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        "HOME": HOME,
        "USER": BUILD_USER,
        "LOGNAME": BUILD_USER,
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "TERM": "vt100",
        "HOSTNAME": HOSTNAME,
        **env,
    }
    mounts: list[str | Path] = [
        "--bind", root, "/", *bubblewrap.proc("/proc"), "--dev", "/dev",
        "--perms", "1777", "--size", str(shared_memory), "--tmpfs", "/dev/shm",
    ]  # fmt: skip
    lookup = [
        word for path in _NAME_LOOKUP for word in ("--ro-bind-try", os.path.realpath(path), path)
    ]
    return bubblewrap.argv(
        ["chroot", f"--userspec={BUILD_UID}:{BUILD_UID}", "--groups=", "/", *command],
        _NAMESPACES,
        bubblewrap.environment(variables),
        bubblewrap.capabilities(_BECOME_USER),
        mounts,
        lookup if network else ["--unshare-net"],
        ["--chdir", "/"],
    )
