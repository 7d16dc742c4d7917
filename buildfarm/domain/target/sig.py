"""A SIG: a group of people who answer for some sources, wherever they are built, and for the
targets they own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Sig:
    """One SIG of ``farm.yaml``; ``sources`` are glob patterns over source names (fnmatch(3), case
    counts).
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    title: str = ""
    contact: str = ""
    sources: tuple[str, ...] = ()

    def claims(self, source: str) -> int:
        """Return how exactly it names ``source``: the letters of its longest matching pattern
        without wildcards, else -1.

        >>> virt = Sig(sources=("qemu*", "libvirt"))
        >>> virt.claims("qemu-kvm"), virt.claims("libvirt"), virt.claims("bash")
        (4, 7, -1)
        """
        fitting = [len(one.strip("*?")) for one in self.sources if fnmatchcase(source, one)]
        return max(fitting, default=-1)


def sig_of(sigs: Mapping[str, Sig], source: str, *, owner: str) -> str:
    """Return the SIG that answers for ``source``: the one whose pattern is most exact, else the
    target's ``owner``.

    >>> sigs = {"core": Sig(sources=("*",)), "virt": Sig(sources=("qemu*",))}
    >>> sig_of(sigs, "qemu-kvm", owner="base"), sig_of(sigs, "bash", owner="base")
    ('virt', 'core')
    >>> sig_of({}, "bash", owner="base")
    'base'
    """
    best = max(sigs, key=lambda name: (sigs[name].claims(source), name), default=None)
    return best if best is not None and sigs[best].claims(source) >= 0 else owner
