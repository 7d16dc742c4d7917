"""The application factory: blueprints, error pages and headers around collaborators that are handed
in.
"""

from __future__ import annotations

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from jinja2 import ChoiceLoader, FileSystemLoader
from werkzeug.middleware.proxy_fix import ProxyFix

from buildfarm.adapters.compare import report_page
from buildfarm.api.responses.core.base import encode
from buildfarm.ports.intake import Intake
from buildfarm.services.auth.login import LoginTools
from buildfarm.services.build.guests import GuestProvisioning
from buildfarm.services.core.hub import Hub
from buildfarm.wire import MEBIBYTE
from buildfarm_web import app_context
from buildfarm_web.api import accounts as api_accounts
from buildfarm_web.api import composes, decisions, docs, reading, waiver_requests, webhooks, writing
from buildfarm_web.api import overviews as api_overviews
from buildfarm_web.api import subscriptions as api_subscriptions
from buildfarm_web.api.openapi import contract
from buildfarm_web.http import (
    access,
    cookies,
    idempotency,
    monitoring,
    problems,
    rate_limits,
    repositories,
    request_log,
    security,
    static_files,
)
from buildfarm_web.live import following
from buildfarm_web.live import routes as live_routes
from buildfarm_web.pages import (
    accounts,
    badges,
    feeds,
    forms,
    logs,
    main,
    overviews,
    subscriptions,
    template_filters,
)
from buildfarm_web.pages import login as people_pages
from buildfarm_web.pages.drawings import bars, verdict_map, waves
from buildfarm_web.read_models.build.source_status import SourceStatusIndex
from buildfarm_web.read_models.selfhosting.shares import Shares
from buildfarm_web.worker_api import guests, tasks

BODY_LIMIT = 32 * MEBIBYTE
"""A JSON body: a drop that names some 100,000 files, or a report with its lock, fits."""


class _Json(DefaultJSONProvider):
    """Writes responses of :mod:`buildfarm.api.responses` beside what JSON knows."""

    default = staticmethod(encode)
    sort_keys = False


def create_app(
    hub: Hub,
    *,
    intake: Intake,
    provisioning: GuestProvisioning | None = None,
    login: LoginTools | None = None,
    blob_limit: int = 8192 * MEBIBYTE,
    body_limit: int = BODY_LIMIT,
    limits_storage: str = "memory://",
) -> Flask:
    """Make the Flask application.

    :param intake: reads and verifies what workers upload.
    :param provisioning: what guests' identities are made of; without it KVM hosts are refused.
    :param login: what people are let in with; without it tokens alone open something.
    :param blob_limit: the largest file that may be uploaded, in bytes.
    :param body_limit: the largest JSON body, in bytes.
    :param limits_storage: where requests are counted: the farm's Redis, or this process alone.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = body_limit
    app.json = _Json(app)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    own = app.jinja_loader
    assert own is not None
    app.jinja_env.loader = ChoiceLoader([own, FileSystemLoader(report_page.TEMPLATES)])
    live = following.Following(hub.store, hub.config.farm.live)
    made = app_context.AppContext(
        hub=hub,
        intake=intake,
        blob_limit=blob_limit,
        shares=Shares(),
        source_statuses=SourceStatusIndex(),
        provisioning=provisioning,
        login=login,
        live=live,
    )
    app_context.keep(app.extensions, made)
    if proxies := hub.config.farm.login.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]
    template_filters.register(app)
    request_log.register(app)
    app.jinja_env.globals.update(you=access.seen, csrf=cookies.csrf, done=forms.done)
    app.before_request(cookies.guard)
    app.jinja_env.globals.update(
        bar=bars.bar,
        progress=bars.progress,
        wave_rows=waves.rows,
        stage_words=template_filters.STAGES,
    )
    app.jinja_env.filters.update(map_shape=verdict_map.shape, map_many=verdict_map.many_of)
    problems.register(app)
    static_files.register(app)
    security.register(app)
    rate_limits.register(app, hub.config.farm.limits, storage=limits_storage)
    contract.register(app)
    idempotency.register(app)
    for blueprint in (
        reading.blueprint,
        writing.blueprint,
        decisions.blueprint,
        composes.blueprint,
        waiver_requests.blueprint,
        docs.blueprint,
        api_accounts.blueprint,
        tasks.blueprint,
        guests.blueprint,
        webhooks.blueprint,
        repositories.blueprint,
        main.blueprint,
        forms.blueprint,
        people_pages.blueprint,
        accounts.blueprint,
        api_overviews.blueprint,
        overviews.blueprint,
        monitoring.blueprint,
        api_subscriptions.blueprint,
        subscriptions.blueprint,
        feeds.blueprint,
        badges.blueprint,
        logs.blueprint,
        live_routes.blueprint,
    ):
        app.register_blueprint(blueprint)
    return app
