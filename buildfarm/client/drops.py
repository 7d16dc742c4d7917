"""Drops: send, list, look, decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NotRequired, TypedDict, Unpack

from buildfarm.api.responses.core.base import JsonObject
from buildfarm.api.responses.core.decisions import DropPaused, DropResumed
from buildfarm.api.responses.intake.drops import Drop, DropList, DropPage, ReceivedDrop
from buildfarm.api.responses.schedule.forecast import DropPlan
from buildfarm.client.transport import Transport, path_of


class DropFiles(TypedDict):
    """What a drop is made of, as :class:`buildfarm.api.requests.DropRequest` says."""

    srpms: NotRequired[Sequence[JsonObject]]
    binaries: NotRequired[Sequence[JsonObject]]
    dist_git: NotRequired[Sequence[JsonObject]]


class DropOptions(TypedDict, total=False):
    """How a drop is to be treated."""

    name: str
    scratch: bool
    priority: int
    plan_first: bool


class Drops:
    """``/drops``. A ``drop`` is an id, or a beginning of it that only one has."""

    def __init__(self, transport: Transport) -> None:
        self._hub = transport

    def send(self, target: str, files: DropFiles, **options: Unpack[DropOptions]) -> ReceivedDrop:
        """Hand a drop in; its ``url`` is where to follow it.

        The same drop again is the same drop.
        """
        return self._hub.change(ReceivedDrop, "/drops", {"target": target, **options, **files})

    def list(self, *, target: str = "", limit: int = 100) -> Iterator[Drop]:
        """Every drop, the newest first; ``limit`` is how many are asked for at a time."""
        for page in self._hub.pages(DropList, "/drops", target=target, limit=limit):
            yield from page.drops

    def page(self, *, target: str = "", limit: int = 100, cursor: str = "") -> DropList:
        """One page of drops."""
        return self._hub.read(DropList, "/drops", target=target, limit=limit, cursor=cursor)

    def get(self, drop: str) -> DropPage:
        """One drop with its builds."""
        return self._hub.read(DropPage, path_of("drops", drop))

    def plan(self, drop: str) -> DropPlan:
        """Return what comes of it."""
        return self._hub.read(DropPlan, path_of("drops", drop, "plan"))

    def approve(self, drop: str, *, reason: str, if_match: str = "") -> Drop:
        """Let its plan become work."""
        return self._hub.change(
            Drop, path_of("drops", drop, "approve"), {"reason": reason}, if_match=if_match
        )

    def refuse(self, drop: str, *, reason: str, if_match: str = "") -> Drop:
        """Build nothing of it."""
        return self._hub.change(
            Drop, path_of("drops", drop, "refuse"), {"reason": reason}, if_match=if_match
        )

    def release_hold(self, drop: str, *, reason: str) -> Drop:
        """Ingest it in spite of what held it."""
        return self._hub.change(Drop, path_of("drops", drop, "release-hold"), {"reason": reason})

    def pause(self, drop: str, *, reason: str) -> DropPaused:
        """Begin no more of its builds."""
        return self._hub.change(DropPaused, path_of("drops", drop, "pause"), {"reason": reason})

    def resume(self, drop: str, *, reason: str = "", cancel_waiting: bool = False) -> DropResumed:
        """Go on, or cancel what has not begun."""
        body = {"reason": reason, "drop_waiting": cancel_waiting}
        return self._hub.change(DropResumed, path_of("drops", drop, "resume"), body)
