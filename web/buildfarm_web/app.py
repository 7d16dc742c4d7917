"""The application factory: blueprints, error pages and headers around collaborators that are handed in."""

from __future__ import annotations

from flask import Flask
from jinja2 import ChoiceLoader, FileSystemLoader

from buildfarm.adapters import report_page
from buildfarm.ports import Intake
from buildfarm.services.guests import Reception
from buildfarm.services.hub import Hub
from buildfarm.wire import MEBIBYTE
from buildfarm_web import (
    api,
    api_decisions,
    api_docs,
    api_writes,
    guest_api,
    idempotency,
    operating,
    pages,
    parts,
    problems,
    rate_limits,
    repos,
    security,
    words,
    worker_api,
)
from buildfarm_web.drawings import bars
from buildfarm_web.openapi import contract
from buildfarm_web.read_models.shares import Shares

BODY_LIMIT = 32 * MEBIBYTE
"""A JSON body: a drop that names some 100,000 files, or a report with its lock, fits."""


def create_app(
    hub: Hub,
    *,
    intake: Intake,
    reception: Reception | None = None,
    blob_limit: int = 8192 * MEBIBYTE,
    body_limit: int = BODY_LIMIT,
    limits_storage: str = "memory://",
) -> Flask:
    """Make the Flask application.

    :param intake: reads and verifies what workers upload.
    :param reception: what guests' identities are made of; without it KVM hosts are refused.
    :param blob_limit: the largest file that may be uploaded, in bytes.
    :param body_limit: the largest JSON body, in bytes.
    :param limits_storage: where requests are counted: the farm's Redis, or this process alone.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = body_limit
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    own = app.jinja_loader
    assert own is not None
    app.jinja_env.loader = ChoiceLoader([own, FileSystemLoader(report_page.TEMPLATES)])
    parts.keep(
        app.extensions, parts.Parts(hub=hub, intake=intake, blob_limit=blob_limit, shares=Shares(), reception=reception)
    )
    words.register(app)
    app.jinja_env.globals.update(bar=bars.bar, progress=bars.progress)
    problems.register(app)
    security.register(app)
    rate_limits.register(app, hub.config.farm.limits, storage=limits_storage)
    contract.register(app)
    idempotency.register(app)
    for blueprint in (
        api.blueprint,
        api_writes.blueprint,
        api_decisions.blueprint,
        api_docs.blueprint,
        worker_api.blueprint,
        guest_api.blueprint,
        repos.blueprint,
        pages.blueprint,
        operating.blueprint,
    ):
        app.register_blueprint(blueprint)
    return app
