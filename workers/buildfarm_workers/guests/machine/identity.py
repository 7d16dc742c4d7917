"""The identity of one guest on a small disk: its worker's configuration, deleted with the guest."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from buildfarm.adapters.schedule import message_keys
from buildfarm.adapters.system import process
from buildfarm.wire import GuestIdentity
from buildfarm_workers.guests.image.image import WORKDIR, Image
from buildfarm_workers.guests.machine.network import Reach

_SECONDS = 60
_LABEL = "BUILDFARM"
_SIZE = "4M"


def write_disk(
    identity: GuestIdentity, image: Image, reach: Reach, disk: Path, *, hub_ca: Path | None
) -> None:
    """Write ``disk`` (ext4, label BUILDFARM).

    It holds ``worker.yaml``, the worker's keys, the hub's certificate and the guest's name.
    """
    folder = disk.with_suffix(".files")
    folder.mkdir(mode=0o700)
    try:
        keys = folder / "keys"
        key, certificate = message_keys.ensure_pair(keys, identity.name)
        trusted = folder / "trusted"
        trusted.mkdir()
        (trusted / "hub.crt").write_text(identity.hub_certificate, encoding="ascii")
        if hub_ca is not None:
            shutil.copyfile(hub_ca, folder / "hub-ca.pem")
        worker: dict[str, object] = {
            "name": identity.name,
            "hub_url": reach.hub_url,
            **({"hub_ca": "hub-ca.pem"} if hub_ca is not None else {}),
            "token": identity.token,
            "redis": {"url": reach.redis_url, "prefix": identity.redis_prefix},
            "queues": list(identity.queues),
            "arches": list(identity.arches),
            "builder": image.manifest.builder,
            "slots": 1,
            "tasks": 1,
            "workdir": WORKDIR,
            "security": {
                "key": str(key.relative_to(folder)),
                "certificate": str(certificate.relative_to(folder)),
                "hub_certificates": "trusted",
            },
        }
        (folder / "worker.yaml").write_text(
            yaml.safe_dump(worker, sort_keys=False), encoding="utf-8"
        )
        (folder / "name").write_text(f"{identity.name}\n", encoding="ascii")
        (folder / "hosts").write_text(f"{reach.hosts}\n" if reach.hosts else "", encoding="ascii")
        disk.touch(mode=0o600)
        process.run(
            [
                "mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-L", _LABEL, "-E", "root_owner=0:0",
                "-d", folder, disk, _SIZE,
            ],
            timeout=_SECONDS,
        )  # fmt: skip
    finally:
        shutil.rmtree(folder)
