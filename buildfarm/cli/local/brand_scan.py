"""``buildfarm brand-scan``: find traces of a vendor's brand in files, folders, SRPMs and RPMs."""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click

from buildfarm import bootstrap, config
from buildfarm.adapters.debrand import srpm_tree
from buildfarm.adapters.debrand.brand_policies import load_brand_policy, schema_text
from buildfarm.adapters.debrand.brand_scan import scan_paths
from buildfarm.adapters.debrand.brand_scan.marks import dhash
from buildfarm.adapters.debrand.rule_files import load_rule
from buildfarm.cli import output
from buildfarm.domain.debrand.brand import UNREAD, BrandHit, BrandPolicy, explained
from buildfarm.errors import InputError
from buildfarm.rpm_folders import rpms_below


@click.command("brand-scan")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--policy",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A brand policy.",
)
@click.option("--target", "-t", default="", help="Use the policy of this target.")
@click.option(
    "--rule",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A debrand rule whose scan.allow applies.",
)
@click.option(
    "--prep", is_flag=True, help="Also scan the tree of each SRPM after %prep (in the sandbox)."
)
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    help="Default: all processors.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, every hit.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of a brand policy.")
@click.option(
    "--dhash",
    "picture",
    is_flag=True,
    help="Print the difference hash of each picture, for a policy.",
)
def brand_scan(
    paths: tuple[Path, ...], file: Path | None, target: str, rule: Path | None, jobs: int, *,
    prep: bool, as_json: bool, schema: bool, picture: bool,
) -> None:  # fmt: skip
    """Search PATHS at every nesting for words, pictures and keys of a brand policy.

    Exit code 0: clean; 1: hits that are not allowed, or something that could not be read.
    """
    if schema:
        click.echo(schema_text())
        return
    if not paths:
        raise click.UsageError("give files or folders")
    if picture:
        for path in paths:
            click.echo(f"{dhash(path.read_bytes())}  {path}")
        return
    policy = _policy(file, target)
    allow = load_rule(rule).allow if rule else ()
    with output.err.status(f"scanning {len(paths)} paths"):
        hits = scan_paths(paths, policy, jobs=jobs)
        for srpm in (file for path in paths for file in _srpms(path) if prep):
            hits += _prepared(srpm, policy, jobs)
    by = [(hit, explained(hit, allow)) for hit in hits]
    if as_json:
        output.as_json(
            [{**hit.as_json(), "allowed": allowed.reason if allowed else ""} for hit, allowed in by]
        )
    else:
        _show(
            [hit for hit, allowed in by if allowed is None],
            sum(allowed is not None for _, allowed in by),
        )
    if any(allowed is None for _, allowed in by):
        sys.exit(1)


def _srpms(path: Path) -> list[Path]:
    return (
        rpms_below(path, "*.src.rpm")
        if path.is_dir()
        else [path]
        if path.name.endswith(".src.rpm")
        else []
    )


def _prepared(srpm: Path, policy: BrandPolicy, jobs: int) -> list[BrandHit]:
    """Return the hits in an SRPM's tree after ``%prep``; an SRPM whose ``%prep`` fails is a hit."""
    with tempfile.TemporaryDirectory(prefix="buildfarm-prep-") as scratch:
        try:
            folder = srpm_tree.prepare(srpm, Path(scratch) / "prep", macros={})
        except InputError as error:
            return [
                BrandHit(
                    rpm=srpm.name, where="%prep", offset=0, word="", kind=UNREAD, context=str(error)
                )
            ]
        hits = scan_paths([folder], policy, jobs=jobs)
    return [dataclasses.replace(hit, rpm=srpm.name, where=f"%prep!{hit.where}") for hit in hits]


def _policy(file: Path | None, target: str) -> BrandPolicy:
    if file is not None:
        return load_brand_policy(file)
    loaded = config.load()
    if not target:
        raise InputError(
            "which brand?", hint=f"--policy FILE, or --target {' | '.join(sorted(loaded.targets))}"
        )
    found = bootstrap.brand_policy_of(loaded, loaded.target(target))
    if found is None:
        raise InputError(
            f"{target} has no brand policy", hint="set `brand` in its file, or give --policy"
        )
    return found


def _show(hits: list[BrandHit], allowed: int) -> None:
    if hits:
        rows = [
            (
                hit.rpm,
                f"{hit.where}:{hit.line}" if hit.line else f"{hit.where}+{hit.offset}",
                hit.kind,
                hit.context,
            )
            for hit in hits
        ]
        output.table(("File", "Where", "Class", "Context"), rows)
    kinds = ", ".join(
        f"{count} {kind}" for kind, count in sorted(Counter(hit.kind for hit in hits).items())
    )
    said = f"{len(hits)} hits ({kinds})" if hits else "clean"
    output.out.print(f"{said}; {allowed} allowed with a reason", highlight=False)
    if hits:
        output.out.print(
            "to allow one: scan.allow of the source's rule, {pattern: …, where: …, reason: …}; "
            "for all sources: keep in the policy",
            highlight=False,
            markup=False,
        )


COMMANDS = (brand_scan,)
