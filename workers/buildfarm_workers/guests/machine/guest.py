"""One guest, from its identity to its end.

In all cases, everything of it is removed.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from buildfarm import log
from buildfarm.adapters.system import process
from buildfarm.adapters.system.hypervisor import Hypervisor
from buildfarm.errors import BuildFarmError, InfraError, NotFound
from buildfarm.wire import GuestIdentity, GuestRequest, GuestState
from buildfarm_workers.builders.port import one_line
from buildfarm_workers.guests.host import HostConfig
from buildfarm_workers.guests.image.definition import GuestDefinition
from buildfarm_workers.guests.image.image import Image
from buildfarm_workers.guests.machine import domain_xml, identity, network
from buildfarm_workers.guests.machine.acceleration import Acceleration
from buildfarm_workers.guests.machine.hub_client import GuestHubClient

_SECONDS = 60
_GRACE = 20.0
"""Time for a guest to switch itself off after its task."""
_TAIL = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The tools for every guest of a pool; ``owner`` marks its machines as this pool's."""

    config: HostConfig
    hub: GuestHubClient
    hypervisor: Hypervisor
    acceleration: Acceleration
    definition: GuestDefinition
    owner: str


class Guest:
    """A machine, its files and its identity; :meth:`live` runs it."""

    def __init__(self, surroundings: Surroundings, image: Image, asked: GuestRequest) -> None:
        """Request an identity. :raises InfraError: the hub does not answer."""
        self._around = surroundings
        self._image = image
        self._identity: GuestIdentity = surroundings.hub.admit(asked)
        self.name = self._identity.name
        self._folder = surroundings.config.running / self.name
        self._last_line = ""

    def live(self, stop: Callable[[], str]) -> str:
        """Boot, wait until the one task is over, and clean up; return the reason of the end.

        ``stop`` may return a reason to end it early.

        :raises InfraError: libvirt or QEMU refuse.
        """
        reason = "it was never started"
        try:
            ended = self._start()
            reason = self._watch(ended, stop)
        except BuildFarmError as error:
            reason = one_line(str(error))
            raise
        finally:
            self._clear(reason)
        return reason

    def _start(self) -> threading.Event:
        config, image = self._around.config, self._image
        reach = network.reach(config.hub_url, self._identity.redis_url)
        self._folder.mkdir(parents=True)
        overlay, disk = self._folder / "overlay.qcow2", self._folder / "identity.img"
        console = self._folder / "console.log"
        base = image.path(image.manifest.disk)
        process.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", overlay],
            timeout=_SECONDS,
        )
        identity.write_disk(self._identity, image, reach, disk, hub_ca=config.hub_ca)
        console.touch(mode=0o600)
        if config.qemu_user:
            process.run(["chown", "-R", f"{config.qemu_user}:", self._folder], timeout=_SECONDS)
        boot = domain_xml.Boot(
            kernel=image.path(image.manifest.kernel),
            initramfs=image.path(image.manifest.initramfs),
            append=image.manifest.append,
        )
        xml = domain_xml.render(
            self._around.definition, name=self.name, owner=self._around.owner, image=image.digest,
            boot=boot, overlay=overlay, identity=disk, console_log=console,
            acceleration=self._around.acceleration, reach=reach,
        )  # fmt: skip
        ended = self._around.hypervisor.start(self.name, xml)
        log.get().info(
            "guest.started",
            guest=self.name,
            image=image.digest[:12],
            accelerator=self._around.acceleration.kind,
        )
        return ended

    def _watch(self, ended: threading.Event, stop: Callable[[], str]) -> str:
        """Wait for the machine's end, or a decision of the hub or the pool.

        :raises InfraError: libvirt is gone, and would not report an end.
        """
        started = time.monotonic()
        joined, over_since, pause = False, 0.0, 1.0
        while not ended.wait(pause):
            if reason := stop():
                return reason
            if self._around.hypervisor.lost():
                raise InfraError(
                    f"the connection to libvirt at {self._around.hypervisor.uri} is lost"
                )
            state = self._ask()
            if state is not None:
                pause = min(5.0, pause * 1.5)
                if state.joined and not joined:
                    joined = True
                    log.get().info(
                        "guest.ready", guest=self.name, seconds=round(time.monotonic() - started, 1)
                    )
                if state.state == "retired":
                    over_since = over_since or time.monotonic()
                    if time.monotonic() - over_since > _GRACE:
                        return (
                            f"its task is over and it did not switch itself off in {_GRACE:.0f} s"
                        )
            if not joined and time.monotonic() - started > self._around.config.boot_seconds:
                return (
                    f"it did not say hello in {self._around.config.boot_seconds} s; "
                    f"its console ends with: {self._tail()}"
                )
        return (
            "it switched itself off"
            if joined
            else f"it ended while booting; its console ends with: {self._tail()}"
        )

    def _ask(self) -> GuestState | None:
        """Return the hub's state of the guest; None while it does not answer.

        A hub that restarts does not end its guests.
        """
        try:
            found = {state.name: state for state in self._around.hub.guests().guests}
        except InfraError as trouble:
            log.get().warning("hub.silent", guest=self.name, reason=str(trouble))
            return None
        return found.get(self.name) or GuestState(name=self.name, state="retired", joined=True)

    def _tail(self) -> str:
        """Return the console's last line that is not empty."""
        try:
            text = (self._folder / "console.log").read_bytes()[-_TAIL:].decode("utf-8", "replace")
        except OSError:
            return "(no console)"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "(nothing)"

    def _clear(self, reason: str) -> None:
        """End the machine, delete its files, revoke its identity; each even if the one before
        failed.
        """
        last = self._tail()
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("destroy", lambda: self._around.hypervisor.destroy(self.name)),
            ("files", lambda: shutil.rmtree(self._folder, ignore_errors=True)),
            ("dismiss", lambda: dismiss(self._around.hub, self.name, reason)),
        )
        for what, act in steps:
            try:
                act()
            except BuildFarmError as error:
                log.get().error("guest.not_cleared", guest=self.name, step=what, reason=str(error))
        log.get().info("guest.gone", guest=self.name, reason=reason, console=last)


def dismiss(hub: GuestHubClient, name: str, reason: str) -> None:
    """Report a guest's end; an unknown one is ignored. :raises InfraError: the hub does not
    answer.
    """
    try:
        hub.dismiss(name, reason)
    except NotFound:
        log.get().info("guest.unknown_to_the_hub", guest=name)
