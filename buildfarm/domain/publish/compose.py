"""Composes: named, immutable release states of a target; their names, their states, and the one
that users get.

A name is productmd's compose id, ``SHORT-VERSION-DATE.RESPIN`` (productmd's documentation,
"Compose"): ``reef-9-20261128.0`` is the first of that day. The contents of a compose never change;
its state does.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from buildfarm.domain.target.target import Target
from buildfarm.errors import IllegalTransition


class ComposeState(enum.StrEnum):
    """In testing; released to users, now or earlier; retired."""

    TESTING = "testing"
    RELEASED = "released"
    RETIRED = "retired"


_NEXT = {
    ComposeState.TESTING: (ComposeState.RELEASED, ComposeState.RETIRED),
    ComposeState.RELEASED: (ComposeState.RETIRED,),
    ComposeState.RETIRED: (),
}
HOLDING = (ComposeState.TESTING, ComposeState.RELEASED)
"""States in which a compose keeps the files of its generation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compose:
    """One generation of a target's destination tag under a name (``id``).

    ``build_generation`` is the build tag's of that moment. ``written`` is when its folder stood;
    ``released`` when it was promoted. Each state says who chose it and why.
    """

    id: str
    target: str
    tag: str
    generation: str
    number: int
    build_generation: str = ""
    state: ComposeState = ComposeState.TESTING
    actor: str
    reason: str = ""
    created: datetime
    written: datetime | None = None
    released: datetime | None = None
    released_by: str = ""
    released_why: str = ""
    retired: datetime | None = None
    retired_by: str = ""
    retired_why: str = ""

    @property
    def path(self) -> str:
        """Return the folder of the compose, below that of all repositories."""
        return f"{self.tag}/compose/{self.id}"

    def check(self, to: ComposeState) -> None:
        """:raises IllegalTransition: ``to`` does not follow the state it is in."""
        if to not in _NEXT[self.state]:
            raise IllegalTransition(
                f"compose {self.id} is {self.state}, it cannot become {to}",
                hint="make a new compose of the generation",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A target as a product: ``short`` and ``version`` for names, ``title`` for people, the
    ``base`` of a layered one.
    """

    title: str
    short: str
    version: str
    base: Release | None = None

    @property
    def stem(self) -> str:
        """Return what the names of its composes begin with."""
        own = f"{self.short}-{self.version}"
        return f"{own}-{self.base.short}-{self.base.version}" if self.base else own


def release_of(target: Target, base: Target | None = None) -> Release:
    """The product of a target: its name without the version that its buildroot has, in the letters
    productmd allows.

    Of a layered target the base's name, which names it already, is left out: ``reef-9-virt`` on
    ``reef-9`` is ``virt`` 9.
    """
    below = release_of(base) if base else None
    name = target.name.removeprefix(f"{base.name}-") if base else target.name
    name = name.removesuffix(f"-{target.buildroot.releasever}")
    return Release(
        title=target.title, short=_short(name), version=target.buildroot.releasever, base=below
    )


def _short(name: str) -> str:
    """A name as productmd's RELEASE_SHORT_RE wants it.

    >>> _short("reef"), _short("Alma_like.9"), _short("9th")
    ('reef', 'alma-like-9', 'r9th')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return plain if plain[:1].isalpha() else f"r{plain}"


def next_id(release: Release, today: date, taken: Iterable[str]) -> str:
    """The name of the next compose of a day; ``taken`` are those that there are.

    >>> reef = Release(title="Reef 9", short="reef", version="9")
    >>> next_id(reef, date(2026, 11, 28), [])
    'reef-9-20261128.0'
    >>> taken = ["reef-9-20261128.9", "reef-9-20261128.10", "reef-9-20261127.11"]
    >>> next_id(reef, date(2026, 11, 28), taken)
    'reef-9-20261128.11'
    """
    stem = f"{release.stem}-{today:%Y%m%d}."
    respins = [int(one.removeprefix(stem)) for one in taken if one.startswith(stem)]
    return f"{stem}{max(respins, default=-1) + 1}"


def day_and_respin(name: str) -> tuple[str, int]:
    """The last parts of a compose's name.

    >>> day_and_respin("reef-9-20261128.0")
    ('20261128', 0)
    """
    day, _, respin = name.rpartition("-")[2].partition(".")
    return day, int(respin)


def in_force(composes: Iterable[Compose]) -> Compose | None:
    """Return the compose of a tag that users get: the one promoted last that is not retired."""
    released = [
        one for one in composes if one.state is ComposeState.RELEASED and one.released is not None
    ]
    return max(released, key=lambda one: (one.released, one.id), default=None)
