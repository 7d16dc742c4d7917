"""Curves over time, drawn by pygal; what it adds for browsers that may run inline script and style
is taken out again.

The picture is its marks and texts alone: colours come from the style sheet, so that dark mode and
the strict Content-Security-Policy hold, and the same figures give the same bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from xml.etree import ElementTree as ET

import pygal
from markupsafe import Markup

from buildfarm.api.responses.target.lag import LagPoint

# pygal 3.0 adds an importer without find_spec, for maps, and Python warns of it at every later
# import; away once pygal has one that fits
sys.meta_path[:] = [
    finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)
]

_HOUR = 3600.0
_SVG = "{http://www.w3.org/2000/svg}"
_DROPPED = frozenset(f"{_SVG}{name}" for name in ("style", "script", "defs", "desc", "title"))
_LABELS = 8


def lag_curve(points: Sequence[LagPoint]) -> Markup | None:
    """Median and nine-in-ten of :func:`buildfarm_web.read_models.target.lag.lag`'s ``over_time``,
    in hours; ``None`` without a point.
    """
    if not points:
        return None
    return _lag_curve(
        tuple((point.at, point.nine_in_ten or 0.0, point.median or 0.0) for point in points)
    )


@lru_cache(maxsize=64)  # the same points for all who look, and pygal takes its time
def _lag_curve(points: tuple[tuple[datetime, float, float], ...]) -> Markup:
    one_day = points[0][0].date() == points[-1][0].date()
    form = "%H:%M" if one_day else "%m-%d"
    labels = [at.strftime(form) for at, *_ in points]
    series = {
        "nine in ten": [_hours(nine_in_ten) for _, nine_in_ten, _ in points],
        "median": [_hours(median) for *_, median in points],
    }
    return line(
        series, labels, title="Hours from the vendor's shipping to our publishing, over time"
    )


def _hours(seconds: float) -> float:
    return round(seconds / _HOUR, 2)


def line(
    series: Mapping[str, Iterable[float | None]], labels: Sequence[str], *, title: str
) -> Markup:
    """A chart with a line a series, as SVG that stands in a page; ``title`` is what a screen reader
    says.
    """
    every = -(-len(labels) // _LABELS)
    chart = pygal.Line(
        css=[], js=[], width=1000, height=240, show_legend=False, margin=4, spacing=6, dots_size=3, x_label_rotation=0, min_scale=3,
        max_scale=5, range=None, include_x_axis=True, show_minor_x_labels=False, truncate_label=-1,
    )  # fmt: skip
    chart.x_labels = labels
    chart.x_labels_major = labels[::every]
    for name, values in series.items():
        chart.add(name, list(values))
    drawn = chart.render(is_unicode=True, disable_xml_declaration=True)
    return Markup(_picture(drawn, title))  # noqa: S704  # ElementTree wrote it: every text in it is escaped


def _picture(drawn: str, title: str) -> str:
    root = ET.fromstring(drawn)  # noqa: S314  # pygal's own, made of numbers and times
    for element in root.iter():
        for child in [child for child in element if child.tag in _DROPPED]:
            element.remove(child)
        element.attrib.pop("style", None)
        element.tag = element.tag.removeprefix(_SVG)
    root.attrib = {
        "class": "curve-chart",
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": title,
    }
    return ET.tostring(root, encoding="unicode")
