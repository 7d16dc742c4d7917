"""Run the readers in the sandbox: many RPMs in one run, without losing others to a damaged file."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from buildfarm.adapters.compare.rpm_facts.codec import rpm_from_json
from buildfarm.adapters.compare.rpm_facts.content_codec import (
    both_sides_from_json,
    content_from_json,
)
from buildfarm.adapters.compare.rpm_facts.reader_process import MEMORY, READER, ReaderProcess
from buildfarm.adapters.system import sandbox
from buildfarm.adapters.system.process import MEBIBYTE, Completed
from buildfarm.domain.compare.facts.content_facts import (
    AbiFacts,
    BothSides,
    ContentFacts,
    ContentRequest,
    PairRequest,
)
from buildfarm.domain.compare.facts.facts import RpmFacts
from buildfarm.errors import InfraError

T = TypeVar("T")
R = TypeVar("R")

_FEWEST_IN_A_RUN, _MOST_IN_A_RUN = 8, 128
_START_SECONDS = 20.0
_SECONDS_A_FILE, _SECONDS_A_MEBIBYTE = 2.0, 1.0
_MAX_OUTPUT = 256 * MEBIBYTE
_MEMORY_OF_BOTH, _SECONDS_A_PAIR = 2048 * MEBIBYTE, 150.0


class SandboxedReader:
    """Reads RPM files in bubblewrap.

    ``jobs`` is the number of concurrent sandboxes, all processors by default. Files in the folders
    ``keep`` are read by sandboxes that see the whole folders and stay until :meth:`close`.
    """

    def __init__(
        self, *, jobs: int | None = None, memory: int = MEMORY, keep: Sequence[Path] = ()
    ) -> None:
        self._jobs = jobs or os.cpu_count() or 1
        self._memory = memory
        self._keep = [folder.resolve() for folder in keep]
        self._idle: list[ReaderProcess] = []
        self._lock = threading.Lock()

    def __enter__(self) -> SandboxedReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the kept sandboxes."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.close()

    def headers(self, files: Sequence[Path]) -> list[RpmFacts]:
        """Return the facts of each file, in that order; damage is in ``error``.

        :raises InfraError: the sandbox does not start.
        """
        real = [Path(file).resolve() for file in files]
        return self._many(real, self._read_headers)

    def contents(self, requests: Sequence[ContentRequest]) -> list[Mapping[str, ContentFacts]]:
        """Return content facts by path for each request, in that order; ``error`` holds a
        failure.
        """
        return self._many(list(requests), self._read_contents)

    def _many(self, items: list[T], read: Callable[[list[T]], list[R]]) -> list[R]:
        """Distribute the items over enough runs to use all processors."""
        runs = list(_shares(items, self._jobs))
        if len(runs) <= 1:
            return [answer for run in runs for answer in read(run)]
        with ThreadPoolExecutor(self._jobs) as pool:
            return [answer for answers in pool.map(read, runs) for answer in answers]

    def _read_headers(self, files: list[Path]) -> list[RpmFacts]:
        def run(some: list[Path]) -> tuple[str, list[Any]]:
            return self._run({"files": [str(file) for file in some]}, some)

        def damaged(file: Path, why: str) -> RpmFacts:
            return RpmFacts(file=str(file), error=why)

        return _each(files, run, rpm_from_json, damaged)

    def _read_contents(self, requests: list[ContentRequest]) -> list[Mapping[str, ContentFacts]]:
        def run(some: list[ContentRequest]) -> tuple[str, list[Any]]:
            return self._run(content_request(some), [Path(item.file) for item in some])

        answers = _each(requests, run, lambda form: form, _no_contents)
        return [
            content_facts(request, answer)
            for request, answer in zip(requests, answers, strict=True)
        ]

    def both_sides(self, requests: Sequence[PairRequest]) -> list[Mapping[str, BothSides]]:
        """Return facts that need both files, by the new side's path; a failed check has an
        error.
        """
        return self._many(list(requests), self._read_both_sides)

    def _read_both_sides(self, requests: list[PairRequest]) -> list[Mapping[str, BothSides]]:
        def run(some: list[PairRequest]) -> tuple[str, list[Any]]:
            named = [
                Path(file)
                for item in some
                for file in (item.old, item.new, item.old_debug, item.new_debug)
                if file
            ]
            with tempfile.TemporaryDirectory(prefix="buildfarm-pairs-", dir="/var/tmp") as work:
                return self._run(
                    {"pairs": [asdict(item) for item in some]}, named, memory=_MEMORY_OF_BOTH,
                    work=Path(work),
                    seconds=sum(_SECONDS_A_PAIR * (1 + len(item.abi)) for item in some),
                )  # fmt: skip

        def failed(request: PairRequest, why: str) -> Mapping[str, BothSides]:
            return {new: BothSides(abi=AbiFacts(status=None, error=why)) for _, new in request.abi}

        return _each(requests, run, both_sides_from_json, failed)

    def _run(
        self, request: object, files: Sequence[Path], *, memory: int | None = None,
        work: Path | None = None, seconds: float = 0.0,
    ) -> tuple[str, list[Any]]:  # fmt: skip
        """Run one sandbox; return its answers, and why there are not more."""
        there = [file for file in dict.fromkeys(files) if file.is_file()]
        size = sum(file.stat().st_size for file in there) / MEBIBYTE
        seconds += _START_SECONDS + _SECONDS_A_FILE * len(files) + _SECONDS_A_MEBIBYTE * size
        if (
            work is None
            and self._keep
            and all(any(file.is_relative_to(root) for root in self._keep) for file in files)
        ):
            answers = self._asked(request, len(files), seconds)
            if answers is not None:
                return "", answers
        completed = sandbox.python(
            READER,
            read_only=there,
            writable=[work] if work is not None else [],
            env={"TMPDIR": str(work)} if work is not None else {},
            stdin=json.dumps(request).encode() + b"\n",
            timeout=seconds,
            memory=memory or self._memory,
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
                f"the sandbox of the reader did not start: {completed.error_text[-600:]}",
                hint="run `buildfarm doctor`",
            )
        return _why(completed), answers[1:]

    def _asked(self, request: object, count: int, seconds: float) -> list[Any] | None:
        """Return the answers of a kept sandbox; ``None`` if it failed, and it is not kept any
        longer.
        """
        with self._lock:
            process = self._idle.pop() if self._idle else None
        if process is None:
            process = ReaderProcess(self._keep, memory=self._memory)
        process.send(request, seconds=seconds)
        answers = process.answers(count)
        if answers is None or process.spent:
            process.close()
        else:
            with self._lock:
                self._idle.append(process)
        return answers


def content_request(requests: Sequence[ContentRequest]) -> dict[str, Any]:
    """Return the reader's request for contents."""
    return {
        "requests": [
            {"file": item.file, "paths": item.paths, "masks": item.masks} for item in requests
        ]
    }


def content_facts(request: ContentRequest, answer: Any) -> Mapping[str, ContentFacts]:  # noqa: ANN401
    """Return the facts of a reader's answer; each requested path has facts or an error."""
    try:
        read = {
            item.path: item for item in (content_from_json(form) for form in answer["contents"])
        }
        why = str(answer["error"]) or "the payload does not hold it"
    except (KeyError, TypeError, ValueError) as error:
        read, why = {}, f"the reader's answer cannot be understood: {error!r}"
    return {**{path: ContentFacts(path=path, error=why) for path in request.paths}, **read}


def _no_contents(_: ContentRequest, why: str) -> dict[str, Any]:
    return {"contents": [], "error": why}


def _shares(items: list[T], jobs: int) -> Iterator[list[T]]:
    size = min(_MOST_IN_A_RUN, max(_FEWEST_IN_A_RUN, -(-len(items) // jobs)))
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _each(
    items: list[T],
    run: Callable[[list[T]], tuple[str, list[Any]]],
    decode: Callable[[Any], R],
    failed: Callable[[T, str], R],
) -> list[R]:
    """Return an answer for each item; an item that ended a run is tried alone before it is
    blamed.
    """
    results: list[R] = []
    alone = False
    while len(results) < len(items):
        rest = items[len(results) :]
        batch = rest[:1] if alone else rest
        why, answers = run(batch)
        for item, answer in zip(batch, answers, strict=False):
            try:
                results.append(decode(answer))
            except (KeyError, TypeError, ValueError) as error:
                results.append(failed(item, f"the reader's answer cannot be understood: {error!r}"))
        if len(answers) < len(batch) and len(batch) == 1:
            results.append(failed(batch[0], why))
        alone = len(answers) < len(batch) and len(batch) > 1
    return results


def _why(completed: Completed) -> str:
    if completed.stopped:
        return f"reading it was stopped: {completed.stopped}"
    return f"the reader ended with exit code {completed.returncode}: {completed.error_text[-300:]}"
