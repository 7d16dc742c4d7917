"""Waivers: list, record, revoke."""

from __future__ import annotations

from collections.abc import Iterator

from buildfarm.api_answers.waivers import Waiver, WaiverList
from buildfarm.client.transport import Json, Transport, place


class Waivers:
    """``/waivers``."""

    def __init__(self, transport: Transport) -> None:
        self._hub = transport

    def pages(self, *, everything: bool = False) -> Iterator[WaiverList]:
        """Those in force, or with ``everything`` all that were, page by page, the newest first."""
        return self._hub.pages(WaiverList, "/waivers", all="1" if everything else "")

    def list(self, *, everything: bool = False) -> Iterator[Waiver]:
        """The same one by one."""
        for page in self.pages(everything=everything):
            yield from page.waivers

    def record(self, form: Json) -> Waiver:
        """Accept a difference until a day, in the words of :class:`buildfarm.api_models.WaiverRequest`."""
        return self._hub.change(Waiver, "/waivers", form)

    def revoke(self, waiver: str, *, reason: str) -> Waiver:
        """End one before its day."""
        return self._hub.change(Waiver, place("waivers", waiver, "revoke"), {"reason": reason})
