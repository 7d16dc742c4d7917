"""The application factory: blueprints, error pages and headers around collaborators that are handed in."""

from __future__ import annotations

from flask import Flask
from jinja2 import ChoiceLoader, FileSystemLoader
from werkzeug.middleware.proxy_fix import ProxyFix

from buildfarm.adapters import report_page
from buildfarm.ports.intake import Intake
from buildfarm.services.guests import Reception
from buildfarm.services.hub import Hub
from buildfarm.services.logging_in import LoginTools
from buildfarm.wire import MEBIBYTE
from buildfarm_web import (
    access,
    account_pages,
    api,
    api_asks,
    api_composes,
    api_decisions,
    api_docs,
    api_people,
    api_views,
    api_writes,
    badges,
    cookies,
    feeds,
    guest_api,
    hooks_api,
    idempotency,
    log_pages,
    operating,
    page_actions,
    pages,
    parts,
    people_pages,
    problems,
    rate_limits,
    repos,
    request_log,
    security,
    static_files,
    telling_api,
    telling_pages,
    views,
    words,
    worker_api,
)
from buildfarm_web.drawings import bars, verdict_map, waves
from buildfarm_web.live import following
from buildfarm_web.live import routes as live_routes
from buildfarm_web.openapi import contract
from buildfarm_web.read_models.shares import Shares
from buildfarm_web.read_models.standings import Standings

BODY_LIMIT = 32 * MEBIBYTE
"""A JSON body: a drop that names some 100,000 files, or a report with its lock, fits."""


def create_app(
    hub: Hub,
    *,
    intake: Intake,
    reception: Reception | None = None,
    login: LoginTools | None = None,
    blob_limit: int = 8192 * MEBIBYTE,
    body_limit: int = BODY_LIMIT,
    limits_storage: str = "memory://",
) -> Flask:
    """Make the Flask application.

    :param intake: reads and verifies what workers upload.
    :param reception: what guests' identities are made of; without it KVM hosts are refused.
    :param login: what people are let in with; without it tokens alone open something.
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
    live = following.Following(hub.store, hub.config.farm.live)
    made = parts.Parts(
        hub=hub,
        intake=intake,
        blob_limit=blob_limit,
        shares=Shares(),
        standings=Standings(),
        reception=reception,
        login=login,
        live=live,
    )
    parts.keep(app.extensions, made)
    if proxies := hub.config.farm.login.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]
    words.register(app)
    request_log.register(app)
    app.jinja_env.globals.update(you=access.seen, csrf=cookies.csrf, done=page_actions.done)
    app.before_request(cookies.guard)
    app.jinja_env.globals.update(bar=bars.bar, progress=bars.progress, wave_rows=waves.rows, stage_words=words.STAGES)
    app.jinja_env.filters.update(map_shape=verdict_map.shape, map_many=verdict_map.many_of)
    problems.register(app)
    static_files.register(app)
    security.register(app)
    rate_limits.register(app, hub.config.farm.limits, storage=limits_storage)
    contract.register(app)
    idempotency.register(app)
    for blueprint in (
        api.blueprint,
        api_writes.blueprint,
        api_decisions.blueprint,
        api_composes.blueprint,
        api_asks.blueprint,
        api_docs.blueprint,
        api_people.blueprint,
        worker_api.blueprint,
        guest_api.blueprint,
        hooks_api.blueprint,
        repos.blueprint,
        pages.blueprint,
        page_actions.blueprint,
        people_pages.blueprint,
        account_pages.blueprint,
        api_views.blueprint,
        views.blueprint,
        operating.blueprint,
        telling_api.blueprint,
        telling_pages.blueprint,
        feeds.blueprint,
        badges.blueprint,
        log_pages.blueprint,
        live_routes.blueprint,
    ):
        app.register_blueprint(blueprint)
    return app
