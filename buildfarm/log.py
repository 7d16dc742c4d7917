"""Structured logs: a constant event name and fields, on standard error.

A terminal gets coloured lines, everything else JSON. Results go to standard output instead.
structlog is imported with the first line, so that a short command without logs does not pay for it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import structlog


@dataclass(slots=True)
class _Wanted:
    json: bool | None = None
    level: int = logging.INFO


_wanted = _Wanted()


def configure(*, json: bool | None = None, level: int = logging.INFO) -> None:
    """Set the process's log output, once, at its entry point."""
    _wanted.json, _wanted.level = json, level
    _set_up.cache_clear()


@functools.cache
def _set_up() -> None:
    import structlog  # noqa: PLC0415  # a tenth of a second, see above

    as_json = not sys.stderr.isatty() if _wanted.json is None else _wanted.json
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_wanted.level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def get(**fields: object) -> structlog.stdlib.BoundLogger:
    """Return a logger with ``fields`` bound to each line."""
    import structlog  # noqa: PLC0415  # a tenth of a second, see above

    _set_up()
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(**fields))


@contextlib.contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Add ``fields`` to every line logged inside the block; empty ones are left out.

    They belong to the thread; a new thread has to bind its own.
    """
    import structlog  # noqa: PLC0415  # a tenth of a second, see above

    with structlog.contextvars.bound_contextvars(
        **{name: value for name, value in fields.items() if value}
    ):
        yield


def debug(event: str, **fields: object) -> None:
    """Log a debug line; it costs nothing if the level is off."""
    if _wanted.level <= logging.DEBUG:
        get().debug(event, **fields)
