"""``buildfarm guests …``: images, the pool, and the running guests.

A plug-in of the ``buildfarm`` command.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import click

from buildfarm import log
from buildfarm.adapters.system.hypervisor import Hypervisor
from buildfarm.errors import BuildFarmError
from buildfarm_workers.guests import host as hosts
from buildfarm_workers.guests.host import HostConfig
from buildfarm_workers.guests.image import definition as definitions
from buildfarm_workers.guests.image import image as images
from buildfarm_workers.guests.image import render as rendering
from buildfarm_workers.guests.machine.hub_client import GuestHubClient
from buildfarm_workers.guests.machine.pool import Pool, owner_of


def _default_config() -> Path:
    home = os.environ.get("BUILDFARM_HOME") or "var"
    return Path(home) / "host.yaml"


@click.group("guests")
@click.option(
    "--config", "file", type=click.Path(path_type=Path), default=_default_config,
    show_default="host.yaml in BUILDFARM_HOME",
    help="This KVM host's configuration; `buildfarm host-add` writes it.",
)  # fmt: skip
@click.pass_context
def guests(context: click.Context, file: Path) -> None:
    """Manage KVM guests that build: their images, the pool, and the running machines."""
    log.configure()
    context.obj = file


@guests.command("run")
@click.option("--once", is_flag=True, help="One guest a slot, then end.")
@click.pass_obj
def run(file: Path, *, once: bool) -> None:
    """Run guests, each for one task, until Ctrl-C."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    Pool(hosts.load(file)).run(stopped, once=once)


@guests.command("list")
@click.pass_obj
def list_guests(file: Path) -> None:
    """List the guests of this host, as libvirt and the hub see them."""
    config = hosts.load(file)
    machines = [
        one
        for one in Hypervisor(config.libvirt).machines()
        if one.metadata.get("owner") == owner_of(config)
    ]
    try:
        known = {state.name: state for state in _hub(config).guests().guests}
    except BuildFarmError as error:
        click.echo(f"the hub does not answer: {error}", err=True)
        known = {}
    click.echo(f"{'GUEST':<24} {'MACHINE':<8} {'WORKER':<10} {'TASK':<18} IMAGE")
    for machine in machines:
        state = known.get(machine.name)
        worker = "?" if state is None else state.state if state.joined else "booting"
        task = state.task if state and state.task else "-"
        click.echo(
            f"{machine.name:<24} {machine.state:<8} {worker:<10} {task:<18} "
            f"{machine.metadata.get('image', '')[:12]}"
        )
    click.echo(f"{len(machines)} guests at {config.libvirt}")


@guests.command("console")
@click.argument("name")
@click.pass_obj
def console(file: Path, name: str) -> None:
    """Attach to a guest's serial console (Ctrl-] leaves it)."""
    config = hosts.load(file)
    Hypervisor(config.libvirt).machine(name)
    os.execvp("virsh", ["virsh", "--connect", config.libvirt, "console", name])  # noqa: S606


@guests.group("image")
def image() -> None:
    """Manage the images that guests boot."""


@image.command("build")
@click.argument("name")
@click.pass_obj
def build(file: Path, name: str) -> None:
    """Make the image NAME from the repositories of its target."""
    config = hosts.load(file)
    found, where = definitions.find(config.definitions, name)
    buildroot = _hub(config).buildroot(found.target, found.arch).at(config.hub_url)
    made = images.build(
        found, where, buildroot, config.images, say=lambda text: click.echo(text, err=True)
    )
    click.echo(f"{name} {made.digest}")


@image.command("list")
@click.pass_obj
def list_images(file: Path) -> None:
    """List the images of this host and the RPMs in them."""
    config = hosts.load(file)
    for place in sorted(config.images.glob("*/current")):
        found = images.current(config.images, place.parent.name)
        size = sum(one.size for one in (found.manifest.kernel, found.manifest.initramfs)) + _used(
            found.path(found.manifest.disk)
        )
        click.echo(
            f"{found.manifest.name:<20} {found.digest[:16]} {found.manifest.target:<16} "
            f"{len(found.manifest.lock)} RPMs, "
            f"{size // (1 << 20)} MiB, generation {found.manifest.generation or 'none yet'}"
        )


@image.command("render")
@click.argument("name")
@click.option(
    "--definitions",
    "folder",
    type=click.Path(path_type=Path, exists=True),
    help="Default: what host.yaml says.",
)
@click.option(
    "--output",
    "-o",
    "target",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to write to.",
)
@click.pass_obj
def render(file: Path, name: str, folder: Path | None, target: Path) -> None:
    """Write the files of the distribution's own tools for NAME.

    That is cloud-init or kickstart, domain XML, and the virt-install call.
    """
    found, _ = definitions.find(folder or hosts.load(file).definitions, name)
    for written in rendering.write(found, target):
        click.echo(str(written))


def _hub(config: HostConfig) -> GuestHubClient:
    return GuestHubClient(config.hub_url, config.token, ca=config.hub_ca)


def _used(path: Path) -> int:
    return path.stat().st_blocks * 512
