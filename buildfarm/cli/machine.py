"""Verbs that need no hub: doctor, check-config, mock-config, compare."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.progress import Progress

from buildfarm import bootstrap, config
from buildfarm.adapters import machine
from buildfarm.adapters.broker import Broker
from buildfarm.cli import output
from buildfarm.cli.queries import json_option
from buildfarm.domain.compare.policy import ComparePolicy, suffix_pattern
from buildfarm.domain.compare.report import lines, to_json
from buildfarm.domain.verdict import Verdict
from buildfarm.errors import BuildFarmError
from buildfarm.services.comparison import compare_paths
from buildfarm.services.mock_configuration import mock_config as mock_config_text


@click.command("doctor")
@json_option
def doctor(*, as_json: bool) -> None:
    """Say what this machine can do, by doing it, and what to do about each gap. Exit code 1: something required lacks."""
    loaded = config.load()
    facts = machine.facts()
    facts += [machine.disk(bootstrap.home_of(loaded).root), _service("database", lambda: _database(loaded))]
    facts.append(_service("Redis", lambda: _redis(loaded)))
    if as_json:
        names = ("name", "ok", "seen", "needed_for", "remedy", "required")
        output.as_json([{name: getattr(fact, name) for name in names} for fact in facts])
    else:
        rows = [
            ("yes" if f.ok else "NO" if f.required else "no", f.name, f.seen, f.needed_for, "" if f.ok else f.remedy)
            for f in facts
        ]
        output.table(("", "What", "Seen", "Needed for", "What to do"), rows)
    if any(fact.required and not fact.ok for fact in facts):
        sys.exit(1)


def _service(name: str, probe: Callable[[], str]) -> machine.Fact:
    try:
        return machine.Fact(name=name, ok=True, seen=probe(), needed_for="the hub")
    except BuildFarmError as error:
        return machine.Fact(name=name, ok=False, seen=str(error), needed_for="the hub", remedy="`buildfarm serve`")


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
    """Check farm.yaml, all targets, and every target's debrand rules (or just FILES named as farm.yaml)."""
    for file in files or (None,):
        loaded = config.load(file)
        output.out.print(f"{loaded.file}: ok", highlight=False)
        for target in loaded.targets.values():
            rules = bootstrap.rules_of(loaded, target)
            output.out.print(f"target {target.name}: ok, {len(rules)} debrand rules", highlight=False)


@click.command("mock-config")
@click.argument("target")
@click.option("--arch", default="", help="Default: the target's first.")
def mock_config(target: str, arch: str) -> None:
    """Print the mock configuration of TARGET: save it as a .cfg and run `mock -r ./FILE.cfg --rebuild X.src.rpm`."""
    loaded = config.load()
    found = loaded.target(target)
    click.echo(mock_config_text(loaded, found, arch or found.arches[0]), nl=False)


@click.command("compare")
@click.argument("old", type=click.Path(exists=True, path_type=Path))
@click.argument("new", type=click.Path(exists=True, path_type=Path))
@click.option("--target", "-t", default="", help="Use this target's suffix, tag policy and rules.")
@click.option("--verbose", "-v", is_flag=True, help="Every finding, with both sides.")
@json_option
def compare(old: Path, new: Path, target: str, *, verbose: bool, as_json: bool) -> None:
    """Compare OLD (the vendor's) with NEW (ours): two RPMs or two folders.

    Exit code 0 up to COMPATIBLE (UNCOMPARED too, with a warning), 1 for REVIEW to MISSING, 2 for ERROR.
    """
    loaded = config.load()
    policy = ComparePolicy()
    if target:
        found = loaded.target(target)
        tags = {tag.upper(): value for tag, value in found.header_tags.items()}
        renames = {vendor: ours for rule in bootstrap.rules_of(loaded, found) for vendor, ours in rule.rename.items()}
        policy = ComparePolicy(suffix=suffix_pattern(found.suffix), header_tags=tags, renames=renames)
    with Progress(console=output.err, transient=True) as progress:
        progress.add_task("comparing", total=None)
        report = compare_paths(old, new, policy, reader=bootstrap.compare_tools(loaded).reader)
    if as_json:
        output.as_json(to_json(report))
    else:
        for line in lines(report, verbose=verbose):
            output.out.print(output.plain(line), highlight=False)
    if report.verdict is Verdict.UNCOMPARED:
        output.err.print("warning: nothing to compare with", highlight=False)
    sys.exit(report.exit_code)


COMMANDS = (doctor, check_config, mock_config, compare)
