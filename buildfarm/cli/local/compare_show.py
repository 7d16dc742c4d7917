"""Terminal output of a comparison: coloured verdicts, or nothing if JSON is printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import click

from buildfarm.domain.core.verdict import Verdict

_NAMES = {verdict.value: verdict for verdict in Verdict}


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """Prints a comparison's lines; ``quiet`` leaves standard output to JSON."""

    verbose: bool
    quiet: bool

    def write(self, lines: Iterable[str]) -> None:
        """Print lines; click drops the colour in a pipe."""
        if self.quiet:
            return
        for line in lines:
            word = line.split(maxsplit=1)[0].rstrip(":") if line.strip() else ""
            click.echo(line.replace(word, _coloured(_NAMES[word]), 1) if word in _NAMES else line)


def _coloured(verdict: Verdict) -> str:
    bad = verdict.badness >= Verdict.INCOMPATIBLE.badness
    return click.style(
        verdict.value, fg="green" if verdict.is_compatible else "red" if bad else "yellow", bold=bad
    )
