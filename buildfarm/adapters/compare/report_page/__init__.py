"""The HTML page of a comparison, in one file that loads nothing.

``TEMPLATES`` holds ``_comparison.html``, macros that the farm's build page uses as well;
:mod:`.looks` holds the symbols and tones of verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from buildfarm.adapters.compare.report_page import looks
from buildfarm.presentation.finding_words import reading

TEMPLATES = Path(__file__).parent / "templates"


def render(form: Mapping[str, Any], *, title: str) -> str:
    """Return the page for a report's JSON form
    (:func:`buildfarm.domain.compare.report.to_json`).
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters.update(icon=looks.icon, tone=looks.tone)
    return environment.get_template("report.html").render(found=reading(form), title=title)
