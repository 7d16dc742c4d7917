"""Modules: the RPMs that dnf hides from a buildroot because their stream is not active.

As libdnf filters (docs/dnf "Modularity", libdnf's setModuleExcludes): RPMs of a stream that is
neither enabled nor its module's default are hidden; RPMs of no module are hidden where an active
stream has one of their name, or one that they provide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleStream:
    """One version of one stream: the NEVRAs of its RPMs (epoch always written), and the streams it
    requires by module.
    """

    name: str
    stream: str
    artifacts: tuple[str, ...]
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Modules:
    """The modules of some repositories; ``defaults`` maps a module to its default stream."""

    streams: tuple[ModuleStream, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visibility:
    """NEVRAs of inactive streams, NEVRAs of active ones, and the names of the latter, which hide
    RPMs of no module.
    """

    hidden: frozenset[str]
    shown: frozenset[str]
    names: frozenset[str]


def visibility(modules: Modules, enabled: Sequence[str], platform: str) -> Visibility:
    """Return what is shown and hidden with these streams (``NAME:STREAM``) enabled on a platform
    (``el9``).

    >>> a = ModuleStream(name="a", stream="1", artifacts=("a-0:1-1.x86_64",))
    >>> sorted(visibility(Modules(streams=(a,)), [], "el9").hidden)
    ['a-0:1-1.x86_64']
    >>> sorted(visibility(Modules(streams=(a,)), ["a:1"], "el9").shown)
    ['a-0:1-1.x86_64']
    """
    active = _active(modules, enabled, platform)
    shown = {
        rpm for one in modules.streams if _is_active(one, active, platform) for rpm in one.artifacts
    }
    hidden = {rpm for one in modules.streams for rpm in one.artifacts} - shown
    names = frozenset(_name(rpm) for rpm in shown if not rpm.endswith((".src", ".nosrc")))
    return Visibility(hidden=frozenset(hidden), shown=frozenset(shown), names=names)


def _active(modules: Modules, enabled: Sequence[str], platform: str) -> dict[str, str]:
    """The stream of each module: as enabled, else its default, else the only one that an active
    stream requires.
    """
    active = {**modules.defaults, **dict(one.split(":", 1) for one in enabled)}
    while True:
        needed = {
            name: streams[0]
            for one in modules.streams
            if _is_active(one, active, platform)
            for name, streams in one.requires.items()
            if name not in active and name != "platform" and len(streams) == 1
        }
        if not needed:
            return active
        active |= needed


def _is_active(one: ModuleStream, active: Mapping[str, str], platform: str) -> bool:
    on = one.requires.get("platform", ())
    return active.get(one.name) == one.stream and (not on or platform in on)


def _name(nevra: str) -> str:
    return nevra.rsplit("-", 2)[0]


def unknown_streams(modules: Modules, enabled: Iterable[str]) -> list[str]:
    """Enabled streams that no repository has.

    >>> unknown_streams(Modules(), ["nodejs:18"])
    ['nodejs:18']
    """
    known = {f"{one.name}:{one.stream}" for one in modules.streams}
    return sorted(set(enabled) - known)
