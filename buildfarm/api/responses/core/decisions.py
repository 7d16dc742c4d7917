"""Responses to decisions and uploads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from buildfarm.api.responses.core.base import ApiResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPaused(ApiResponse):
    """A target that begins nothing more."""

    target: str
    paused: Literal[True]
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResumed(ApiResponse):
    """A target that goes on; ``canceled`` builds were dropped instead."""

    target: str
    paused: Literal[False]
    canceled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPaused(ApiResponse):
    """A drop of which nothing more begins."""

    drop: str
    paused: Literal[True]
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropResumed(ApiResponse):
    """A drop that goes on; ``canceled`` builds were dropped instead."""

    drop: str
    paused: Literal[False]
    canceled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob(ApiResponse):
    """A file in the hub's blob store; ``created`` is false where it was there already (and ``size``
    is not told).
    """

    sha256: str
    created: bool
    size: int | None = None
