"""The farm's errors: one base, one class for each way a caller must react.

Every message names the thing (NEVRA, file, digest), the reason and the next step. Adapters
translate foreign exceptions into these once, with ``from``; only entry points print them or exit.
"""

from __future__ import annotations


class BuildFarmError(Exception):
    """Anything the farm itself reports; ``hint`` is the next step a person can take."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


class ConfigError(BuildFarmError):
    """A configuration file is missing, malformed or contradicts itself."""


class InputError(BuildFarmError):
    """What somebody handed in is not usable: a damaged SRPM, a bad rule, an unknown target."""


class NotFound(InputError):
    """The named build, drop, task, target, … does not exist."""


class NotAllowed(BuildFarmError):
    """The caller is known (or not) but may not do this."""


class TooManyTries(NotAllowed):
    """Somebody tries too often; ``seconds`` later the next try is looked at."""

    def __init__(self, message: str, *, seconds: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.seconds = seconds


class Conflict(BuildFarmError):
    """The thing exists already or is not in a state in which this can be done."""


class IllegalTransition(Conflict):
    """A build or task was asked to enter a state that does not follow the one it is in."""


class InfraError(BuildFarmError):
    """The farm's own surroundings failed (disk, network, a tool that crashed): retryable, counted."""


class NotNow(InfraError):
    """A server does not answer, or asks to come later; ``retry_after`` is when, in seconds, if it
    said so.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class ToolFailed(InfraError):
    """An external program ended with an exit code nobody expected.

    ``argv`` is what ran, ``returncode`` its exit code (negative: the signal), ``output`` the tail
    of what it said.
    """

    def __init__(
        self, message: str, *, argv: tuple[str, ...], returncode: int, output: str, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.argv = argv
        self.returncode = returncode
        self.output = output
