"""A page is a template over one read model, with its JSON representation beside it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import render_template, request

from buildfarm_web.api.openapi.contract import json_url_of
from buildfarm_web.app_context import the_hub


def render(template: str, now: str | datetime | None, **values: Any) -> str:  # noqa: ANN401  # a template takes anything
    """Return the page; its JSON representation is ``/api/v1`` and the same path and query."""
    json_url = json_url_of(request.path, request.args)
    distribution = the_hub().config.farm.distribution
    return render_template(
        template, now=now, json_url=json_url, distribution=distribution, **values
    )
