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
_HOST_PROGRAMS = (
    "/usr", "/etc/alternatives", "/etc/ld.so.cache", "/etc/rpm", "/etc/passwd", "/etc/group",
    "/etc/nsswitch.conf", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/crypto-policies",
)  # fmt: skip
_NAME_LOOKUP = ("/etc/resolv.conf", "/etc/hosts")
_MERGED = ("bin", "sbin", "lib", "lib64", "lib32", "libx32")


def _proc(at: str) -> list[str]:
    """Return a /proc of the sandbox's own, whose kernel-wide switches are read-only.

    bubblewrap covers them only for a caller that may write by access(2); for user 0 without
    capabilities access(2) says no and the files' own check says yes.
    """
    words = ["--proc", at]
    for name in ("sys", "sysrq-trigger"):
        words += ["--ro-bind-try", f"/proc/{name}", f"{at}/{name}"]
    return words


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
    words = ["bwrap", *_NAMESPACES]
    for name, value in {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": HOME_IN_BOX,
    }.items():
        words += ["--setenv", name, value]
    for capability in _INSTALL:
        words += ["--cap-add", capability]
    for system in (*_HOST_PROGRAMS, *_NAME_LOOKUP):
        words += ["--ro-bind-try", system, system]
    for name in _MERGED:
        where = Path("/") / name
        if where.is_symlink():
            words += ["--symlink", str(where.readlink()), str(where)]
        elif where.exists():
            words += ["--ro-bind", str(where), str(where)]
    words += [
        *_proc("/proc"), "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp",
        "--tmpfs", "/run", "--bind", str(root), ROOT_IN_BOX,
        *_proc(f"{ROOT_IN_BOX}/proc"), "--dev", f"{ROOT_IN_BOX}/dev",
        "--bind", str(cache), f"{ROOT_IN_BOX}{CACHE_IN_ROOT}",
        "--tmpfs", f"{ROOT_IN_BOX}/var/lib/dnf",
        "--ro-bind", str(config), CONFIG_IN_BOX, "--ro-bind", str(home), HOME_IN_BOX,
    ]  # fmt: skip
    for path in read_only:
        words += ["--ro-bind", str(path), str(path)]
    return [*words, "--", *command]


def builder(
    command: Sequence[str], *, root: Path, network: bool, shared_memory: int, env: Mapping[str, str]
) -> list[str]:
    """Return ``command`` as ``mockbuild`` in ``root``; without ``network`` there is only a
    loopback.

    :param shared_memory: bytes of /dev/shm.
    """
    words = ["bwrap", *_NAMESPACES]
    environment = {
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
    for name, value in environment.items():
        words += ["--setenv", name, value]
    for capability in _BECOME_USER:
        words += ["--cap-add", capability]
    words += ["--bind", str(root), "/", *_proc("/proc"), "--dev", "/dev",
              "--perms", "1777", "--size", str(shared_memory), "--tmpfs", "/dev/shm"]  # fmt: skip
    if network:
        for path in _NAME_LOOKUP:
            words += ["--ro-bind-try", os.path.realpath(path), path]
    else:
        words += ["--unshare-net"]
    become = ["chroot", f"--userspec={BUILD_UID}:{BUILD_UID}", "--groups=", "/"]
    return [*words, "--chdir", "/", "--", *become, *command]
