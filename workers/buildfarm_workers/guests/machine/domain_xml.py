"""A guest as libvirt's domain XML: transient, over a new overlay, with two services on its
network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from buildfarm.adapters.system.hypervisor import NAMESPACE
from buildfarm_workers.guests.image.definition import GuestDefinition
from buildfarm_workers.guests.machine.acceleration import Acceleration
from buildfarm_workers.guests.machine.network import Reach

_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_TCG_CACHE_MIB = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """The machine's kernel beside the disk, or (empty) the boot loader of the disk itself."""

    kernel: Path | None = None
    initramfs: Path | None = None
    append: str = ""


def render(
    definition: GuestDefinition, *, name: str, owner: str, image: str, boot: Boot, overlay: Path,
    identity: Path, console_log: Path, acceleration: Acceleration, reach: Reach,
) -> str:  # fmt: skip
    """Return the XML for ``virDomainCreateXML`` (libvirt's formatdomain), valid by its RNG schema.

    :param owner: the pool that may destroy it.
    :param image: the digest of the image it boots.
    """
    ET.register_namespace("qemu", _QEMU)
    ET.register_namespace("buildfarm", NAMESPACE)
    domain = ET.Element("domain", type=acceleration.domain_type)
    _text(domain, "name", name)
    metadata = ET.SubElement(domain, "metadata")
    ET.SubElement(metadata, f"{{{NAMESPACE}}}guest", owner=owner, image=image, kind=definition.name)
    _text(domain, "title", f"{definition.title}: {name}")
    _text(domain, "memory", str(definition.memory_mib), unit="MiB")
    _text(domain, "vcpu", str(definition.vcpus))
    _os(domain, definition, boot)
    features = ET.SubElement(domain, "features")
    ET.SubElement(features, "acpi")
    if acceleration.kind == "tcg":
        tcg = ET.SubElement(features, "tcg")
        _text(tcg, "tb-cache", str(_TCG_CACHE_MIB), unit="MiB")
    ET.SubElement(
        domain, "cpu", mode="host-passthrough" if acceleration.kind == "kvm" else "maximum"
    )
    ET.SubElement(domain, "clock", offset="utc")
    for event in ("on_poweroff", "on_reboot", "on_crash"):
        _text(domain, event, "destroy")
    devices = ET.SubElement(domain, "devices")
    _disk(devices, overlay, "vda", kind="qcow2")
    _disk(devices, identity, "vdb", kind="raw", read_only=True)
    serial = ET.SubElement(devices, "serial", type="pty")
    ET.SubElement(serial, "log", file=str(console_log))
    ET.SubElement(devices, "console", type="pty")
    if definition.console == "vnc":
        ET.SubElement(devices, "graphics", type="vnc", autoport="yes", listen="127.0.0.1")
        ET.SubElement(ET.SubElement(devices, "video"), "model", type="virtio")
    else:
        ET.SubElement(ET.SubElement(devices, "video"), "model", type="none")
    ET.SubElement(devices, "memballoon", model="none")
    rng = ET.SubElement(devices, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")
    command = ET.SubElement(domain, f"{{{_QEMU}}}commandline")
    for word in (
        "-netdev",
        reach.netdev,
        "-device",
        "virtio-net-pci,netdev=farm,bus=pcie.0,addr=0x10",
    ):
        ET.SubElement(command, f"{{{_QEMU}}}arg", value=word)
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode")


def _os(domain: ET.Element, definition: GuestDefinition, boot: Boot) -> None:
    system = ET.SubElement(domain, "os")
    _text(system, "type", "hvm", arch=definition.arch, machine="q35")
    if boot.kernel is not None:
        _text(system, "kernel", str(boot.kernel))
        _text(system, "initrd", str(boot.initramfs))
        _text(system, "cmdline", boot.append)


def _disk(
    devices: ET.Element, file: Path, target: str, *, kind: str, read_only: bool = False
) -> None:
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    # A guest's disk is deleted with it: its data need not reach the host's disk.
    ET.SubElement(disk, "driver", name="qemu", type=kind, cache="unsafe", discard="unmap")
    ET.SubElement(disk, "source", file=str(file))
    ET.SubElement(disk, "target", dev=target, bus="virtio")
    if read_only:
        ET.SubElement(disk, "readonly")


def _text(parent: ET.Element, name: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, name, attributes).text = text
