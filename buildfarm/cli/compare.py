"""``buildfarm compare``: works without a farm, starts fast, and speaks to people, scripts and CI.

What a run does not need is not imported: a comparison of two files starts in a fifth of a second.
"""

# ruff: noqa: PLC0415  # imports inside functions are this module's point

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from buildfarm.domain.compare.policy import ComparePolicy, Waiver
    from buildfarm.domain.compare.report import Report
    from buildfarm.domain.verdict import Verdict

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
@click.option("--verbose", "-v", is_flag=True, help="Every finding, with both sides and what to do.")
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON (see --schema).")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to FILE.", metavar="FILE")
@click.option(
    "--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML to FILE.", metavar="FILE"
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
def compare(  # one option a form of output
    old: str, new: str, target: str, html: Path | None, junit: Path | None, waivers: Path | None, *, verbose: bool, as_json: bool,
) -> None:  # fmt: skip
    """Compare OLD (the vendor's) with NEW (ours): two RPMs or two folders.

    Exit code 0 up to COMPATIBLE (UNCOMPARED too, with a warning), 1 for REVIEW to MISSING, 2 for a wrong call, 3 for ERROR.
    """
    from buildfarm.domain.compare.text import lines
    from buildfarm.domain.verdict import Verdict

    with _honest_exit():
        policy = _policy(target, _waivers(waivers, target))
        report = _compared(Path(old), Path(new), policy)
        _write(report, html=html, junit=junit, title=f"{old} ~ {new}")
        if as_json:
            from buildfarm.domain.compare.report import to_json

            json.dump(to_json(report), sys.stdout, indent=2)
            sys.stdout.write("\n")
        else:
            _say(lines(report, verbose=verbose))
    if report.verdict is Verdict.UNCOMPARED:
        click.echo("warning: nothing to compare with", err=True)
    sys.exit(report.exit_code)


@contextmanager
def _honest_exit() -> Iterator[None]:
    """1 says "they differ", so nothing else may end with 1: a wrong call is 2, whatever kept us from knowing is 3."""
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


def _policy(target: str, waivers: tuple[Waiver, ...]) -> ComparePolicy:
    from dataclasses import replace
    from datetime import UTC, datetime

    from buildfarm.domain.compare.policy import ComparePolicy

    policy = ComparePolicy()
    if target:
        from buildfarm import bootstrap, config

        policy = bootstrap.compare_policy(config.load(), target)
    return replace(policy, waivers=waivers, today=datetime.now(UTC).date())


def _waivers(file: Path | None, target: str) -> tuple[Waiver, ...]:
    if file is None:
        return ()
    from buildfarm.adapters.waiver_files import load_waivers

    return tuple(waiver for waiver in load_waivers(file) if waiver.covers_target(target))


def _compared(old: Path, new: Path, policy: ComparePolicy) -> Report:
    from buildfarm.adapters.rpm_facts.sandboxed import SandboxedReader
    from buildfarm.services.comparison import compare_paths

    return compare_paths(old, new, policy, reader=SandboxedReader())


def _write(report: Report, *, html: Path | None, junit: Path | None, title: str) -> None:
    if html is not None:
        from buildfarm.adapters.report_page import render
        from buildfarm.domain.compare.report import to_json

        html.write_text(render(to_json(report), title=title), encoding="utf-8")
    if junit is not None:
        from buildfarm.domain.compare.junit import to_junit

        junit.write_text(to_junit(report), encoding="utf-8")


def _say(lines: Iterable[str]) -> None:
    """Lines, the verdict in front coloured where somebody looks; click drops the colour in a pipe."""
    from buildfarm.domain.verdict import Verdict

    names = {verdict.value: verdict for verdict in Verdict}
    for line in lines:
        word = line.split(maxsplit=1)[0].rstrip(":") if line.strip() else ""
        click.echo(line.replace(word, _coloured(names[word]), 1) if word in names else line)


def _coloured(verdict: Verdict) -> str:
    bad = verdict.badness >= type(verdict).INCOMPATIBLE.badness
    return click.style(verdict.value, fg="green" if verdict.is_compatible else "red" if bad else "yellow", bold=bad)


COMMANDS = (compare,)
