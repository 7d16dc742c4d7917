"""``buildfarm compare``: works without a farm, starts fast, and speaks to people, scripts and CI.

What a run does not need is not imported: a comparison of two files starts in a fifth of a second.
"""

# ruff: noqa: PLC0415  # imports inside functions are this module's point

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildfarm.cli.local.compare_show import Show

if TYPE_CHECKING:
    from buildfarm.domain.compare.policy import ComparePolicy, Waiver
    from buildfarm.domain.compare.report import Report

_USAGE, _UNKNOWN = 2, 3


def _print_schema(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  # click's own signature
    if wanted:
        from buildfarm.domain.compare.report import SCHEMA_FILE

        click.echo(SCHEMA_FILE.read_text(encoding="utf-8"), nl=False)
        context.exit()


def _print_kinds(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  # click's own signature
    if wanted:
        from buildfarm.domain.compare.advice import kinds_table

        for line in kinds_table():
            click.echo(line)
        context.exit()


@click.command("compare")
@click.argument("old")
@click.argument("new")
@click.option("--target", "-t", default="", help="Use this target's suffix, tag policy and rules.")
@click.option(
    "--verbose", "-v", is_flag=True, help="Every finding, with both sides and what to do."
)
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON (see --schema).")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page to FILE.",
    metavar="FILE",
)
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write JUnit XML to FILE.",
    metavar="FILE",
)
@click.option(
    "--waivers",
    type=click.Path(exists=True, path_type=Path),
    help="YAML, as `buildfarm waivers export` writes it.",
    metavar="FILE",
)
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON schema of --json.",
)
@click.option(
    "--kinds",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_kinds,
    help="Print every kind of finding with its next step.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Where a large run keeps what is done (a folder).",
    metavar="DIR",
)
@click.option(
    "--any-release",
    is_flag=True,
    help="Pair RPMs of folders and repositories by NAME and ARCH, whatever their release.",
)
@click.option("--fresh", is_flag=True, help="Forget what an earlier run has done.")
@click.option(
    "--fast",
    is_flag=True,
    help="Leave out what takes long: abidiff, and code with its addresses masked.",
)
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Default: all processors.")
def compare(  # one option a form of output
    old: str, new: str, target: str, html: Path | None, junit: Path | None, waivers: Path | None, state: Path | None,
    jobs: int | None, *, verbose: bool, as_json: bool, fresh: bool, any_release: bool,
    fast: bool,
) -> None:  # fmt: skip
    """Compare OLD (the vendor's) with NEW (ours): two RPMs, two folders, or two repositories (URLs,
    or folders with repodata).

    Of folders and repositories, results are shown as they come; a run that was killed goes on where
    it was.

    Exit code 0 up to COMPATIBLE (UNCOMPARED too, with a warning), 1 for REVIEW to MISSING, 2 for a
    wrong call, 3 for ERROR.
    """
    from buildfarm.domain.core.verdict import Verdict

    with _honest_exit():
        policy = _policy(target, _waivers(waivers, target), any_release=any_release, fast=fast)
        show = Show(verbose=verbose, quiet=as_json)
        if is_set(old) or is_set(new):
            from buildfarm.cli.local.compare_sets import compare_sets

            report = compare_sets(old, new, policy, show, state=state, fresh=fresh, jobs=jobs)
        else:
            report = _compare_files(Path(old), Path(new), policy, show)
        _write(report, html=html, junit=junit, title=f"{old} ~ {new}")
        if as_json:
            from buildfarm.domain.compare.report import to_json

            json.dump(to_json(report), sys.stdout, indent=2)
            sys.stdout.write("\n")
    if report.verdict is Verdict.UNCOMPARED:
        click.echo("warning: nothing to compare with", err=True)
    sys.exit(report.exit_code)


@contextmanager
def _honest_exit() -> Iterator[None]:
    """1 says "they differ", so nothing else may end with 1: a wrong call is 2, whatever kept us
    from knowing is 3.
    """
    from buildfarm.errors import BuildFarmError, ConfigError, InputError

    try:
        yield
    except BuildFarmError as error:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {error}", err=True)
        sys.exit(_USAGE if isinstance(error, InputError | ConfigError) else _UNKNOWN)
    except BrokenPipeError:
        raise
    except Exception:  # noqa: BLE001  # a crash must not read as a difference
        traceback.print_exc()
        sys.exit(_UNKNOWN)


def _policy(
    target: str, waivers: tuple[Waiver, ...], *, any_release: bool, fast: bool
) -> ComparePolicy:
    from dataclasses import replace
    from datetime import UTC, datetime

    from buildfarm.domain.compare.policy import ComparePolicy, Mode

    policy = ComparePolicy()
    if target:
        from buildfarm import bootstrap, config

        policy = bootstrap.compare_policy(config.load(), target)
    policy = replace(policy, mode=Mode.NAMED) if any_release else policy
    return replace(policy, both_sides=not fast, waivers=waivers, today=datetime.now(UTC).date())


def _waivers(file: Path | None, target: str) -> tuple[Waiver, ...]:
    if file is None:
        return ()
    from buildfarm.adapters.build.waiver_files import load_waivers

    return tuple(waiver for waiver in load_waivers(file) if waiver.covers_target(target))


def is_set(place: str) -> bool:
    """Return whether a path or URL names many RPMs."""
    return place.startswith(("http://", "https://")) or Path(place).is_dir()


def _compare_files(old: Path, new: Path, policy: ComparePolicy, show: Show) -> Report:
    from buildfarm.adapters.compare.read_ahead import ReadAhead

    with ReadAhead(old, new) as reader:  # the sandbox starts while the rest is imported
        from buildfarm.presentation.report_text import lines
        from buildfarm.services.compare.comparison import compare_paths

        report = compare_paths(old, new, policy, reader=reader)
    show.say(lines(report, verbose=show.verbose))
    return report


def _write(report: Report, *, html: Path | None, junit: Path | None, title: str) -> None:
    if html is not None:
        from buildfarm.adapters.compare.report_page import render
        from buildfarm.domain.compare.report import to_json

        html.write_text(render(to_json(report), title=title), encoding="utf-8")
    if junit is not None:
        from buildfarm.presentation.junit import to_junit

        junit.write_text(to_junit(report), encoding="utf-8")


COMMANDS = (compare,)
