"""The audit log."""

from __future__ import annotations

from buildfarm.api.responses.core.base import Page
from buildfarm.api.responses.core.events import Event


class Act(Event):
    """What a person did; ``about`` names the thing as people do, ``page`` is where it is shown."""

    about: str
    page: str


class ActList(Page):
    """People's acts, the newest first."""

    acts: list[Act]
