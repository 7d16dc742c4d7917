"""The bubblewrap command of each kind of sandbox, word for word: these flags are its security."""

from __future__ import annotations

import os
from pathlib import Path

from buildfarm_workers.builders.buildroot import sandboxes
from buildfarm_workers.guests.image import initramfs

from buildfarm.adapters.publish import signing
from buildfarm.adapters.system import sandbox

PROGRAMS = "/usr /etc/alternatives /etc/ld.so.cache /etc/rpm"
ACCOUNTS_AND_KEYS = (
    "/etc/passwd /etc/group /etc/nsswitch.conf /etc/ssl /etc/pki /etc/ca-certificates "
    "/etc/crypto-policies"
)
BUILDER = (
    "bwrap --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try --die-with-parent "
    "--new-session --hostname builder --clearenv --cap-drop ALL"
)
BUILD_USER = """
    --setenv PATH /usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
    --setenv HOME /builddir --setenv USER mockbuild --setenv LOGNAME mockbuild
    --setenv SHELL /bin/bash --setenv LANG C.UTF-8 --setenv TERM vt100 --setenv HOSTNAME builder
"""
BUILD_ROOT = """
    --cap-add CAP_SETUID --cap-add CAP_SETGID --cap-add CAP_SYS_CHROOT --bind /r /
    --proc /proc --ro-bind-try /proc/sys /proc/sys
    --ro-bind-try /proc/sysrq-trigger /proc/sysrq-trigger
    --dev /dev --perms 1777 --size 64 --tmpfs /dev/shm
"""
BECOME = "--chdir / -- chroot --userspec=1000:1000 --groups= / rpmbuild"
HOSTILE = """
    bwrap --unshare-all --die-with-parent --new-session --uid 65534 --gid 65534
    --hostname sandbox --cap-drop ALL --proc /proc --dev /dev --tmpfs /tmp --tmpfs /var/tmp
    --clearenv --setenv PATH /usr/sbin:/usr/bin:/sbin:/bin --setenv LC_ALL C.UTF-8
    --setenv HOME /tmp --setenv TZ UTC
"""


def try_each(paths: str) -> str:
    return " ".join(f"--ro-bind-try {path} {path}" for path in paths.split())


def merged_folders() -> str:
    """Return the options for /bin, /lib and so on, which are links on some hosts."""
    words = []
    for path in map(Path, ("/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32")):
        if path.is_symlink():
            words.append(f"--symlink {path.readlink()} {path}")
        elif path.exists():
            words.append(f"--ro-bind {path} {path}")
    return " ".join(words)


def words(*parts: str) -> list[str]:
    return " ".join(parts).split()


def test_a_vendors_file_is_evaluated_without_network_privileges_or_the_farms_data() -> None:
    argv = sandbox.argv(
        ["rpm", "-qp", Path("/drop/a.rpm")],
        read_only=[Path("/drop")],
        writable=[Path("/out")],
        chdir=Path("/out"),
        env={"LANG": "C"},
        home=Path("/work"),
    )
    assert argv == words(
        HOSTILE,
        "--setenv LANG C",
        try_each(PROGRAMS),
        merged_folders(),
        "--ro-bind /drop /drop --bind /out /out --bind /work /builddir --chdir /out",
        "-- rpm -qp /drop/a.rpm",
    )
    assert sandbox.argv(["true"]) == words(HOSTILE, try_each(PROGRAMS), merged_folders(), "-- true")


def test_the_installer_has_the_capabilities_of_rpm_and_sees_its_buildroot() -> None:
    argv = sandboxes.installer(
        ["dnf", "install"],
        root=Path("/r"),
        cache=Path("/c"),
        config=Path("/k.conf"),
        home=Path("/h"),
        read_only=[Path("/keys")],
    )
    assert argv == words(
        BUILDER,
        "--setenv PATH /usr/sbin:/usr/bin:/sbin:/bin --setenv LC_ALL C.UTF-8 --setenv HOME /home",
        "--cap-add CAP_CHOWN --cap-add CAP_DAC_OVERRIDE --cap-add CAP_FOWNER",
        "--cap-add CAP_FSETID --cap-add CAP_SETUID --cap-add CAP_SETGID --cap-add CAP_SETFCAP",
        "--cap-add CAP_SYS_CHROOT --cap-add CAP_KILL",
        try_each(f"{PROGRAMS} {ACCOUNTS_AND_KEYS} /etc/resolv.conf /etc/hosts"),
        merged_folders(),
        "--proc /proc --ro-bind-try /proc/sys /proc/sys",
        "--ro-bind-try /proc/sysrq-trigger /proc/sysrq-trigger",
        "--dev /dev --tmpfs /tmp --tmpfs /var/tmp --tmpfs /run --bind /r /buildroot",
        "--proc /buildroot/proc --ro-bind-try /proc/sys /buildroot/proc/sys",
        "--ro-bind-try /proc/sysrq-trigger /buildroot/proc/sysrq-trigger --dev /buildroot/dev",
        "--bind /c /buildroot/var/cache/dnf --tmpfs /buildroot/var/lib/dnf",
        "--ro-bind /k.conf /dnf.conf --ro-bind /h /home --ro-bind /keys /keys -- dnf install",
    )


def test_a_build_runs_as_mockbuild_in_its_buildroot_with_or_without_network() -> None:
    offline = sandboxes.builder(
        ["rpmbuild"], root=Path("/r"), network=False, shared_memory=64, env={"A": "b"}
    )
    online = sandboxes.builder(
        ["rpmbuild"], root=Path("/r"), network=True, shared_memory=64, env={}
    )
    lookup = " ".join(
        f"--ro-bind-try {os.path.realpath(path)} {path}"
        for path in ("/etc/resolv.conf", "/etc/hosts")
    )
    assert offline == words(
        BUILDER, BUILD_USER, "--setenv A b", BUILD_ROOT, "--unshare-net", BECOME
    )
    assert online == words(BUILDER, BUILD_USER, BUILD_ROOT, lookup, BECOME)


def test_gpg_runs_in_its_own_process_namespace() -> None:
    assert signing.alone(["gpg", "--export"]) == words(
        "bwrap --dev-bind / / --unshare-pid --proc /proc --die-with-parent -- gpg --export"
    )


def test_an_images_programs_run_in_the_image_alone() -> None:
    environment = "--setenv PATH /usr/sbin:/usr/bin:/sbin:/bin --setenv LC_ALL C.UTF-8"
    for writable, bind in ((False, "--ro-bind"), (True, "--bind")):
        assert initramfs.in_image(Path("/r"), ["ldd", "/bin/sh"], writable=writable) == words(
            f"bwrap --unshare-all --die-with-parent {bind} /r / --proc /proc --dev /dev",
            f"--clearenv {environment} -- ldd /bin/sh",
        )
