"""``buildfarm compose``: create, show, promote and retire release states of a target."""

from __future__ import annotations

import click

from buildfarm.api.responses.publish.composes import Compose
from buildfarm.cli import output
from buildfarm.cli.hub.queries import client, json_option


@click.group("compose")
def compose() -> None:
    """Create, list, show, promote and retire composes: immutable release states of a target."""


@compose.command("create")
@click.argument("target")
@click.option("--generation", "-g", default="", help="Number or id (default: the one in force).")
@click.option("--reason", default="", help="Its purpose.")
@json_option
def create(target: str, generation: str, reason: str, *, as_json: bool) -> None:
    """Name a generation of TARGET's destination tag; its files are kept until it is retired."""
    _print_compose(
        client().composes.create(target, generation=generation, reason=reason), as_json=as_json
    )


@compose.command("list")
@click.option("--target", "-t", default="", help="Only this target.")
@json_option
def list_composes(target: str, *, as_json: bool) -> None:
    """List composes, the newest first."""
    found = list(client().composes.list(target=target))
    if as_json:
        output.as_json({"composes": [one.to_json() for one in found]})
        return
    rows = [
        (one.id, one.target, _state(one), one.number, one.released_why or one.reason)
        for one in found
    ]
    output.table(("Compose", "Target", "State", "Generation", "Why"), rows)


@compose.command("show")
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show compose NAME, and what changed since the one before."""
    found = client().composes.get(name)
    if as_json:
        output.as_json(found)
        return
    output.out.print(
        f"{found.id}: {_state(found)}, generation {found.number} of {found.tag}, {found.rpms} RPMs",
        highlight=False,
    )
    output.out.print(f"for dnf: {client().url}{found.path}/ARCH", highlight=False)
    since = found.previous.id if found.previous else "nothing"
    rows = [
        (one.source, one.change, one.old.nvr if one.old else "", one.new.nvr if one.new else "")
        for one in found.changes.builds
    ]
    output.table(("Source", "Change", "Before", "Now"), rows, title=f"since {since}")


@compose.command("promote")
@click.argument("name")
@click.option("--reason", required=True, help="The reason to release it.")
@json_option
def promote(name: str, reason: str, *, as_json: bool) -> None:
    """Release compose NAME to users, in the tag's `released` repositories."""
    _print_compose(client().composes.promote(name, reason=reason), as_json=as_json)


@compose.command("retire")
@click.argument("name")
@click.option("--reason", required=True, help="The reason it is not needed any more.")
@json_option
def retire(name: str, reason: str, *, as_json: bool) -> None:
    """Retire compose NAME; if it was released, the one promoted before it takes its place."""
    _print_compose(client().composes.retire(name, reason=reason), as_json=as_json)


def _state(one: Compose) -> str:
    return f"{one.state}, in force" if one.in_force else one.state.value


def _print_compose(one: Compose, *, as_json: bool) -> None:
    if as_json:
        output.as_json(one)
    else:
        output.out.print(
            f"{one.id}: {_state(one)}, generation {one.number} of {one.tag}", highlight=False
        )


COMMANDS = (compose,)
