"""What gunicorn starts: ``gunicorn 'buildfarm_web.wsgi:application()'``. Nothing happens at import."""

from __future__ import annotations

from flask import Flask

from buildfarm import bootstrap, log
from buildfarm_web.app import create_app


def application() -> Flask:
    """The application of a real farm, as :mod:`buildfarm.bootstrap` puts it together."""
    log.configure()
    hub, intake, reception = bootstrap.web_parts()
    return create_app(
        hub, intake=intake, reception=reception, login=bootstrap.login_tools(hub.config),
        limits_storage=bootstrap.redis_url(hub.config),
    )  # fmt: skip
