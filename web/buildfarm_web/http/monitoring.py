"""Endpoints for monitoring: ``/metrics`` (Prometheus), ``/healthz`` (this process
lives), ``/readyz`` (the farm works).
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from buildfarm.domain.core.records import Leader
from buildfarm.errors import BuildFarmError
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.read_models.overview.metrics import Figures

blueprint = Blueprint("operating", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """The farm in figures, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(the_hub()))
    registry.register(app_context().live)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


@blueprint.get("/healthz")
def healthz() -> Response:
    """200 while this process answers; it looks at nothing else, so that a broken database restarts
    nobody.
    """
    return jsonify({"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> tuple[Response, HTTPStatus]:
    """200 while the store answers and a scheduler leads, else 503 with what is missing."""
    problems: list[str] = []
    try:
        with the_hub().store.read() as tx:
            leader = tx.first(Leader, id="scheduler")
            if leader is None or leader.until <= tx.now:
                problems.append(
                    f"no scheduler leads{f' since {leader.until:%Y-%m-%d %H:%M:%S} UTC' if leader else ''}"
                )
    except BuildFarmError as error:
        problems.append(f"the store does not answer: {error}")
    status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
    return jsonify({"status": "not ready" if problems else "ok", "problems": problems}), status
