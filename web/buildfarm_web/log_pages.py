"""A build's whole log: a page by line numbers that needs no script, its search, and their JSON twins."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, render_template, request

from buildfarm.domain.build import Build
from buildfarm.domain.task import Task
from buildfarm_web.parts import the_hub
from buildfarm_web.read_models import builds, log_lines, logs
from buildfarm_web.read_models.build import tasks_of
from buildfarm_web.read_models.logs import LogFile
from buildfarm_web.read_models.plain import numbered, stamp

blueprint = Blueprint("log_pages", __name__)

_HITS = 100
_MOST = 2**62


def _asked(name: str) -> tuple[Build, list[Task], LogFile, str | None]:
    """The build, its tasks that have a log, the log that was asked for, and the time."""
    hub = the_hub()
    with hub.store.read() as tx:
        build = builds.find_build(tx, name)
        tasks, now = tasks_of(tx, build), stamp(tx.now)
    log = logs.log_of(hub, tasks, request.args.get("task", ""))
    return build, [task for task in tasks if logs.file_of(hub, task)], log, now


@blueprint.get("/builds/<build>/log")
def show_log(build: str) -> str:
    """A page of the log, or with ``q`` the lines in which it stands."""
    found, tasks, log, now = _asked(build)
    query = request.args.get("q", "")
    hits = log_lines.search(log, query, after=_after(), limit=_HITS) if query.strip() else None
    page = None if hits else log_lines.window(log, _line())
    wanted = {"task": log.task.id, **({"q": query} if hits else {"line": _line()})}
    twin = f"/api/v1/builds/{found.id}/log/{'search' if hits else 'lines'}?{urlencode(wanted)}"
    return render_template(
        "log.html", now=now, twin=twin, distribution=the_hub().config.farm.distribution, build=found, tasks=tasks, log=log,
        page=page, hits=hits, query=query, step=log_lines.LINES,
    )  # fmt: skip


@blueprint.get("/api/v1/builds/<build>/log/lines")
def show_lines(build: str) -> Response:
    """The page of the log in which ``line`` stands."""
    return jsonify(log_lines.window(_asked(build)[2], _line()))


@blueprint.get("/api/v1/builds/<build>/log/search")
def search(build: str) -> Response:
    """The lines in which ``q`` stands, from the byte ``after`` on. :raises InputError: there is nothing to look for."""
    limit = numbered(request.args.get("limit"), _HITS, most=1000, least=1)
    return jsonify(log_lines.search(_asked(build)[2], request.args.get("q", ""), after=_after(), limit=limit))


def _line() -> int:
    return numbered(request.args.get("line"), 1, most=_MOST, least=1)


def _after() -> int:
    return numbered(request.args.get("after"), 0, most=_MOST)
