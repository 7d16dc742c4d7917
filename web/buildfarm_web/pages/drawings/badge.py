"""A badge: two words side by side, drawn by anybadge, with a title for whoever does not see it."""

from __future__ import annotations

from anybadge import Badge

COLOURS = {
    "good": "#1f7a3d", "info": "#1f5fa8", "wait": "#5b6472", "warn": "#8a5a00", "hold": "#7a4b9a", "bad": "#b3261e", "mute": "#5b6472",
}  # fmt: skip
"""By the tone of a word; white letters on each have a contrast of 4.5 or more (WCAG AA)."""

_TEMPLATE = """<svg xmlns="http://www.w3.org/2000/svg" width="{{ badge width }}" height="20" role="img" aria-labelledby="said">
<title id="said">{{ label }}: {{ value }}</title>
<clipPath id="round"><rect width="{{ badge width }}" height="20" rx="3"/></clipPath>
<g clip-path="url(#round)"><path fill="#3d4450" d="M0 0h{{ color split x }}v20H0z"/>
<path fill="{{ color }}" d="M{{ color split x }} 0h{{ value width }}v20H{{ color split x }}z"/></g>
<g fill="#fff" text-anchor="middle" font-family="{{ font name }}" font-size="{{ font size }}" aria-hidden="true">
<text x="{{ label anchor }}" y="14">{{ label }}</text><text x="{{ value anchor }}" y="14">{{ value }}</text></g>
</svg>
"""


def draw(label: str, value: str, tone: str) -> str:
    """SVG; the same words give the same bytes.

    >>> "zlib: published</title>" in draw("zlib", "published", "good")
    True
    >>> "<b>" in draw("<b>", "x", "bad")
    False
    """
    return str(Badge(label, value, default_color=COLOURS[tone], template=_TEMPLATE).badge_svg_text)
