"""Interfaces that bring files in: downloads, polls of repositories, watched folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from buildfarm.domain.intake.polling import Look
from buildfarm.domain.target.allowed_url import AllowedUrl


class Fetched(Protocol):
    """A response that is being read.

    ``chunks`` are the bytes as sent, not decoded, and within the limit.
    """

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def chunks(self) -> Iterable[bytes]: ...


class Fetch(Protocol):
    """Gets a URL that the target allows; redirects and resolved addresses are checked as well."""

    def __call__(
        self,
        url: str,
        *,
        allowed: Sequence[AllowedUrl],
        limit: int,
        headers: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Fetched]:
        """Return the response (200, or 304 to a condition in ``headers``), until the block ends.

        :param limit: bytes of the body.
        :raises InputError: the URL, an address or a redirect is not allowed, there is nothing, or
            it is longer than ``limit``.
        :raises NotNow: no answer, or the server asks to come later.
        """


class LookAt(Protocol):
    """Polls a repository of RPMs."""

    def __call__(
        self, place: str, known: Mapping[str, str], *, allowed: Sequence[AllowedUrl], work: Path
    ) -> Look:
        """Return the state of the repository, compared with the ``known`` one.

        Errors as of :class:`Fetch`; ``work`` is a folder for scratch files.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An event of a file; ``settled``: its writer has closed it, or it was renamed into place."""

    path: Path
    settled: bool


class FolderEvents(Protocol):
    """The kernel's events of a folder and everything below it."""

    def start(self) -> None:
        """Start watching, or start again after the folder was gone.

        :raises InputError: it is not there.
        """

    def wait(self, seconds: float) -> list[Heard]:
        """Return the events since the last call; wait for the first, at most ``seconds``."""

    def stop(self) -> None:
        """Stop watching."""
