"""A reader for comparing two files, whose sandbox starts before it is needed and is then kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from buildfarm.adapters.compare.rpm_facts.reader_process import ReaderProcess
from buildfarm.adapters.system.process import MEBIBYTE

if TYPE_CHECKING:
    from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
    from buildfarm.domain.compare.facts.content_facts import (
        BothSides,
        ContentFacts,
        ContentRequest,
        PairRequest,
    )
    from buildfarm.domain.compare.facts.facts import RpmFacts

_SECONDS, _SECONDS_A_MEBIBYTE = 30.0, 3.0


class EarlyReader:
    """A reader that starts reading two files at once; other requests go to a SandboxedReader."""

    def __init__(self, *files: Path) -> None:
        self._files = [file.resolve() for file in files]
        self._begun: ReaderProcess | None = None
        if all(file.is_file() for file in self._files):
            self._seconds = (
                _SECONDS
                + _SECONDS_A_MEBIBYTE * sum(file.stat().st_size for file in self._files) / MEBIBYTE
            )
            self._begun = ReaderProcess(self._files)
            self._begun.send({"files": [str(file) for file in self._files]}, seconds=self._seconds)

    def __enter__(self) -> EarlyReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._begun is not None:
            self._begun.close()

    def headers(self, files: Sequence[Path]) -> list[RpmFacts]:
        """Return the facts of each file, in that order; errors as
        :meth:`SandboxedReader.headers`.
        """
        if self._begun is not None and [file.resolve() for file in files] == self._files:
            from buildfarm.adapters.compare.rpm_facts.codec import rpm_from_json  # noqa: PLC0415  # while the sandbox starts

            answers = self._begun.answers(len(files))
            if answers is not None:
                return [rpm_from_json(answer) for answer in answers]
        return self._ordinary.headers(files)

    def contents(self, requests: Sequence[ContentRequest]) -> list[Mapping[str, ContentFacts]]:
        """Return content facts by path for each request, in that order."""
        if self._begun is not None and {Path(request.file) for request in requests} <= set(
            self._files
        ):
            from buildfarm.adapters.compare.rpm_facts import sandboxed_reader  # noqa: PLC0415  # after the first answer

            message = sandboxed_reader.content_request(requests)
            self._begun.send({**message, "at_once": True}, seconds=self._seconds)
            answers = self._begun.answers(len(requests))
            if answers is not None:
                return [
                    sandboxed_reader.content_facts(request, answer)
                    for request, answer in zip(requests, answers, strict=True)
                ]
        return self._ordinary.contents(requests)

    def both_sides(self, requests: Sequence[PairRequest]) -> list[Mapping[str, BothSides]]:
        """Return facts that need both files, by the new side's path, for each request in that
        order.
        """
        # abidiff needs debuginfo, and more memory than this sandbox has.
        with_abidiff = any(request.abi for request in requests)
        if self._begun is not None and not with_abidiff:
            from buildfarm.adapters.compare.rpm_facts.content_codec import both_sides_from_json  # noqa: PLC0415  # as above

            self._begun.send(
                {"pairs": [asdict(request) for request in requests]}, seconds=self._seconds
            )
            answers = self._begun.answers(len(requests))
            if answers is not None:
                return [both_sides_from_json(answer) for answer in answers]
        return self._ordinary.both_sides(requests)

    @property
    def _ordinary(self) -> SandboxedReader:
        from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader  # noqa: PLC0415  # most runs need none

        return SandboxedReader()
