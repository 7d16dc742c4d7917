"""Files that decide who may do what on a machine, or what runs without being asked for.

A file of this kind that was added, removed or changed needs a waiver of the security authority. The
list starts from rpminspect's security inspections and adds what the system loads or runs by itself.
"""

from __future__ import annotations

import re
import stat

from buildfarm.domain.compare.facts.facts import FileEntry

_PATHS = re.compile(
    r"""
    /etc/(?: sudoers(?:$|\.d/) | doas\.conf$ | pam\.d/ | pam\.conf$ | security/ | shadow-?$ | passwd-?$ | group-?$ | gshadow-?$
      | login\.defs$ | securetty$ | ssh/ | sshd/ | gss/ | krb5\.conf(?:$|\.d/) | nsswitch\.conf$ | hosts\.(?:allow|deny)$
      | ld\.so\.(?:preload|conf|conf\.d/|cache) | environment(?:$|\.d/) | profile(?:$|\.d/) | bashrc$ | bash\.bashrc$ | csh\. | zsh
      | cron | anacrontab$ | at\.(?:allow|deny)$ | crypto-policies/ | pki/ | ssl/ | ca-certificates/
      | yum\.repos\.d/ | yum(?:\.conf$|/) | dnf/ | rpm/ | NetworkManager/(?:dispatcher\.d|conf\.d)/ | xdg/(?:autostart|systemd)/
      | polkit-1/ | dbus-1/ | udev/ | systemd/ | init\.d/ | rc\.d/ | rc\.local$ | inittab$ | init/ | xinetd\.d/
      | modprobe\.d/ | modules-load\.d/ | depmod\.d/ | dracut\.conf(?:$|\.d/) | kernel/ | default/ | grub | sysctl\.(?:conf$|d/)
      | tmpfiles\.d/ | sysusers\.d/ | binfmt\.d/ | selinux/ | apparmor | audit/ | logrotate\.d/ | update-motd\.d/ | skel/ | fstab$ | exports
    )
    | /(?:usr/)?lib/(?: systemd/ | udev/ | tmpfiles\.d/ | sysusers\.d/ | sysctl\.d/ | modprobe\.d/ | modules-load\.d/ | depmod\.d/
      | binfmt\.d/ | dracut/ | kernel/ | NetworkManager/(?:dispatcher\.d|conf\.d)/ | rpm/ | environment\.d/ | pam\.d/ | polkit-1/ )
    | /(?:usr/)?lib(?:64)?/(?: security/ | .*/nss/ | sasl2/ )
    | /usr/share/(?: polkit-1/ | dbus-1/(?:system|session|services|system-services) | pki/ | crypto-policies/ | ca-certificates/
      | selinux/ | dnf/ | pam\.d/ | xdg/autostart/ | gnome/autostart/ | factory/etc/ )
    | /usr/lib(?:64)?/(?: python[\d.]+/ (?:site-packages/|dist-packages/)? (?: [^/]+\.pth | sitecustomize\.py | usercustomize\.py )$ )
    | /usr/lib(?:64)?/(?: dnf-plugins | yum-plugins )/ | .*/dnf-plugins/
    | /boot/ | /var/spool/cron/ | /root/ | /dev/
    """,
    re.VERBOSE,
)
_ROOT = ("root", "root")
_WORLD_WRITABLE, _STICKY = 0o002, 0o1000


def is_security_path(path: str) -> bool:
    """Return whether what lies there decides about rights, or runs by itself.

    >>> is_security_path("/etc/sudoers.d/x"), is_security_path("/usr/lib/systemd/system/a.service")
    (True, True)
    >>> is_security_path("/usr/share/doc/x/sudoers.d"), is_security_path("/usr/bin/ls")
    (False, False)
    """
    return _PATHS.match(path) is not None


def privileges(entry: FileEntry) -> tuple[str, ...]:
    """Return what a file has beyond a plain file of root's: words for people, in a fixed order."""
    words = []
    if stat.S_ISREG(entry.mode) and entry.mode & (stat.S_ISUID | stat.S_ISGID):
        words.append("setuid or setgid")
    if entry.caps.strip() not in ("", "="):
        words.append(f"capabilities {entry.caps}")
    if stat.S_ISCHR(entry.mode) or stat.S_ISBLK(entry.mode):
        words.append("a device")
    if is_world_writable(entry.mode):
        words.append("writable for everybody")
    if (entry.user, entry.group) != _ROOT:
        words.append(f"owned by {entry.user}:{entry.group}")
    return tuple(words)


def is_world_writable(mode: int) -> bool:
    """Return whether everybody may write; links, and folders like ``/tmp``, are not meant.

    >>> is_world_writable(0o100777), is_world_writable(0o120777), is_world_writable(0o041777)
    (True, False, False)
    """
    if stat.S_ISLNK(mode) or (stat.S_ISDIR(mode) and mode & _STICKY):
        return False
    return bool(mode & _WORLD_WRITABLE)
