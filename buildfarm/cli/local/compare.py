"""``buildfarm compare`` runs without a farm and writes for people, scripts and CI.

Modules that a run does not need are not imported: comparing two files starts in 0.2 seconds.
"""

# ruff: noqa: PLC0415  # imports inside functions are this module's point

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildfarm.cli.local.compare_show import Show
from buildfarm.domain.compare.policy import ComparePolicy, Mode
from buildfarm.domain.core.verdict import Verdict
from buildfarm.errors import BuildFarmError, ConfigError, InputError

if TYPE_CHECKING:
    from buildfarm.domain.compare.report import Report

_USAGE, _UNKNOWN = 2, 3


def _print_about(context: click.Context, option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  # click's own signature
    """Print the text of ``--schema`` or ``--kinds``, and exit."""
    if not wanted:
        return
    if option.name == "schema":
        from buildfarm.domain.compare.report import SCHEMA_FILE

        text = SCHEMA_FILE.read_text(encoding="utf-8").rstrip("\n")
    else:
        from buildfarm.domain.compare.advice import kinds_table

        text = "\n".join(kinds_table())
    click.echo(text)
    context.exit()


@click.command("compare")
@click.argument("old")
@click.argument("new")
@click.option("--target", "-t", default="", help="Use this target's suffix, tag policy and rules.")
@click.option(
    "--verbose", "-v", is_flag=True, help="Show every finding, with both sides and the next step."
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
    help="A YAML file of `buildfarm waivers export`.",
    metavar="FILE",
)
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_about,
    help="Print the JSON schema of --json.",
)
@click.option(
    "--kinds",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_about,
    help="Print every kind of finding with its next step.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Folder in which a large run keeps its results.",
    metavar="DIR",
)
@click.option(
    "--any-release",
    is_flag=True,
    help="Pair RPMs of folders and repositories by NAME and ARCH, ignoring the release.",
)
@click.option("--fresh", is_flag=True, help="Discard the results of an earlier run.")
@click.option(
    "--fast", is_flag=True, help="Skip the slow checks: abidiff, and code with masked addresses."
)
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Default: all processors.")
def compare(
    old: str,
    new: str,
    target: str,
    html: Path | None,
    junit: Path | None,
    waivers: Path | None,
    state: Path | None,
    jobs: int | None,
    *,
    verbose: bool,
    as_json: bool,
    fresh: bool,
    any_release: bool,
    fast: bool,
) -> None:
    """Compare OLD (the vendor's) with NEW (ours).

    Both are RPMs, folders, or repositories (URLs, or folders with repodata). Results of folders
    and repositories are shown as they come; an interrupted run continues at its last result.

    Exit code 0 up to COMPATIBLE (UNCOMPARED too, with a warning), 1 for REVIEW to MISSING, 2 for
    a usage error, 3 for ERROR.
    """
    with _errors_as_exit_codes():
        policy = _policy(target, waivers, any_release=any_release, fast=fast)
        show = Show(verbose=verbose, quiet=as_json)
        if any(one.startswith(("http://", "https://")) or Path(one).is_dir() for one in (old, new)):
            from buildfarm.cli.local.compare_sets import compare_sets

            report = compare_sets(old, new, policy, show, state=state, fresh=fresh, jobs=jobs)
        else:
            report = _compare_files(Path(old), Path(new), policy, show)
        _write(report, html=html, junit=junit, as_json=as_json, title=f"{old} ~ {new}")
    if report.verdict is Verdict.UNCOMPARED:
        click.echo("warning: nothing to compare with", err=True)
    sys.exit(report.exit_code)


@contextmanager
def _errors_as_exit_codes() -> Iterator[None]:
    """Exit with 2 after a usage error and with 3 after others: 1 is reserved for a difference."""
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


def _policy(target: str, waivers: Path | None, *, any_release: bool, fast: bool) -> ComparePolicy:
    policy = ComparePolicy()
    if target:
        from buildfarm import bootstrap, config

        policy = bootstrap.compare_policy(config.load(), target)
    if waivers is not None:
        from buildfarm.adapters.build.waiver_files import load_waivers

        covering = [one for one in load_waivers(waivers) if one.covers_target(target)]
        policy = replace(policy, waivers=tuple(covering))
    if any_release:
        policy = replace(policy, mode=Mode.NAMED)
    return replace(policy, both_sides=not fast, today=datetime.now(UTC).date())


def _compare_files(old: Path, new: Path, policy: ComparePolicy, show: Show) -> Report:
    from buildfarm.adapters.compare.early_reader import EarlyReader

    with EarlyReader(old, new) as reader:  # the sandbox starts while the rest is imported
        from buildfarm.presentation.report_text import lines
        from buildfarm.services.compare.comparison import compare_paths

        report = compare_paths(old, new, policy, reader=reader)
    show.write(lines(report, verbose=show.verbose))
    return report


def _write(
    report: Report, *, html: Path | None, junit: Path | None, as_json: bool, title: str
) -> None:
    from buildfarm.domain.compare.report import to_json

    if html is not None:
        from buildfarm.adapters.compare.report_page import render

        html.write_text(render(to_json(report), title=title), encoding="utf-8")
    if junit is not None:
        from buildfarm.presentation.junit import to_junit

        junit.write_text(to_junit(report), encoding="utf-8")
    if as_json:
        json.dump(to_json(report), sys.stdout, indent=2)
        sys.stdout.write("\n")


COMMANDS = (compare,)
