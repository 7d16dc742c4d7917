"""Inside the sandbox: answers requests, a JSON line each, with a JSON line for each thing asked
for.

``{"files": [path, …]}`` asks for headers, ``{"requests": [{"file", "paths", "masks"}, …]}`` for
contents, ``{"pairs": [{"old", "new", "paths", …}, …]}`` for what takes both sides. The first line
printed is ``{"ready": true}``; what a request does not need is not imported.
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
    """One line, at once: whatever crashes later, this one is told."""
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
    """One answer for each item, by a process each: where there are only two RPMs, two processors
    read them.

    A process that dies leaves no answer; then this one ends as well, and whoever asked sees that.
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
                os._exit(0)  # whatever broke: the other process must not be lived twice
        os.close(there)
        ends.append(here)
    yield from answer(items[:1])
    for end in ends:
        with os.fdopen(end) as told:
            yield json.loads(told.read())


if __name__ == "__main__":
    sys.exit(main())
