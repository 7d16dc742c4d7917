"""Waivers: list, record, revoke."""

from __future__ import annotations

from collections.abc import Iterator

from buildfarm.api.responses.build.waivers import Waiver, WaiverList, WaiverRequest
from buildfarm.api.responses.core.base import JsonObject
from buildfarm.client.transport import Transport, path_of


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

    def record(self, form: JsonObject) -> Waiver:
        """Accept a difference until a day, in the words of
        :class:`buildfarm.api.requests.WaiverBody`.
        """
        return self._hub.change(Waiver, "/waivers", form)

    def revoke(self, waiver: str, *, reason: str) -> Waiver:
        """End one before its day."""
        return self._hub.change(Waiver, path_of("waivers", waiver, "revoke"), {"reason": reason})

    def request(self, build: str, form: JsonObject) -> WaiverRequest:
        """Request a waiver, in the words of :class:`buildfarm.api.requests.WaiverRequestBody`."""
        return self._hub.change(WaiverRequest, path_of("builds", build, "request-waiver"), form)

    def grant(self, ask: str, *, owner: str, expires: str, reason: str = "") -> WaiverRequest:
        """Record what was asked for, until ``expires`` (``YYYY-MM-DD``)."""
        body = {"owner": owner, "expires": expires, "reason": reason}
        return self._hub.change(WaiverRequest, path_of("waiver-requests", ask, "grant"), body)

    def decline(self, ask: str, *, reason: str) -> WaiverRequest:
        """Refuse what was asked for."""
        return self._hub.change(
            WaiverRequest, path_of("waiver-requests", ask, "decline"), {"reason": reason}
        )
