"""Responsible SIGs by their names, and how to reach them."""

from __future__ import annotations

from typing import TypedDict

from buildfarm.services.core.hub import Hub


class Responsible(TypedDict):
    """The SIG that answers for something, and how to reach it."""

    sig: str
    contact: str


def names(hub: Hub) -> list[str]:
    """Every SIG that farm.yaml names or that owns a target."""
    return sorted(
        {*hub.config.farm.sigs, *(target.owner.sig for target in hub.config.targets.values())}
        - {""}
    )


def contact_of(hub: Hub, sig: str) -> str:
    """Return how to reach a SIG: its own contact, else that of a target it owns; empty if none is
    written down.
    """
    known = hub.config.farm.sigs.get(sig)
    owned = [
        target.owner.contact for target in hub.config.targets.values() if target.owner.sig == sig
    ]
    return (known.contact if known else "") or next(filter(None, owned), "")


def answers(hub: Hub, target: str, source: str = "") -> Responsible:
    """Return who answers for a source (without one, for a target): ``{sig, contact}``."""
    sig = hub.config.sig_of(target, source)
    return {"sig": sig, "contact": contact_of(hub, sig)}
