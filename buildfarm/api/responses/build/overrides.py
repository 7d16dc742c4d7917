"""Engineers' exceptions for single sources."""

from __future__ import annotations

from buildfarm.api.responses.core.base import Answer, Json, Moment, Page


class SourceOverride(Answer):
    """An exception for one source of one target, with who made it and why."""

    id: str
    target: str
    source: str
    settings: Json
    reason: str
    actor: str
    active: bool
    created: Moment


class OverrideList(Page):
    """Overrides, the newest first."""

    overrides: list[SourceOverride]
