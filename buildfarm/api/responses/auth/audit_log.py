"""The audit log."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.core.base import ListPage
from buildfarm.api.responses.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Act(Event):
    """An act of a person; ``about`` names the thing as people do, ``page`` is where it is shown."""

    about: str
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActList(ListPage):
    """People's acts, the newest first."""

    acts: list[Act]
