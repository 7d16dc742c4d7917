"""Commands that need no hub: doctor, check-config, mock-config."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from buildfarm import bootstrap, config
from buildfarm.adapters.schedule.broker import Broker
from buildfarm.adapters.system import doctor as machine
from buildfarm.cli import output
from buildfarm.cli.hub.queries import json_option
from buildfarm.errors import BuildFarmError
from buildfarm.services.build.mock_configuration import mock_config as mock_config_text


@click.command("doctor")
@json_option
def doctor(*, as_json: bool) -> None:
    """Check what this machine can do, by trying it, and print a remedy for each gap.

    Exit code 1: something required is missing.
    """
    loaded = config.load()
    facts = machine.facts()
    facts += [
        machine.disk(bootstrap.home_of(loaded).root),
        _service("database", lambda: _database(loaded)),
    ]
    facts.append(_service("Redis", lambda: _redis(loaded)))
    if as_json:
        names = ("name", "ok", "seen", "needed_for", "remedy", "required")
        output.as_json([{name: getattr(fact, name) for name in names} for fact in facts])
    else:
        rows = [
            (
                "yes" if f.ok else "NO" if f.required else "no",
                f.name,
                f.seen,
                f.needed_for,
                "" if f.ok else f.remedy,
            )
            for f in facts
        ]
        output.table(("", "What", "Seen", "Needed for", "What to do"), rows)
    if any(fact.required and not fact.ok for fact in facts):
        sys.exit(1)


def _service(name: str, probe: Callable[[], str]) -> machine.Fact:
    try:
        return machine.Fact(name=name, ok=True, seen=probe(), needed_for="the hub")
    except BuildFarmError as error:
        return machine.Fact(
            name=name, ok=False, seen=str(error), needed_for="the hub", remedy="`buildfarm serve`"
        )


def _database(loaded: config.Config) -> str:
    store = bootstrap.store_of(loaded)
    store.migrate()
    return store.name


def _redis(loaded: config.Config) -> str:
    Broker(bootstrap.redis_url(loaded)).ping()
    return "answers"


@click.command("check-config")
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
def check_config(files: tuple[Path, ...]) -> None:
    """Check farm.yaml, all targets and their debrand rules (or FILES in place of farm.yaml)."""
    for file in files or (None,):
        loaded = config.load(file)
        output.out.print(f"{loaded.file}: ok", highlight=False)
        for target in loaded.targets.values():
            rules = bootstrap.rules_of(loaded, target)
            output.out.print(
                f"target {target.name}: ok, {len(rules)} debrand rules", highlight=False
            )


@click.command("mock-config")
@click.argument("target")
@click.option("--arch", default="", help="Default: the target's first.")
def mock_config(target: str, arch: str) -> None:
    """Print the mock configuration of TARGET.

    Save it as a .cfg and run `mock -r ./FILE.cfg --rebuild X.src.rpm`.
    """
    loaded = config.load()
    found = loaded.target(target)
    click.echo(mock_config_text(loaded, found, arch or found.arches[0]), nl=False)


COMMANDS = (doctor, check_config, mock_config)
