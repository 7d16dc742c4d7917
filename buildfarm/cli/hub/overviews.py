"""Overviews of the farm: actions required of people, and the lag behind the vendor."""

from __future__ import annotations

import click

from buildfarm.cli import output
from buildfarm.cli.hub.queries import at, client, json_option

_HOUR = 3600


@click.command("action-required")
@click.option("--target", "-t", default="", help="Only this target.")
@click.option("--sig", default="", help="Only items that this SIG is responsible for.")
@json_option
def action_required(target: str, sig: str, *, as_json: bool) -> None:
    """List what needs a person: since when, the responsible SIG, the reason and the usual next
    step.
    """
    found = client().action_required(target=target, sig=sig)
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            group.title,
            f"{need.title}{_like_it(need.count)}",
            at(need.since),
            need.sig,
            need.why,
            need.act,
        )
        for group in found.groups
        for need in group.items
    ]
    output.table(
        ("What", "Which", "Since", "SIG", "Why", "Next"), rows, title=f"{found.total} in all"
    )


def _like_it(count: int) -> str:
    """Return the number of further items that an item stands for.

    >>> _like_it(1), _like_it(3)
    ('', ' and 2 like it')
    """
    return f" and {count - 1} like it" if count > 1 else ""


@click.command("lag")
@click.option("--target", "-t", default="", help="Only this target.")
@click.option("--sig", default="", help="Only items that this SIG is responsible for.")
@json_option
def lag(target: str, sig: str, *, as_json: bool) -> None:
    """Show the hours since the vendor shipped, by SIG, with the mean of each stage."""
    found = client().lag(target=target, sig=sig)
    if as_json:
        output.as_json(found)
        return
    stages = list(found.stages)
    rows = [
        [
            one.sig,
            one.sources,
            *map(_hours, (one.median, one.nine_in_ten, *map(one.stages.get, stages))),
        ]
        for one in found.sigs
    ]
    output.table(
        ("SIG", "Sources", "Median", "Nine in ten", *stages),
        rows,
        title="hours; of each stage the mean",
    )


def _hours(seconds: float | None) -> str:
    """Return seconds as hours.

    >>> _hours(5400), _hours(None)
    ('1.5', '')
    """
    return "" if seconds is None else f"{seconds / _HOUR:.1f}"


COMMANDS = (action_required, lag)
