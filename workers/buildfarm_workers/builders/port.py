"""What every builder promises.

A build that fails is an :class:`Outcome`, not an exception: the caller gets a kind from the farm's
one taxonomy and a reason of one line that a person can act on without opening a log.
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
"""Asked several times a second; a non-empty answer ends the build with that reason."""


class BuildFailed(BuildFarmError):  # the house names errors for what happened
    """A stage ended the build; becomes the :class:`Outcome`. The message is the reason."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Stopped(BuildFailed):
    """The caller's ``stop`` ended the build; nobody's fault, hence infrastructure."""

    def __init__(self, reason: str) -> None:
        super().__init__(FailureKind.INFRASTRUCTURE, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a build ended. ``kind`` is ``None`` for success.

    ``lock`` is every RPM that stood in the buildroot when the build began (empty if it never did).
    ``seconds`` maps stages to wall clock. ``facts`` says what was special about this run: a limit
    that could not be set, and its peaks. ``asked_for`` are requirements that the build asked for
    while it ran, whether or not they could be installed.
    """

    kind: FailureKind | None = None
    reason: str = ""
    lock: tuple[InstalledRpm, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    asked_for: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """The build made its RPMs."""
        return self.kind is None


class Builder(Protocol):
    """Turns an order and its payload into RPMs."""

    @property
    def name(self) -> str:
        """``chroot`` or ``mock``."""

    def version(self) -> str:
        """The builder and the tools it stands on, for the build's record."""

    def features(self) -> dict[str, str]:
        """Return what this machine offers the builder: which limits are really enforced, and by
        what.
        """

    def missing(self) -> tuple[str, ...]:
        """Return what keeps this builder from working here, each with its remedy; empty when all is
        well.
        """

    def remove_stale(self) -> None:
        """Clean up what a predecessor of the same owner left when it was killed; called before the
        first build.
        """

    def build(
        self, order: WorkOrder, payload: Path, work: Path, result: Path, *, stage: Stage, stop: Stop
    ) -> Outcome:
        """Build ``order``; nothing it started lives on, nothing it mounted stays mounted.

        :param payload: the file that ``order.payload`` describes, digest already verified.
        :param work: an empty folder of this build's own; what is left in it afterwards may be
            deleted.
        :param result: the resultdir, existing and empty.
        """


def one_line(reason: str) -> str:
    r"""``reason`` fit for a table: one line, of bearable length.

    >>> one_line("  error:  x\n  on y ")
    'error: x on y'
    """
    line = " ".join(reason.split())
    return line if len(line) <= _REASON_CHARACTERS else line[: _REASON_CHARACTERS - 1] + "…"
