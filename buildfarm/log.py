"""Structured logs: a constant event name and fields, on standard error.

A terminal gets coloured lines, everything else gets JSON. Results never go here; they go to standard output.
"""

from __future__ import annotations

import logging
import sys
from typing import cast

import structlog


def configure(*, json: bool | None = None, level: int = logging.INFO) -> None:
    """Set the process's log output once, at its entry point."""
    as_json = not sys.stderr.isatty() if json is None else json
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
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def get(**fields: object) -> structlog.stdlib.BoundLogger:
    """A logger with ``fields`` bound to each line."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(**fields))
