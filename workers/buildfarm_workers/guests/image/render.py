"""Files for a distribution's own tools to make a builder: cloud-init and kickstart.

They are rendered and validated (cloud-init's schema, pykickstart, libvirt's RNG schema); so far the
farm itself runs only images made from repositories. Each machine has the worker's RPM, mock and one
enabled unit, with SELinux enforcing.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import yaml

from buildfarm_workers.guests.image.definition import FromCloudImage, FromKickstart, GuestDefinition
from buildfarm_workers.guests.machine import domain_xml, network
from buildfarm_workers.guests.machine.acceleration import Acceleration

_UNIT = "buildfarm-guest.service"
_USER = "mockrunner"


_WRITTEN_BY = "written by buildfarm guests image render"


def write(definition: GuestDefinition, target: Path) -> list[Path]:
    """Write everything for ``definition`` into ``target``; return the files."""
    target.mkdir(parents=True, exist_ok=True)
    source = definition.source
    files: dict[str, str] = {"domain.xml": domain_example(definition)}
    if isinstance(source, FromCloudImage):
        files["user-data"] = user_data(definition, source)
        files["meta-data"] = yaml.safe_dump(
            {"instance-id": definition.name, "local-hostname": definition.name}
        )
    if isinstance(source, FromKickstart):
        files["inst.ks"] = kickstart(definition, source)
    if source.kind != "repositories":
        files["virt-install.sh"] = (
            "#!/bin/sh\nexec "
            + " \\\n  ".join(shlex.quote(word) for word in virt_install(definition))
            + "\n"
        )
    written = []
    for name, text in files.items():
        (target / name).write_text(text, encoding="utf-8")
        written.append(target / name)
    return written


def user_data(definition: GuestDefinition, source: FromCloudImage) -> str:
    """Return cloud-init's user-data.

    It installs the tools and the worker's RPM, enables the unit and switches off; the disk is the
    image.
    """
    data = {
        "hostname": definition.name,
        "ssh_pwauth": False,
        "disable_root": True,
        "users": [
            {
                "name": _USER,
                "system": True,
                "groups": "mock",
                "shell": "/sbin/nologin",
                "lock_passwd": True,
            }
        ],
        "groups": ["mock"],
        "packages": list(source.packages),
        "package_update": True,
        "mounts": [["LABEL=WORKER", "/mnt", "auto", "ro,nofail"]],
        "runcmd": [
            ["dnf", "-y", "install", "/mnt/buildfarm-worker.rpm"],
            ["setenforce", "1"] if definition.selinux == "enforcing" else ["true"],
            ["systemctl", "enable", _UNIT],
            ["touch", "/etc/cloud/cloud-init.disabled"],
            ["truncate", "--size=0", "/etc/machine-id"],
        ],
        "power_state": {"mode": "poweroff", "condition": True, "timeout": 120},
    }
    return "#cloud-config\n" + yaml.safe_dump(data, sort_keys=False)


def kickstart(definition: GuestDefinition, source: FromKickstart) -> str:
    """Return the kickstart file for ``inst.ks=`` (pykickstart's syntax of ``source.version``)."""
    return "\n".join(
        [
            f"# {definition.title}: a builder, installed unattended; {_WRITTEN_BY}",
            "text",
            f"url --url={source.location}",
            *(f"repo --name={name} --baseurl={url}" for name, url in source.repositories.items()),
            "lang C.UTF-8",
            "keyboard us",
            "timezone UTC --utc",
            "rootpw --lock",
            f"user --name={_USER} --lock --shell=/sbin/nologin",
            f"selinux --{'enforcing' if definition.selinux == 'enforcing' else 'permissive'}",
            "firewall --enabled",
            "network --bootproto=dhcp --activate",
            "bootloader --append=console=ttyS0",
            "zerombr",
            "clearpart --all --initlabel",
            "autopart --type=plain --fstype=ext4 --noswap",
            "poweroff",
            "%packages --excludedocs",
            "@^minimal-environment",
            *source.packages,
            "%end",
            "%post --erroronfail",
            "mount -o ro LABEL=WORKER /mnt",
            "dnf -y install /mnt/buildfarm-worker.rpm",
            f"usermod --append --groups mock {_USER}",
            f"systemctl enable {_UNIT}",
            "truncate --size=0 /etc/machine-id",
            "%end",
            "",
        ]
    )


def virt_install(definition: GuestDefinition) -> list[str]:
    """Return the call of virt-install(1) that provisions the disk once."""
    source = definition.source
    words = [
        "virt-install", "--name", f"{definition.name}-provision", "--osinfo", definition.os,
        "--memory", str(definition.memory_mib), "--vcpus", str(definition.vcpus), "--transient",
        "--noreboot", "--network", "user", "--graphics",
        "vnc,listen=127.0.0.1" if definition.console == "vnc" else "none", "--disk",
        "path=worker.img,readonly=on,serial=worker,device=disk,format=raw",
    ]  # fmt: skip
    disk = f"path={definition.name}.qcow2,size={max(1, definition.disk_mib // 1024)},format=qcow2"
    if isinstance(source, FromCloudImage):
        words += [
            "--import",
            "--disk",
            f"{disk},backing_store={Path(source.image).name}",
            "--cloud-init",
            "user-data=user-data,meta-data=meta-data",
        ]
    if isinstance(source, FromKickstart):
        words += ["--disk", disk, "--location", source.location, "--initrd-inject", "inst.ks",
                  "--extra-args", "inst.ks=file:/inst.ks console=ttyS0"]  # fmt: skip
    return words


def domain_example(definition: GuestDefinition) -> str:
    """Return a guest's domain XML with example names, for a check against libvirt's schema."""
    boot = domain_xml.Boot()
    if definition.source.kind == "repositories":
        boot = domain_xml.Boot(
            kernel=Path("/images/vmlinuz"),
            initramfs=Path("/images/initramfs.img"),
            append="console=ttyS0",
        )
    return domain_xml.render(
        definition, name=f"{definition.name}-00000000", owner="example", image="0" * 64, boot=boot,
        overlay=Path("/running/overlay.qcow2"), identity=Path("/running/identity.img"),
        console_log=Path("/running/console.log"), acceleration=Acceleration(kind="kvm", why=""),
        reach=network.reach("https://hub.example", "redis://redis.example:6379/0"),
    )  # fmt: skip
