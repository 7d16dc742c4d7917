"""The pool of one KVM host: a number of concurrent guests, each new and for one task.

A guest boots before its task and waits for it. If the pool dies, its machines end (libvirt destroys
those started through a closed connection); the next pool removes what is left on disk and at the
hub before it starts anything.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable

from buildfarm import log
from buildfarm.adapters.system.hypervisor import Hypervisor
from buildfarm.errors import BuildFarmError, InfraError, InputError
from buildfarm.wire import GuestRequest
from buildfarm_workers.guests.host import HostConfig
from buildfarm_workers.guests.image import definition, image
from buildfarm_workers.guests.image.image import Verified
from buildfarm_workers.guests.machine import acceleration
from buildfarm_workers.guests.machine.guest import Guest, Surroundings, dismiss
from buildfarm_workers.guests.machine.hub_client import GuestHubClient

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


def owner_of(config: HostConfig) -> str:
    """Return the mark on this pool's machines: two pools may share a libvirt."""
    place = hashlib.sha256(str(config.folder).encode()).hexdigest()[:12]
    return f"{config.name}:{place}"


class Pool:
    """Keeps starting guests until stopped."""

    def __init__(self, config: HostConfig) -> None:
        """Probe the machine, connect to libvirt, read the definition.

        :raises ConfigError: KVM is required and does not run; no such definition.
        :raises InfraError: libvirt does not answer.
        """
        self._config = config
        found, self._definition_file = definition.find(config.definitions, config.image)
        speed = acceleration.choose(config.accelerator)
        if speed.kind == "tcg":
            log.get().warning(
                "guests.emulated",
                why=speed.why,
                effect="builds take about ten times as long as with KVM",
            )
        self._around = Surroundings(
            config=config,
            hub=GuestHubClient(config.hub_url, config.token, ca=config.hub_ca),
            hypervisor=Hypervisor(config.libvirt),
            acceleration=speed,
            definition=found,
            owner=owner_of(config),
        )
        self._verified = Verified()

    def clear_leftovers(self) -> None:
        """End and remove what a previous pool of this name left.

        :raises InfraError: libvirt or the hub does not answer.
        """
        around = self._around
        for machine in around.hypervisor.machines():
            if machine.metadata.get("owner") == around.owner:
                log.get().warning("guest.leftover", guest=machine.name)
                around.hypervisor.destroy(machine.name)
        shutil.rmtree(self._config.running, ignore_errors=True)
        self._config.running.mkdir(parents=True, exist_ok=True)
        for state in around.hub.guests().guests:
            dismiss(around.hub, state.name, "the pool that ran it ended")

    def run(self, stopped: threading.Event, *, once: bool = False) -> None:
        """Run guests in every slot until ``stopped``; with ``once`` one guest per slot.

        :raises InfraError: leftovers could not be removed; libvirt went away (the next pool removes
            what ran).
        """
        self.clear_leftovers()
        log.get().info(
            "pool.ready", host=self._config.name, slots=self._config.slots,
            image=self._config.image, accelerator=self._around.acceleration.kind,
            hypervisor=self._around.hypervisor.version(),
        )  # fmt: skip
        threads = [
            threading.Thread(target=self._keep, args=(slot, stopped, once), name=f"slot-{slot}")
            for slot in range(self._config.slots)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lost = self._around.hypervisor.lost()
        self._around.hypervisor.close()
        self._around.hub.close()
        if lost:
            raise InfraError(
                f"the connection to libvirt at {self._config.libvirt} is lost",
                hint="start the pool again",
            )

    def _keep(self, slot: int, stopped: threading.Event, once: bool) -> None:  # noqa: FBT001  # a thread's target
        pause = _FIRST_PAUSE
        said = ""
        while not stopped.is_set() and not self._around.hypervisor.lost():
            try:
                self._one(lambda: "the pool is told to stop" if stopped.is_set() else "")
                pause = _FIRST_PAUSE
                said = ""
                if once:
                    return
            except BuildFarmError as error:
                if str(error) != said:  # the same error is logged once
                    log.get().error("guest.failed", slot=slot, reason=str(error))
                said = str(error)
                stopped.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except Exception:  # noqa: BLE001  # a bug must not cost the host its slot
                log.get().exception("guest.broke", slot=slot)
                stopped.wait(_LONGEST_PAUSE)

    def _one(self, stop: Callable[[], str]) -> str:
        """Run one guest.

        :raises InputError: its image is damaged; nothing boots.
        :raises NotFound: there is no image.
        """
        found = image.current(self._config.images, self._config.image)
        if found.manifest.target != self._around.definition.target:
            raise InputError(
                f"image {found.manifest.name} was made for {found.manifest.target}, not for "
                f"{self._around.definition.target}",
                hint=f"`buildfarm guests image build {found.manifest.name}`",
            )
        self._verified.check(found)
        facts = {
            "accelerator": self._around.acceleration.kind,
            "definition": self._config.image,
            "hypervisor": self._around.hypervisor.version(),
        }
        asked = GuestRequest(
            image=found.digest, builder=self._around.definition.builder, facts=facts
        )
        return Guest(self._around, found, asked).live(stop)
