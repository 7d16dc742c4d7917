"""libvirt: transient machines that end with the process that started them.

The bindings belong to the system's own Python, like rpm's; without them, everything here raises
InfraError.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

from buildfarm.errors import InfraError, NotFound

NAMESPACE = "urn:buildfarm:guest"
"""The XML namespace of our element in a domain's metadata."""
_KEEPALIVE_SECONDS, _KEEPALIVE_MISSED = 10, 6
"""A daemon on a host whose processors emulate machines may be slow to answer; it is not gone for
that.
"""


class _Named(Protocol):
    def name(self) -> str: ...


def _bindings() -> ModuleType:
    try:
        import libvirt  # noqa: PLC0415  # only a KVM host has it
    except ImportError as error:
        raise InfraError(
            f"libvirt's Python bindings: {error}", hint="install python3-libvirt"
        ) from error
    return libvirt  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One domain as libvirt reports it; ``metadata`` are the attributes of our element in it."""

    name: str
    state: str
    kind: str
    metadata: dict[str, str]


class Hypervisor:
    """One connection; libvirt destroys its machines when the connection ends for any reason."""

    def __init__(self, uri: str) -> None:
        """Connect. :raises InfraError: no daemon answers at ``uri``."""
        self.uri = uri
        self._libvirt = _bindings()
        # Errors are raised; libvirt would also print them.
        self._libvirt.registerErrorHandler(lambda *_: None, None)
        _run_events(self._libvirt)
        self._ended: dict[str, threading.Event] = {}
        with self._translated(f"libvirt at {uri}", hint="is libvirtd up? `virsh -c URI version`"):
            self._connection = self._libvirt.open(uri)
            self._connection.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_MISSED)
            self._connection.domainEventRegisterAny(
                None, self._libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle, None
            )

    def _on_lifecycle(self, _connection: object, domain: _Named, event: int, *_: object) -> None:
        over = (self._libvirt.VIR_DOMAIN_EVENT_STOPPED, self._libvirt.VIR_DOMAIN_EVENT_CRASHED)
        if event in over and (ended := self._ended.get(domain.name())):
            ended.set()

    @contextmanager
    def _translated(self, what: str, *, hint: str = "") -> Iterator[None]:
        try:
            yield
        except self._libvirt.libvirtError as error:
            raise InfraError(f"{what}: {error}", hint=hint) from error

    def start(self, name: str, xml: str) -> threading.Event:
        """Start a transient machine; return an event that is set when it ends.

        :raises InfraError: libvirt or QEMU refuses.
        """
        ended = self._ended[name] = threading.Event()
        try:
            with self._translated(f"machine {name}", hint="virt-host-validate qemu"):
                self._connection.createXML(xml, self._libvirt.VIR_DOMAIN_START_AUTODESTROY)
        except InfraError:
            del self._ended[name]
            raise
        return ended

    def destroy(self, name: str) -> None:
        """End a machine at once, if it still exists.

        :raises InfraError: libvirt does not answer.
        """
        self._ended.pop(name, None)
        with self._translated(f"machine {name}"):
            try:
                self._connection.lookupByName(name).destroy()
            except self._libvirt.libvirtError as error:
                gone = (self._libvirt.VIR_ERR_NO_DOMAIN, self._libvirt.VIR_ERR_OPERATION_INVALID)
                if error.get_error_code() not in gone:
                    raise

    def machines(self) -> list[Machine]:
        """Return every machine that has our element in its metadata.

        :raises InfraError: libvirt does not answer.
        """
        found = []
        with self._translated(f"libvirt at {self.uri}"):
            for domain in self._connection.listAllDomains():
                # It ended just now, or it belongs to another program.
                with suppress(self._libvirt.libvirtError):
                    text = domain.metadata(self._libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE)
                    state = "running" if domain.isActive() else "off"
                    found.append(
                        Machine(
                            name=domain.name(),
                            state=state,
                            kind=domain.OSType(),
                            metadata=_attributes(text),
                        )
                    )
        return found

    def machine(self, name: str) -> Machine:
        """Return one of our machines. :raises NotFound: there is none of that name."""
        for machine in self.machines():
            if machine.name == name:
                return machine
        raise NotFound(f"no guest {name} at {self.uri}", hint="`buildfarm guests list` shows them")

    def lost(self) -> bool:
        """Check whether libvirt is gone: the connection and its machines do not come back."""
        return not self._connection.isAlive()

    def version(self) -> str:
        """Return libvirt's and QEMU's versions."""
        with self._translated(f"libvirt at {self.uri}"):
            libvirt, qemu = self._connection.getLibVersion(), self._connection.getVersion()
        return f"libvirt {_dotted(libvirt)}, QEMU {_dotted(qemu)}"

    def close(self) -> None:
        """Leave; machines that still run are destroyed by libvirt."""
        with suppress(self._libvirt.libvirtError):
            self._connection.close()


def _attributes(text: str) -> dict[str, str]:
    from xml.etree import ElementTree as ET  # noqa: PLC0415  # our own line, as libvirt gives it back

    return dict(ET.fromstring(text).attrib)  # noqa: S314


def _dotted(number: int) -> str:
    """Undo libvirt's way to write a version as a number.

    >>> _dotted(7002022)
    '7.2.22'
    """
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


_events: threading.Thread | None = None


def _run_events(libvirt: ModuleType) -> None:
    """Start the thread of libvirt's events, once per process."""
    global _events  # noqa: PLW0603  # the implementation is registered with the library once
    if _events is not None:
        return
    libvirt.virEventRegisterDefaultImpl()

    def forever() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    _events = threading.Thread(target=forever, name="libvirt-events", daemon=True)
    _events.start()
