"""Engineers' exceptions for single sources."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.core.base import ApiResponse, JsonObject, ListPage, Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOverride(ApiResponse):
    """An exception for one source of one target, with who made it and why."""

    id: str
    target: str
    source: str
    settings: JsonObject
    reason: str
    actor: str
    active: bool
    created: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideList(ListPage):
    """Overrides, the newest first."""

    overrides: list[SourceOverride]
