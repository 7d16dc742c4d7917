"""What brings files in: downloads, looks at repositories, a folder that is watched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from buildfarm.domain.intake.polling import Look
from buildfarm.domain.target.allowed_url import AllowedUrl


class Fetched(Protocol):
    """An answer that is being read; ``chunks`` are the bytes as they were sent, never decoded,
    never more than was allowed.
    """

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def chunks(self) -> Iterable[bytes]: ...


class Fetch(Protocol):
    """Gets a URL, and nothing that the target does not allow: neither by a redirect nor by a name
    that leads inside.
    """

    def __call__(
        self,
        url: str,
        *,
        allowed: Sequence[AllowedUrl],
        limit: int,
        headers: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Fetched]:
        """The answer (200, or 304 to a condition in ``headers``), until the block ends.

        :param limit: bytes of the body.
        :raises InputError: the URL, an address or a redirect is not allowed, there is nothing, or
            it is longer than ``limit``.
        :raises NotNow: no answer, or the server asks to come later.
        """


class LookAt(Protocol):
    """Looks at a repository of RPMs."""

    def __call__(
        self, place: str, known: Mapping[str, str], *, allowed: Sequence[AllowedUrl], work: Path
    ) -> Look:
        """Return what is there, unless it is what was ``known``.

        Errors as of :class:`Fetch`; ``work`` is a folder for scratch files.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Something happened to a file; ``settled``: whoever wrote it has closed it, or it was renamed
    into place.
    """

    path: Path
    settled: bool


class FolderEvents(Protocol):
    """What happens in a folder and below it, as the kernel tells it."""

    def start(self) -> None:
        """Begin to listen, or begin again after the folder was gone.

        :raises InputError: it is not there.
        """

    def wait(self, seconds: float) -> list[Heard]:
        """Return what happened since the last call, after waiting for something as long as that."""

    def stop(self) -> None:
        """Listen no more."""
