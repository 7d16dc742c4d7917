"""Enroll workers and KVM hosts: their records at the hub, and the configuration they start with."""

from __future__ import annotations

from pathlib import Path

import click
import yaml

from buildfarm import bootstrap, config
from buildfarm.adapters.schedule import message_keys
from buildfarm.adapters.schedule.broker import Broker, prefix_of
from buildfarm.adapters.system.private_libvirt import PrivateLibvirt
from buildfarm.cli import output
from buildfarm.config import Config, LocalGuests
from buildfarm.errors import ConfigError
from buildfarm.services.build import guests
from buildfarm.services.core import workers
from buildfarm.services.core.hub import Hub


def write_worker_config(loaded: Config, credentials: workers.Credentials, file: Path) -> None:
    """Write the file a worker starts with, readable by its user only.

    Its paths are relative to its folder, so that the folder can be copied to the builder's machine.
    """
    name = credentials.worker.id
    messages = bootstrap.home_of(loaded).secrets / "messages"
    key, certificate = message_keys.ensure_pair(file.parent / "keys", name)
    trusted = file.parent / "trusted"
    trusted.mkdir(exist_ok=True)
    (trusted / "hub.crt").write_bytes((messages / "hub.crt").read_bytes())
    data = {
        "name": name,
        "hub_url": loaded.farm.url,
        "token": credentials.token,
        "redis": {"url": credentials.redis_url, "prefix": prefix_of(name)},
        "arches": list(credentials.worker.arches),
        "builder": credentials.worker.builder,
        "queues": list(credentials.worker.queues),
        "slots": credentials.worker.slots,
        "workdir": ".",
        "security": {
            name: str(path.relative_to(file.parent))
            for name, path in (
                ("key", key),
                ("certificate", certificate),
                ("hub_certificates", trusted),
            )
        },
    }
    _write_private(file, data)


def enroll_local(loaded: Config, hub: Hub, broker: Broker, number: int) -> Path:
    """Enroll a builder beside the hub, for every target whose builder runs here."""
    queues, arches = _local_queues(loaded, "local_workers: 0")
    name = f"local-{number}"
    credentials = workers.enroll(
        hub, broker, name, arches=arches, queues=queues, builder="chroot", actor="serve"
    )
    file = loaded.farm.home_path / "workers" / name / "worker.yaml"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_worker_config(loaded, credentials, file)
    return file


def _local_queues(loaded: Config, remedy: str) -> tuple[list[str], list[str]]:
    """Return queues and arches of every target whose builder runs beside the hub."""
    targets = [target for target in loaded.targets.values() if target.builder == "chroot"]
    if not targets:
        raise ConfigError(
            "no target uses the chroot builder, which is what runs beside the hub",
            hint=f"set {remedy}",
        )
    queues = [queue for target in targets for queue in target.queues()]
    return queues, sorted({arch for target in targets for arch in target.arches})


def enroll_local_host(
    loaded: Config, hub: Hub, local: LocalGuests, folder: Path, libvirt: PrivateLibvirt
) -> Path:
    """Make the hub's own machine a KVM host; return its host.yaml."""
    queues, arches = _local_queues(loaded, "guests: null")
    credentials = guests.enroll_host(hub, "local", arches=arches, queues=queues, actor="serve")
    file = loaded.farm.home_path / "host.yaml"
    _write_private(file, {
        "name": credentials.host.id, "hub_url": loaded.farm.url, "token": credentials.token,
        "image": local.image, "definitions": str(loaded.path(local.definitions)),
        "folder": str(folder), "slots": local.slots, "libvirt": libvirt.uri,
        "qemu_user": libvirt.user, "accelerator": local.accelerator,
    })  # fmt: skip
    return file


def _write_private(file: Path, data: dict[str, object]) -> None:
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


@click.command("worker-add")
@click.argument("name")
@click.option(
    "--target", "-t", "names", multiple=True, required=True, help="Targets it builds for."
)
@click.option("--arch", "arches", multiple=True, default=("x86_64",))
@click.option("--builder", type=click.Choice(["chroot", "mock"]), default="mock")
@click.option("--slots", type=int, default=1)
@click.option(
    "--reserve",
    "reserved",
    multiple=True,
    metavar="sig:S|target:T|source:N",
    help="Reserve it for these.",
)
@click.option(
    "--output",
    "-o",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    help="worker.yaml to write.",
)
def worker_add(
    name: str, names: tuple[str, ...], arches: tuple[str, ...], builder: str, slots: int,
    file: Path, reserved: tuple[str, ...]
) -> None:  # fmt: skip
    """Enroll a worker and write the configuration it starts with.

    Run it again to renew the worker's credentials.
    """
    loaded = config.load()
    hub = bootstrap.hub_of(loaded)
    queues = [q for t in names for q in loaded.target(t).queues() if q.split(".")[-2] in arches]
    credentials = workers.enroll(
        hub, Broker(bootstrap.redis_url(loaded)), name, arches=arches, queues=queues,
        builder=builder, slots=slots, actor="cli", reserved=reserved,
    )  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_worker_config(loaded, credentials, file.absolute())
    output.out.print(str(file))


@click.command("host-add")
@click.argument("name")
@click.option(
    "--target", "-t", "names", multiple=True, required=True, help="Targets its guests build for."
)
@click.option("--arch", "arches", multiple=True, default=("x86_64",))
@click.option("--image", required=True, help="The guest definition whose image it boots.")
@click.option("--slots", type=int, default=1, help="Guests at a time.")
@click.option(
    "--output",
    "-o",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    help="host.yaml to write.",
)
def host_add(
    name: str, names: tuple[str, ...], arches: tuple[str, ...], image: str, slots: int, file: Path
) -> None:
    """Enroll a KVM host and write the configuration for `buildfarm guests run` there.

    Run it again to renew the host's token.
    """
    loaded = config.load()
    hub = bootstrap.hub_of(loaded)
    queues = [q for t in names for q in loaded.target(t).queues() if q.split(".")[-2] in arches]
    credentials = guests.enroll_host(hub, name, arches=arches, queues=queues, actor="cli")
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_private(file, {
        "name": name, "hub_url": loaded.farm.url, "token": credentials.token, "image": image,
        "definitions": "guests", "folder": ".", "slots": slots, "libvirt": "qemu:///system",
        "accelerator": "kvm",
    })  # fmt: skip
    output.out.print(str(file))


COMMANDS = (worker_add, host_add)
