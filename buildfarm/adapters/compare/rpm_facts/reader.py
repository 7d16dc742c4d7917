"""Inside the sandbox: answers a request, a JSON line, with a JSON line for each item.

``{"files": [path, …]}`` asks for headers, ``{"requests": [{"file", "paths", "masks"}, …]}`` for
contents, ``{"pairs": [{"old", "new", "paths", …}, …]}`` for facts that need both sides. The first
line printed is ``{"ready": true}``. Modules that a request does not need are not imported.
"""

# ruff: noqa: PLC0415  # imports inside functions: the first answer must not wait for them

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any


def main() -> int:
    """Answer until standard input ends."""
    emit({"ready": True})
    for line in sys.stdin:
        for answer in _answers(json.loads(line)):
            emit(answer)
    return 0


def emit(form: object) -> None:
    """Print one line and flush it, so that a later crash does not lose it."""
    sys.stdout.write(json.dumps(form, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _answers(request: dict[str, Any]) -> Iterable[object]:
    if "files" in request:
        from buildfarm.adapters.compare.rpm_facts import headers

        yield from headers.answers(request["files"])
    elif "requests" in request:
        from buildfarm.adapters.compare.rpm_facts import contents

        if request.get("at_once"):
            yield from _at_once(contents.answers, request["requests"])
        else:
            yield from contents.answers(request["requests"])
    else:
        from buildfarm.adapters.compare.rpm_facts import both_sides

        yield from both_sides.answers(request["pairs"])


def _at_once(answer: Callable[[list[Any]], Iterator[object]], items: list[Any]) -> Iterator[object]:
    """Yield one answer for each item, each from a process of its own, to use two processors.

    A process that dies leaves no answer; then this one ends as well, and the client notices.
    """
    ends = []
    for item in items[1:]:
        here, there = os.pipe()
        if os.fork() == 0:
            try:
                with os.fdopen(there, "w") as out:
                    out.write(
                        "".join(json.dumps(one, separators=(",", ":")) for one in answer([item]))
                    )
            finally:
                os._exit(0)  # even after an error: the child must not run the parent's code
        os.close(there)
        ends.append(here)
    yield from answer(items[:1])
    for end in ends:
        with os.fdopen(end) as told:
            yield json.loads(told.read())


if __name__ == "__main__":
    sys.exit(main())
