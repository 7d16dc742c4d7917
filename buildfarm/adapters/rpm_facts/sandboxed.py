"""Runs the readers in the sandbox: many RPMs a run, and one bad file never costs the others their facts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from buildfarm.adapters import sandbox
from buildfarm.adapters.process import MEBIBYTE, Completed
from buildfarm.adapters.rpm_facts.codec import content_from_json, rpm_from_json
from buildfarm.domain.compare.facts import ContentFacts, ContentRequest, RpmFacts
from buildfarm.errors import InfraError

T = TypeVar("T")
R = TypeVar("R")

_HEADERS = "buildfarm.adapters.rpm_facts.headers"
_CONTENTS = "buildfarm.adapters.rpm_facts.contents"
_FEWEST_IN_A_RUN, _MOST_IN_A_RUN = 8, 128
_START_SECONDS = 20.0
_SECONDS_A_FILE, _SECONDS_A_MEBIBYTE = 2.0, 1.0
_MAX_OUTPUT = 256 * MEBIBYTE


class SandboxedReader:
    """Reads RPM files in bubblewrap. ``jobs`` is how many sandboxes run at once, all processors by default."""

    def __init__(self, *, jobs: int | None = None, memory: int = 512 * MEBIBYTE) -> None:
        self._jobs = jobs or os.cpu_count() or 1
        self._memory = memory

    def headers(self, files: Sequence[Path]) -> list[RpmFacts]:
        """Facts of each file, in that order; damage is in ``error``. :raises InfraError: the sandbox does not start."""
        real = [Path(file).resolve() for file in files]
        return self._many(real, self._read_headers)

    def contents(self, requests: Sequence[ContentRequest]) -> list[Mapping[str, ContentFacts]]:
        """Content facts by path of each request, in that order; a file that could not be read has ``error`` set."""
        return self._many(list(requests), self._read_contents)

    def _many(self, items: list[T], read: Callable[[list[T]], list[R]]) -> list[R]:
        """Share the items out to as many runs as keep all processors busy."""
        runs = list(_shares(items, self._jobs))
        if len(runs) <= 1:
            return [answer for run in runs for answer in read(run)]
        with ThreadPoolExecutor(self._jobs) as pool:
            return [answer for answers in pool.map(read, runs) for answer in answers]

    def _read_headers(self, files: list[Path]) -> list[RpmFacts]:
        def run(some: list[Path]) -> tuple[Completed, list[Any]]:
            return self._run(_HEADERS, {"files": [str(file) for file in some]}, some)

        def damaged(file: Path, why: str) -> RpmFacts:
            return RpmFacts(file=str(file), error=why)

        return _each(files, run, rpm_from_json, damaged)

    def _read_contents(self, requests: list[ContentRequest]) -> list[Mapping[str, ContentFacts]]:
        def run(some: list[ContentRequest]) -> tuple[Completed, list[Any]]:
            form = [{"file": item.file, "paths": item.paths, "masks": item.masks} for item in some]
            return self._run(_CONTENTS, {"requests": form}, [Path(item.file) for item in some])

        def unread(request: ContentRequest, why: str) -> Mapping[str, ContentFacts]:
            return {path: ContentFacts(path=path, error=why) for path in request.paths}

        answers = _each(requests, run, lambda form: form, _no_contents)
        results: list[Mapping[str, ContentFacts]] = []
        for request, answer in zip(requests, answers, strict=True):
            try:
                facts = [content_from_json(form) for form in answer["contents"]]
                read = {item.path: item for item in facts}
                why = str(answer["error"]) or "the payload does not hold it"
            except (KeyError, TypeError, ValueError) as error:
                read, why = {}, f"the reader's answer cannot be understood: {error!r}"
            results.append({**unread(request, why), **read})
        return results

    def _run(self, module: str, request: object, files: Sequence[Path]) -> tuple[Completed, list[Any]]:
        """One sandbox; its answers so far, whether it ended well or not."""
        there = [file for file in dict.fromkeys(files) if file.is_file()]
        size = sum(file.stat().st_size for file in there) / MEBIBYTE
        completed = sandbox.python(
            module,
            read_only=there,
            stdin=json.dumps(request).encode(),
            timeout=_START_SECONDS + _SECONDS_A_FILE * len(files) + _SECONDS_A_MEBIBYTE * size,
            memory=self._memory,
            max_output=_MAX_OUTPUT,
            ok=None,
        )
        answers = []
        for line in completed.stdout.split(b"\n")[:-1]:
            try:
                answers.append(json.loads(line))
            except ValueError:
                break
        if not answers or answers[0] != {"ready": True}:
            raise InfraError(
                f"the sandbox for {module} did not start: {completed.error_text[-600:]}", hint="run `buildfarm doctor`"
            )
        return completed, answers[1:]


def _no_contents(_: ContentRequest, why: str) -> dict[str, Any]:
    return {"contents": [], "error": why}


def _shares(items: list[T], jobs: int) -> Iterator[list[T]]:
    size = min(_MOST_IN_A_RUN, max(_FEWEST_IN_A_RUN, -(-len(items) // jobs)))
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _each(
    items: list[T],
    run: Callable[[list[T]], tuple[Completed, list[Any]]],
    decode: Callable[[Any], R],
    failed: Callable[[T, str], R],
) -> list[R]:
    """An answer for every item; the one that a run died on gets a run of its own before it is blamed."""
    results: list[R] = []
    alone = False
    while len(results) < len(items):
        rest = items[len(results) :]
        batch = rest[:1] if alone else rest
        completed, answers = run(batch)
        for item, answer in zip(batch, answers, strict=False):
            try:
                results.append(decode(answer))
            except (KeyError, TypeError, ValueError) as error:
                results.append(failed(item, f"the reader's answer cannot be understood: {error!r}"))
        if len(answers) < len(batch) and len(batch) == 1:
            results.append(failed(batch[0], _why(completed)))
        alone = len(answers) < len(batch) and len(batch) > 1
    return results


def _why(completed: Completed) -> str:
    if completed.stopped:
        return f"reading it was stopped: {completed.stopped}"
    return f"the reader ended with exit code {completed.returncode}: {completed.error_text[-300:]}"
