"""The farm's errors: one base, and one class for each reaction of a caller.

Every message names the thing (NEVRA, file, digest), the reason and the next step. Adapters
translate foreign exceptions once, with ``from``; only entry points print them or exit.
"""

from __future__ import annotations


class BuildFarmError(Exception):
    """Any error that the farm itself reports; ``hint`` is the next step for a person."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


class ConfigError(BuildFarmError):
    """A configuration file is missing, malformed or contradicts itself."""


class InputError(BuildFarmError):
    """The input is not usable: a damaged SRPM, a bad rule, an unknown target."""


class NotFound(InputError):
    """The named build, drop, task, target, … does not exist."""


class NotAllowed(BuildFarmError):
    """The caller does not have permission."""


class TooManyTries(NotAllowed):
    """Too many attempts; the next one is accepted after ``seconds``."""

    def __init__(self, message: str, *, seconds: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.seconds = seconds


class Conflict(BuildFarmError):
    """The thing exists already, or is not in a state that allows this."""


class IllegalTransition(Conflict):
    """A build or task cannot change to this state from its current one."""


class InfraError(BuildFarmError):
    """The farm's environment failed (disk, network, a crashed tool); retryable, and counted."""


class NotNow(InfraError):
    """A server does not answer, or asks to try later; ``retry_after`` is in seconds, if known."""

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class ToolFailed(InfraError):
    """An external program ended with an unexpected exit code.

    ``argv`` is the command, ``returncode`` its exit code (negative: the signal), ``output`` the end
    of its output.
    """

    def __init__(
        self, message: str, *, argv: tuple[str, ...], returncode: int, output: str, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.argv = argv
        self.returncode = returncode
        self.output = output
