"""Filters of templates: times, sizes and shares for people, and for each word its symbol and
tone.

A state or verdict is always its word; the symbol and the colour only help the eye.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from flask import Flask
from markupsafe import Markup

from buildfarm.adapters.compare.report_page.looks import SYMBOLS, VERDICTS
from buildfarm.api.responses.core.base import stamp

Time = str | datetime
"""A time of a response, or as JSON has it."""

ICONS: Mapping[str, str] = {
    **SYMBOLS,
    "play": "M5 3.4v9.2L12.6 8z",
    "clock": "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 1 0 8 2.2M8 5v3.2l2.2 1.4",
    "pause": "M5.4 3.5v9M10.6 3.5v9",
    "alert": "M8 2.4L14.3 13.2H1.7zM8 6.6v3M8 11.3v.1",
    "swap": "M3 5.6h9.4L10 3.2M13 10.4H3.6L6 12.8",
    "box": "M2.5 5L8 2.2 13.5 5v6L8 13.8 2.5 11zM2.5 5L8 7.8 13.5 5M8 7.8v6",
}

_LOOKS: Mapping[str, tuple[str, str]] = {
    # builds and drops
    "received": ("clock", "wait"), "ingested": ("dot", "wait"), "debranded": ("dot", "wait"),
    "waiting": ("clock", "wait"), "queued": ("clock", "wait"), "building": ("play", "info"), "built": ("box", "info"),
    "comparing": ("swap", "info"), "compared": ("swap", "info"), "refused": ("alert", "warn"), "published": ("check", "good"),
    "on_hold": ("pause", "hold"), "failed": ("cross", "bad"), "canceled": ("ban", "mute"),
    "excluded": ("minus", "mute"),
    **VERDICTS,
    # tasks
    "FREE": ("clock", "wait"), "ASSIGNED": ("clock", "wait"), "OPEN": ("play", "info"), "CLOSED": ("check", "good"),
    "CANCELED": ("ban", "mute"), "FAILED": ("cross", "bad"),
    # triggers
    "listening": ("check", "good"), "failing": ("alert", "warn"),
    # workers, generations, gate, needs
    "ready": ("check", "good"), "drained": ("pause", "hold"), "lost": ("cross", "bad"), "staged": ("clock", "wait"),
    "broken": ("cross", "bad"), "passed": ("check", "good"), "stuck": ("alert", "warn"),
    # composes
    "testing": ("clock", "wait"), "released": ("check", "good"), "retired": ("minus", "mute"),
    # changes between two buildroots or generations
    "added": ("plus", "good"), "removed": ("minus", "bad"), "updated": ("swap", "info"), "rebuilt": ("box", "wait"),
}  # fmt: skip

STAGES: Mapping[str, str] = {
    "arriving": "arriving here", "ingest": "verified and debranded", "waiting": "waiting", "building": "building",
    "comparing": "comparing", "publishing": "publishing", "held": "held for a person",
}  # fmt: skip
"""Meaning of the stages of :mod:`buildfarm.domain.core.lag` to a reader."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_SPANS = ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s"))
_KIB = 1024


def icon(word: str) -> str:
    """The path of a word's symbol, on a grid of 16."""
    return ICONS[_LOOKS.get(word, ("dot", "mute"))[0]]


def tone(word: str) -> str:
    """The tone of a word: ``good``, ``info``, ``wait``, ``warn``, ``hold``, ``bad`` or ``mute``."""
    return _LOOKS.get(word, ("dot", "mute"))[1]


def said(word: str) -> str:
    """A word as people write it.

    >>> said("on_hold"), said("COMPATIBLE")
    ('on hold', 'COMPATIBLE')
    """
    return word.replace("_", " ")


@lru_cache(maxsize=256)
def symbol(word: str) -> Markup:
    """A word's symbol, to stand beside it."""
    drawn = '<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="{}"/></svg>'
    return Markup(drawn).format(icon(word))  # noqa: S704  # ours


@lru_cache(maxsize=256)
def badge(word: str, size: str = "") -> Markup:
    """A word with its symbol and tone; nothing for no word.

    Pages have hundreds of them, of few words.
    """
    look = f" {size}" if size else ""
    drawn = '<span class="badge tone-{}{}">{}<span>{}</span></span>'
    return Markup(drawn).format(tone(word), look, symbol(word), said(word)) if word else Markup()  # noqa: S704  # ours


def duration(seconds: float | None) -> str:
    """A span of time.

    >>> [duration(s) for s in (None, 0.42, 12.3, 200, 7300, 200000)]
    ['', '0.4 s', '12 s', '3 min 20 s', '2 h 1 min', '2 d 7 h']
    """
    if seconds is None:
        return ""
    if seconds < 10:  # noqa: PLR2004  # below ten seconds a tenth matters
        return f"{seconds:.1f} s" if round(seconds, 1) else "at once"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    span, name, smaller, small_name = next(found for found in _SPANS if whole >= found[0])
    return f"{whole // span} {name} {whole % span // smaller} {small_name}"


def iso(when: Time) -> str:
    """A time as HTML and JSON have it."""
    return stamp(when) if isinstance(when, datetime) else when


def moment(when: Time) -> datetime:
    """A JSON time as a datetime."""
    known = when if isinstance(when, datetime) else datetime.fromisoformat(when)
    return known.astimezone(UTC)


def ago(when: Time | None, now: Time) -> str:
    """Return how long ago, coarse enough to stand for a while.

    >>> ago("2026-01-01T00:00:00.000Z", "2026-01-01T00:05:10.000Z")
    '5 min ago'
    """
    if not when:
        return "never"
    seconds = (moment(now) - moment(when)).total_seconds()
    if seconds < 45:  # noqa: PLR2004  # as good as now
        return "just now"
    for size, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {name} ago"
    return "1 min ago"


def clock(when: Time | None) -> str:
    """The time of day."""
    return moment(when).strftime("%H:%M:%S") if when else ""


def day(when: Time | None) -> str:
    """Day and time to the minute."""
    return moment(when).strftime("%Y-%m-%d %H:%M") if when else ""


def size(count: int | float | None) -> str:
    """A number of bytes.

    >>> size(0), size(2048), size(5 * 1024 * 1024)
    ('0 B', '2.0 KiB', '5.0 MiB')
    """
    amount = float(count or 0)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < _KIB:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _KIB
    return f"{amount:.1f} TiB"


def is_digest(text: str) -> bool:
    """Return whether a text is a SHA-256, which pages show short."""
    return len(text) == 64 and not set(text) - set("0123456789abcdef")  # noqa: PLR2004  # hexadecimal digits


def percent(share: float | None) -> str:
    """A share; never "100 %" unless it is all, never "0 %" unless it is nothing.

    >>> percent(1.0), percent(0.9999), percent(0.25), percent(0.0001), percent(None)
    ('100 %', '99.9 %', '25 %', '0.1 %', 'not known')
    """
    if share is None:
        return "not known"
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    shown = min(max(share * 100, 0.1), 99.9)
    return f"{shown:.1f} %".replace(".0 %", " %")


def register(app: Flask) -> None:
    """Make the words known to the templates of ``app``."""
    app.jinja_env.filters.update(
        icon=icon, symbol=symbol, badge=badge, tone=tone, said=said, duration=duration, ago=ago, clock=clock, iso=iso,
        is_digest=is_digest, day=day, bytes=size, percent=percent,
    )  # fmt: skip
