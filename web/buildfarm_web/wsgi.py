"""Entry point of gunicorn: ``gunicorn 'buildfarm_web.wsgi:application()'``.

Nothing happens at import.
"""

from __future__ import annotations

import gc

from flask import Flask

from buildfarm import bootstrap, log
from buildfarm_web.app import create_app


def application() -> Flask:
    """The application of a real farm, as :mod:`buildfarm.bootstrap` puts it together."""
    log.configure()
    hub, intake, provisioning = bootstrap.web_parts()
    app = create_app(
        hub, intake=intake, provisioning=provisioning, login=bootstrap.login_tools(hub.config),
        limits_storage=bootstrap.redis_url(hub.config),
    )  # fmt: skip
    settle()
    return app


def settle() -> None:
    """Let the collector pass over what is here to stay (``gc.freeze`` in Python's documentation).

    A full collection would walk through every module's objects, a tenth of a second in the middle
    of somebody's page.
    """
    gc.collect()
    gc.freeze()
