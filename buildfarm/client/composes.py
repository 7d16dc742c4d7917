"""Composes: list, look, make, promote, retire."""

from __future__ import annotations

from collections.abc import Iterator

from buildfarm.api.responses.publish.composes import Compose, ComposeList, ComposePage
from buildfarm.client.transport import Transport, path_of


class Composes:
    """``/composes``."""

    def __init__(self, transport: Transport) -> None:
        self._hub = transport

    def list(self, *, target: str = "", limit: int = 100) -> Iterator[Compose]:
        """Every compose, the newest first; ``limit`` is how many are asked for at a time."""
        for page in self._hub.pages(ComposeList, "/composes", target=target, limit=limit):
            yield from page.composes

    def get(self, name: str) -> ComposePage:
        """One compose, and what changed since the one before."""
        return self._hub.read(ComposePage, path_of("composes", name))

    def create(self, target: str, *, generation: str = "", reason: str = "") -> Compose:
        """Name the generation in force, or the one with this id or number."""
        body = {"target": target, "generation": generation, "reason": reason}
        return self._hub.change(Compose, "/composes", body)

    def promote(self, name: str, *, reason: str) -> Compose:
        """Let users have it."""
        return self._hub.change(Compose, path_of("composes", name, "promote"), {"reason": reason})

    def retire(self, name: str, *, reason: str) -> Compose:
        """Hold it no longer."""
        return self._hub.change(Compose, path_of("composes", name, "retire"), {"reason": reason})
