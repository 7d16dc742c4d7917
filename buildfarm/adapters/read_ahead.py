"""Reads the headers of two RPMs in the background, before anybody asks: a sandbox starts while Python still imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from buildfarm.adapters.rpm_facts.sandboxed import SandboxedReader
from buildfarm.domain.compare.facts import ContentFacts, ContentRequest, RpmFacts


class ReadAhead:
    """A reader that has begun with some files; what fails is raised when it is asked for them."""

    def __init__(self, *files: Path) -> None:
        self._reader = SandboxedReader()
        self._files = list(files)
        self._pool = ThreadPoolExecutor(1)
        self._begun: Future[list[RpmFacts]] | None = None
        if all(file.is_file() for file in files):
            self._begun = self._pool.submit(self._reader.headers, self._files)

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def headers(self, files: Sequence[Path]) -> list[RpmFacts]:
        """Facts of each file, in that order; errors as :meth:`SandboxedReader.headers`."""
        if self._begun is not None and list(files) == self._files:
            return self._begun.result()
        return self._reader.headers(files)

    def contents(self, requests: Sequence[ContentRequest]) -> list[Mapping[str, ContentFacts]]:
        """Content facts by path of each request, in that order."""
        return self._reader.contents(requests)
