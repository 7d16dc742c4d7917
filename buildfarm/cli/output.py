"""Output of the CLI: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # `compare` starts without pydantic
    from buildfarm.api.responses.build.builds import Build

STYLE = {
    "published": "green", "compared": "yellow", "refused": "yellow", "failed": "red",
    "on_hold": "magenta", "waiting": "cyan", "IDENTICAL": "green", "EQUIVALENT": "green",
    "EXPECTED": "green", "COMPATIBLE": "green", "REVIEW": "yellow", "EXTRA": "yellow",
    "INCOMPATIBLE": "bold red", "MISSING": "bold red", "ERROR": "bold red",
}  # fmt: skip

out = Console(file=sys.stdout, soft_wrap=not sys.stdout.isatty())
err = Console(file=sys.stderr)


def as_json(data: object) -> None:
    """Print one JSON document; for an answer, the API's own."""
    data = data.to_json() if hasattr(data, "to_json") else data
    sys.stdout.write(json.dumps(data, indent=2, sort_keys=True, default=str) + "\n")


def line(text: str) -> None:
    """Print a line without markup."""
    out.print(text, highlight=False, markup=False)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """Print a table; states and verdicts are coloured."""
    made = Table(
        *columns, title=title or None, title_justify="left", header_style="bold", expand=False
    )
    for row in rows:
        made.add_row(*(Text(str(cell), style=STYLE.get(str(cell), "")) for cell in row))
    out.print(made)


def builds_table(builds: Iterable[Build], *, title: str = "") -> None:
    """Print builds: SRPM, state, verdict, reason."""
    rows = [(build.nvr, build.state.value, str(build.verdict), build.why) for build in builds]
    table(("SRPM", "State", "Verdict", "Why"), rows, title=title)


def plain(text: str) -> str:
    """Return ``text`` with rich's markup escaped."""
    return escape(text)
