"""Builds: list, look, follow, decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

from buildfarm.api.responses.build.builds import (
    Audit,
    Build,
    BuildList,
    BuildLocks,
    BuildOrder,
    BuildPage,
)
from buildfarm.api.responses.build.findings import Findings
from buildfarm.api.responses.build.parity import AttachedReference, BuildParity
from buildfarm.api.responses.schedule.forecast import Why
from buildfarm.client.transport import Transport, path_of
from buildfarm.domain.core.build import JUDGED, NEEDS_NOTHING, BuildState

_FOLLOW_SECONDS = 0.5
_ENDED = frozenset({*NEEDS_NOTHING, BuildState.BUILT, *JUDGED})


class BuildFilters(TypedDict, total=False):
    """Which builds; ``state`` and ``verdict`` may be several, with commas."""

    target: str
    state: str
    verdict: str
    source: str
    drop: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """What a log says from an offset on; ``offset`` is where to go on, in bytes, ``growing``
    whether to.
    """

    text: str
    offset: int
    growing: bool


class Builds:
    """``/builds``. A ``name`` is an id, or name-version-release."""

    def __init__(self, transport: Transport) -> None:
        self._hub = transport

    def list(self, *, limit: int = 1000, **filters: Unpack[BuildFilters]) -> Iterator[Build]:
        """Every build, the newest first; ``limit`` is how many are asked for at a time."""
        for page in self._hub.pages(BuildList, "/builds", limit=limit, **filters):
            yield from page.builds

    def page(
        self, *, limit: int = 100, cursor: str = "", **filters: Unpack[BuildFilters]
    ) -> BuildList:
        """One page of builds."""
        return self._hub.read(BuildList, "/builds", limit=limit, cursor=cursor, **filters)

    def get(self, name: str) -> BuildPage:
        """Everything about one build."""
        return self._hub.read(BuildPage, path_of("builds", name))

    def seen(self, name: str) -> tuple[BuildPage, str]:
        """The same with its ETag: a decision with it holds for what was seen, or fails."""
        found = self._hub.seen(path_of("builds", name))
        return BuildPage.from_json(found.json), found.etag

    def findings(self, name: str) -> Findings:
        """The comparison, worst first."""
        return self._hub.read(Findings, path_of("builds", name, "findings"))

    def why(self, name: str) -> Why:
        """Return why it is where it is, and when it should start."""
        return self._hub.read(Why, path_of("builds", name, "why"))

    def audit(self, name: str) -> Audit:
        """Return what debranding did."""
        return self._hub.read(Audit, path_of("builds", name, "audit"))

    def lock(self, name: str) -> BuildLocks:
        """Its buildroots RPM by RPM."""
        return self._hub.read(BuildLocks, path_of("builds", name, "lock"))

    def parity(self, name: str) -> BuildParity:
        """Its buildroots beside the vendor's, differences first."""
        return self._hub.read(BuildParity, path_of("builds", name, "parity"))

    def attach_reference(self, name: str, text: str, *, arch: str = "") -> AttachedReference:
        """Attach the vendor's buildroot."""
        return self._hub.change(
            AttachedReference, path_of("builds", name, "reference"), {"text": text, "arch": arch}
        )

    def order(self, name: str, *, arch: str = "") -> BuildOrder:
        """Return what is needed to build it once more."""
        return self._hub.read(BuildOrder, path_of("builds", name, "order"), arch=arch)

    def log(self, name: str, *, task: str = "", offset: int = 0) -> LogPart:
        """The log from ``offset`` bytes on."""
        text, headers, size = self._hub.text(
            path_of("builds", name, "log"), task=task, offset=offset
        )
        end = int(headers.get("X-Log-Offset") or offset + size)
        return LogPart(text=text, offset=end, growing=headers.get("X-Log-Growing") == "1")

    def follow_log(
        self, name: str, *, task: str = "", sleep: Callable[[float], None] = time.sleep
    ) -> Iterator[str]:  # fmt: skip
        """The log piece by piece until the build has ended."""
        offset = 0
        while True:
            ended = (
                self.get(name).state in _ENDED
            )  # asked first: what is written until then is read below
            part = self.log(name, task=task, offset=offset)
            offset = part.offset
            if part.text:
                yield part.text
            if ended:
                return
            sleep(_FOLLOW_SECONDS)

    def download(self, name: str, sha256: str, to: Path) -> None:
        """One file of a build, streamed."""
        self._hub.download(path_of("builds", name, "files", sha256), to)

    def cancel(self, name: str, *, reason: str, if_match: str = "") -> Build:
        """End it; a running task learns it with its next heart-beat."""
        return self._act(name, "cancel", reason, if_match)

    def retry(self, name: str, *, reason: str = "", if_match: str = "") -> Build:
        """Send an ended build through the pipeline again."""
        return self._act(name, "retry", reason, if_match)

    def release_hold(self, name: str, *, reason: str, if_match: str = "") -> Build:
        """Let a build on hold go on."""
        return self._act(name, "release-hold", reason, if_match)

    def prioritise(self, name: str, priority: int, *, reason: str, if_match: str = "") -> Build:
        """Let it go before others, or after all others."""
        body = {"priority": priority, "reason": reason}
        return self._hub.change(Build, path_of("builds", name, "priority"), body, if_match=if_match)

    def _act(self, name: str, action: str, reason: str, if_match: str) -> Build:
        return self._hub.change(
            Build, path_of("builds", name, action), {"reason": reason}, if_match=if_match
        )
