"""The pages of a build's whole log, by line numbers and without script, and of its search."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, render_template, request

from buildfarm.api.responses.build.logs import LogHits, LogLines
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.task import Task
from buildfarm_web.api.openapi.operation import reads
from buildfarm_web.api.openapi.queries import LogLinesQuery, LogSearchQuery
from buildfarm_web.app_context import the_hub
from buildfarm_web.read_models.build import builds, log_lines, logs
from buildfarm_web.read_models.build.build_page import tasks_of
from buildfarm_web.read_models.build.logs import LogFile
from buildfarm_web.read_models.core.convert import Json, numbered, stamp

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
    query, is_marked = request.args.get("q", ""), bool(request.args.get("marked"))
    hits = _hits(log) if query.strip() or is_marked else None
    page = None if hits else log_lines.window(log, _line())
    ask = {"marked": "1"} if is_marked else {"q": query} if hits else {"line": str(_line())}
    json_url = f"/api/v1/builds/{found.id}/log/{'search' if hits else 'lines'}?{urlencode({'task': log.task.id, **ask})}"
    return render_template(
        "build/log.html", now=now, json_url=json_url, distribution=the_hub().config.farm.distribution, build=found, tasks=tasks, log=log,
        page=page, hits=hits, query=query, asked=urlencode(ask), step=log_lines.LINES,
    )  # fmt: skip


@blueprint.get("/api/v1/builds/<build>/log/lines")
@reads("builds", LogLines, LogLinesQuery)
def show_lines(build: str) -> Response:
    """The page of the log in which ``line`` stands."""
    return jsonify(log_lines.window(_asked(build)[2], _line()))


@blueprint.get("/api/v1/builds/<build>/log/search")
@reads("builds", LogHits, LogSearchQuery)
def search(build: str) -> Response:
    """The lines in which ``q`` stands, or with ``marked`` those that look like the reason of a
    failure, from the byte ``after`` on.

    :raises InputError: there is nothing to look for.
    """
    return jsonify(_hits(_asked(build)[2]))


def _hits(log: LogFile) -> Json:
    args = request.args
    limit = numbered(args.get("limit"), _HITS, most=1000, least=1)
    if args.get("marked"):
        return log_lines.marked(log, after=_after(), limit=limit)
    return log_lines.search(log, args.get("q", ""), after=_after(), limit=limit)


def _line() -> int:
    return numbered(request.args.get("line"), 1, most=_MOST, least=1)


def _after() -> int:
    return numbered(request.args.get("after"), 0, most=_MOST)
