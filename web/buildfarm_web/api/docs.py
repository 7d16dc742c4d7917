"""``/api/v1/openapi.json``, and the same to read: made on the server, without script."""

from __future__ import annotations

import re
from importlib.metadata import version

from flask import Blueprint, Response, current_app, jsonify, render_template, url_for
from markupsafe import Markup, escape

from buildfarm_web.api.openapi.document import document
from buildfarm_web.api.openapi.operation import HTML, JSON, reads
from buildfarm_web.app_context import the_hub
from buildfarm_web.read_models.core.convert import Json

blueprint = Blueprint("api_docs", __name__, url_prefix="/api/v1")

_KEY = "buildfarm_openapi"
_CODE = re.compile(r"`([^`]+)`")


def the_document() -> Json:
    """The document of this application, made once."""
    found: Json | None = current_app.extensions.get(_KEY)
    if found is None:
        found = document(
            current_app, title=the_hub().config.farm.distribution, version=version("buildfarm")
        )
        current_app.extensions[_KEY] = found
    return found


@blueprint.app_template_filter("coded")
def coded(text: str) -> Markup:
    """Words with `code` in them, as Markdown has it.

    >>> coded("a `b<c`")
    Markup('a <code>b&lt;c</code>')
    """
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped first


@blueprint.get("/openapi.json")
@reads("farm", JSON)
def show_document() -> Response:
    """The API as an OpenAPI 3.1 document."""
    return jsonify(the_document())


@blueprint.get("/docs")
@reads("farm", HTML)
def show_docs() -> str:
    """The API to read."""
    return render_template(
        "api/api_docs.html",
        it=the_document(),
        json_url=url_for(".show_document"),
        distribution=the_hub().config.farm.distribution,
    )
