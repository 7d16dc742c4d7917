"""The port of all builders.

A failed build is an :class:`Outcome`, not an exception: the caller gets a kind from the farm's
taxonomy and a one-line reason that a person can act on without opening a log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from buildfarm.domain.core.build import FailureKind
from buildfarm.errors import BuildFarmError
from buildfarm.wire import InstalledRpm, WorkOrder

_REASON_CHARACTERS = 500

Stage = Callable[[str], None]
"""Called when a stage begins: ``buildroot``, ``dependencies``, ``build``, ``collect``."""

Stop = Callable[[], str]
"""Called several times a second; a non-empty answer ends the build with that reason."""


class BuildFailed(BuildFarmError):  # named after what happened, as all errors of the farm
    """A stage ended the build; it becomes the :class:`Outcome`, with its message as the reason."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Stopped(BuildFailed):
    """The caller's ``stop`` ended the build; counted as infrastructure, because nothing failed."""

    def __init__(self, reason: str) -> None:
        super().__init__(FailureKind.INFRASTRUCTURE, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a build; ``kind`` is ``None`` for success.

    ``lock`` is every RPM in the buildroot when the build began (empty if it never did). ``seconds``
    maps stages to wall clock. ``facts`` are particulars of this run: a limit that could not be set,
    and its peaks. ``asked_for`` are requirements that the build generated, whether or not they
    could be installed.
    """

    kind: FailureKind | None = None
    reason: str = ""
    lock: tuple[InstalledRpm, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    asked_for: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the build made its RPMs."""
        return self.kind is None


class Builder(Protocol):
    """Turns an order and its payload into RPMs."""

    @property
    def name(self) -> str:
        """``chroot`` or ``mock``."""

    def version(self) -> str:
        """Return the versions of the builder and its tools, for the build's record."""

    def features(self) -> dict[str, str]:
        """Return the limits that are enforced on this machine, and their mechanisms."""

    def missing(self) -> tuple[str, ...]:
        """Return the obstacles to this builder here, each with its remedy; empty if there are
        none.
        """

    def remove_stale(self) -> None:
        """Clean up after a killed predecessor of the same owner; called before the first build."""

    def build(
        self, order: WorkOrder, payload: Path, work: Path, result: Path, *, stage: Stage, stop: Stop
    ) -> Outcome:
        """Build ``order``; afterwards all its processes and mounts are gone.

        :param payload: the file that ``order.payload`` describes, with its digest verified.
        :param work: an empty folder for this build; what is left in it may be deleted.
        :param result: the resultdir, existing and empty.
        """


def one_line(reason: str) -> str:
    r"""Return ``reason`` for a table: on one line, and shortened.

    >>> one_line("  error:  x\n  on y ")
    'error: x on y'
    """
    line = " ".join(reason.split())
    return line if len(line) <= _REASON_CHARACTERS else line[: _REASON_CHARACTERS - 1] + "…"
