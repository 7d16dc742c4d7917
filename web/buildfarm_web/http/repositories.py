"""``/repos``: the tags' repositories and the local seeds, as dnf reads them.

Files only, nothing above the folder.
"""

from __future__ import annotations

import re
from pathlib import Path

from flask import Blueprint, Response, send_file

from buildfarm.errors import NotFound
from buildfarm.services.publish.publishing import KEY_FILE
from buildfarm_web.app_context import the_hub

blueprint = Blueprint("repos", __name__, url_prefix="/repos")

_FOR_EVER = 365 * 24 * 3600
_NUMBER = re.compile(r"^(?:current|released|compose|[0-9]{1,9})$")
_MOVE = ("current", "released")


@blueprint.get(f"/{KEY_FILE}")
def key() -> Response:
    """The distribution's public key."""
    return _send(the_hub().repos, KEY_FILE, max_age=None, mimetype="text/plain")


@blueprint.get("/external/<target>/<repository>/<path:path>")
def external(target: str, repository: str, path: str) -> Response:
    """A local seed of a target. :raises NotFound: no such seed, or no such file in it."""
    hub = the_hub()
    for known in hub.target(target).external:
        if known.id == repository and known.path:
            return _send(hub.config.path(known.path), path, max_age=None)
    raise NotFound(f"target {target} has no local repository {repository}")


@blueprint.get("/<tag>/<number>/<path:path>")
def generation(tag: str, number: str, path: str) -> Response:
    """A file of a generation or a compose, which never changes, or of the one in force.

    :raises NotFound: no such file.
    """
    hub = the_hub()
    tags = [target.tags for target in hub.config.targets.values()]
    if not any(tag in (known.build, known.destination) for known in tags) or not _NUMBER.match(
        number
    ):
        raise NotFound(f"no repository {tag}/{number}", hint="GET /api/v1/generations lists them")
    return _send(
        hub.repos, f"{tag}/{number}/{path}", max_age=None if number in _MOVE else _FOR_EVER
    )


def _send(folder: Path, path: str, *, max_age: int | None, mimetype: str | None = None) -> Response:
    """A file below ``folder``, links followed, hidden files left out."""
    if "\0" in path or any(part.startswith(".") for part in path.split("/")):
        raise NotFound("no such file")
    root = folder.resolve()
    wanted = (root / path).resolve()
    if not wanted.is_relative_to(root) or not wanted.is_file():
        raise NotFound(f"no file {path}")
    kind = mimetype or (
        "application/xml" if wanted.suffix == ".xml" else "application/octet-stream"
    )
    answer = send_file(wanted, mimetype=kind, conditional=True, max_age=max_age)
    if max_age is not None:
        answer.cache_control.public = True
        answer.cache_control.immutable = True
    return answer
