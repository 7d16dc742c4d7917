"""What decisions and uploads answer."""

from __future__ import annotations

from typing import Literal

from buildfarm.api.responses.core.base import Answer


class TargetPaused(Answer):
    """A target that begins nothing more."""

    target: str
    paused: Literal[True]
    reason: str
    actor: str


class TargetResumed(Answer):
    """A target that goes on; ``canceled`` builds were dropped instead."""

    target: str
    paused: Literal[False]
    canceled: int


class DropPaused(Answer):
    """A drop of which nothing more begins."""

    drop: str
    paused: Literal[True]
    reason: str
    actor: str


class DropResumed(Answer):
    """A drop that goes on; ``canceled`` builds were dropped instead."""

    drop: str
    paused: Literal[False]
    canceled: int


class StoredBlob(Answer):
    """A file in the hub's blob store; ``created`` is false where it was there already (and ``size``
    is not told).
    """

    sha256: str
    created: bool
    size: int | None = None
