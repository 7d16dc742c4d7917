"""Targets: look, pause, resume; their generations and overrides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from buildfarm.api.responses.build.overrides import OverrideList, SourceOverride
from buildfarm.api.responses.build.parity import AttachedReference
from buildfarm.api.responses.core.base import JsonObject
from buildfarm.api.responses.core.decisions import TargetPaused, TargetResumed
from buildfarm.api.responses.schedule.forecast import TargetOutlook
from buildfarm.api.responses.target.generations import Generation, GenerationList
from buildfarm.api.responses.target.targets import Failures, Seeds, Target, TargetList, TargetPage
from buildfarm.client.transport import Transport, path_of


class Targets:
    """``/targets``, and what belongs to them."""

    def __init__(self, transport: Transport) -> None:
        self._hub = transport

    def list(self) -> Sequence[Target]:
        """Every configured target."""
        return self._hub.read(TargetList, "/targets").targets

    def get(self, name: str) -> TargetPage:
        """One target."""
        return self._hub.read(TargetPage, path_of("targets", name))

    def plan(self, name: str) -> TargetOutlook:
        """Return what comes for it."""
        return self._hub.read(TargetOutlook, path_of("targets", name, "plan"))

    def seeds(self, name: str) -> Seeds:
        """Return what its buildroots still take from a seed, and why."""
        return self._hub.read(Seeds, path_of("targets", name, "seeds"))

    def failures(self, name: str) -> Failures:
        """Its failed builds by cause."""
        return self._hub.read(Failures, path_of("targets", name, "failures"))

    def generations(
        self, *, target: str = "", tag: str = "", limit: int = 100
    ) -> Iterator[Generation]:
        """Every generation, the newest first; ``limit`` is how many are asked for at a time."""
        for page in self._hub.pages(
            GenerationList, "/generations", target=target, tag=tag, limit=limit
        ):
            yield from page.generations

    def pause(self, name: str, *, reason: str) -> TargetPaused:
        """Begin no more of its builds."""
        return self._hub.change(TargetPaused, path_of("targets", name, "pause"), {"reason": reason})

    def resume(self, name: str, *, reason: str = "", cancel_waiting: bool = False) -> TargetResumed:
        """Go on, or cancel what has not begun."""
        body = {"reason": reason, "drop_waiting": cancel_waiting}
        return self._hub.change(TargetResumed, path_of("targets", name, "resume"), body)

    def overrides(
        self, *, target: str = "", source: str = "", everything: bool = False
    ) -> Iterator[SourceOverride]:
        """Overrides in force, or with ``everything`` all that were, the newest first."""
        given = {"target": target, "source": source, "all": "1" if everything else ""}
        for page in self._hub.pages(OverrideList, "/overrides", **given):
            yield from page.overrides

    def override(
        self, target: str, source: str, settings: JsonObject, *, reason: str, remove: bool = False
    ) -> SourceOverride:
        """Record an exception for one source, or end it."""
        body = {
            "target": target,
            "source": source,
            "reason": reason,
            "settings": settings,
            "remove": remove,
        }
        return self._hub.change(SourceOverride, "/overrides", body)

    def attach_reference(self, name: str, text: str, *, arch: str = "") -> AttachedReference:
        """Attach the vendor's buildroot, for builds that have none of their own."""
        return self._hub.change(
            AttachedReference, path_of("targets", name, "reference"), {"text": text, "arch": arch}
        )
