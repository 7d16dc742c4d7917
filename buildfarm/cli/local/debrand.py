"""``buildfarm debrand``: apply a rule, rehearse rules over a drop, import other tools' rules."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from buildfarm import bootstrap, config
from buildfarm.adapters.debrand import brand_policies, rule_files, srpm_tree
from buildfarm.adapters.debrand.brand_scan import scan_rpms
from buildfarm.adapters.debrand.outside import SandboxedOutside
from buildfarm.adapters.debrand.rule_imports import Imported, autopatch, convert, srpmproc
from buildfarm.adapters.intake import dist_git
from buildfarm.cli import output
from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.debrand.apply import Applied, apply, mtime_of
from buildfarm.domain.debrand.brand import BrandHit, BrandPolicy
from buildfarm.domain.debrand.conditions import branch_of
from buildfarm.domain.debrand.rule import Rule
from buildfarm.domain.debrand.tree import Tree, spec_path
from buildfarm.domain.target.target import Target, dist_of_release
from buildfarm.errors import InputError, NotFound
from buildfarm.rpm_folders import rpms_below
from buildfarm.services.build.debranding import audit_of
from buildfarm.services.debrand.rule_check import Checked, CheckTools, SourceStatus, check

_DAY = click.DateTime(["%Y-%m-%d"])
_BAD = (SourceStatus.UNFIT, SourceStatus.UNREADABLE, SourceStatus.BRANDED)
Opened = tuple[str, EVR, Tree]


class _WithDefault(click.Group):
    """A group in which ``buildfarm debrand FILE …`` is ``buildfarm debrand apply FILE …``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = args and super().get_command(ctx, args[0])
        return super().resolve_command(ctx, args if known else ["apply", *args])


@click.group("debrand", cls=_WithDefault, invoke_without_command=True)
@click.option(
    "--check",
    "drop",
    type=click.Path(path_type=Path, exists=True),
    help="The same as `debrand check DROP`.",
)
@click.pass_context
def debrand(context: click.Context, drop: Path | None) -> None:
    """Remove a vendor's brand from sources by rules."""
    if drop is not None:
        context.invoke(
            check_drop,
            drop=drop,
            target="",
            rules=None,
            brand=None,
            jobs=os.cpu_count() or 1,
            as_json=False,
        )
        context.exit()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@debrand.command("apply")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--rule",
    "rule_file",
    type=click.Path(path_type=Path, exists=True),
    help="A rule, autopatch config or srpmproc .cfg (default: the target's rule for the source).",
)
@click.option("--target", "-t", default="", help="Use the rules of this target.")
@click.option(
    "--date", "day", type=_DAY, help="The date of the changelog entry (default: the rule's)."
)
@click.option(
    "--lookaside",
    default="",
    help="For a dist-git tree: a folder, or a URL with {name} {file} {algorithm} {digest}.",
)
@click.option("--dist", default="", help="The value of %{dist} (default: the SRPM's own).")
@click.option(
    "--output",
    "-o",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder for the result.",
)
def apply_rule(
    source: Path, rule_file: Path | None, target: str, day: dt.datetime | None, lookaside: str,
    dist: str, folder: Path
) -> None:  # fmt: skip
    """Change SOURCE (an SRPM or a dist-git tree) by its rule.

    It writes the tree, the audit, and for an SRPM a new SRPM.
    """
    when = day.date() if day else None
    with tempfile.TemporaryDirectory(prefix="buildfarm-debrand-") as scratch:
        work = Path(scratch)
        name, evr, tree = _open(source, work, lookaside, dist)
        rule = _rule(name, evr, rule_file, target, when)
        out = EVR(epoch=evr.epoch, version=evr.version, release=f"{evr.release}{rule.suffix}")
        applied = apply(rule, tree, evr=str(out), outside=SandboxedOutside(work))
        if applied.already:
            output.out.print(f"{source.name}: {applied.already}", highlight=False, markup=False)
        _write(folder, rule, applied)
        if source.is_file() and applied.already:
            shutil.copyfile(source, folder / source.name)
        elif source.is_file():
            macros = {"dist": dist or dist_of_release(evr.release, f".{branch_of(evr.release)}")}
            made = srpm_tree.build(
                applied.tree, folder, work / "build", epoch=mtime_of(rule), macros=macros
            )
            output.out.print(str(made), highlight=False, markup=False)
    for step in applied.steps:
        places = ", ".join(f"{path} ({count})" for path, count in step.files)
        output.out.print(f"  {step.action}: {places or 'nothing'}", highlight=False, markup=False)


def _open(source: Path, work: Path, lookaside: str, dist: str) -> Opened:
    if source.is_file():
        name, evr = srpm_tree.identity(source)
        return name, evr, srpm_tree.unpack(source, work / "unpack")
    tree = dist_git.read(source)
    name = Path(spec_path(tree)).stem
    if lookaside:
        tree = dist_git.with_sources(tree, name, lookaside)
    return name, SandboxedOutside(work).evaluate(tree, {"dist": dist} if dist else {}), tree


def _rule(name: str, evr: EVR, file: Path | None, target: str, day: dt.date | None) -> Rule:
    if file is not None:
        if (imported := _imported(file, name, day)) is not None:
            return imported.rule()
        return rule_files.load_rule(file, day=day)
    loaded = config.load()
    chosen = loaded.target(target) if target else _only_target(loaded)
    for rule in bootstrap.rules_of(loaded, chosen):
        if rule.source == name and rule.applies_to(
            chosen.name, branch=branch_of(evr.release), evr=str(evr)
        ):
            return dataclasses.replace(rule, date=day) if day else rule
    raise NotFound(f"{chosen.name} has no rule for {name}", hint="give one with --rule")


def _only_target(loaded: config.Config) -> Target:
    if len(loaded.targets) != 1:
        raise InputError(
            "which target's rules?", hint=f"--target {' | '.join(sorted(loaded.targets))}"
        )
    return next(iter(loaded.targets.values()))


def _imported(file: Path, source: str, day: dt.date | None) -> Imported | None:
    """Return another tool's rule; ``None`` if the file is one of our rules."""
    when = day or dt.datetime.now(tz=dt.UTC).date()
    if file.suffix == ".cfg":
        return srpmproc.read(file, source=source, day=when)
    return autopatch.read(file, source=source, day=when) if autopatch.looks_like(file) else None


def _write(folder: Path, rule: Rule, applied: Applied) -> None:
    tree = folder / "tree"
    for path, content in applied.tree.items():
        place = tree / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    (folder / "audit.json").write_text(
        json.dumps(audit_of(rule, applied), indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    (folder / "spec.diff").write_text(applied.diff, encoding="utf-8")


@debrand.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--source", default="", help="The source's name (default: the file's, or its folder's)."
)
@click.option("--date", "day", type=_DAY, help="The rule's date (default: today).")
@click.option(
    "--output",
    "-o",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder of rules to write to.",
)
def import_rule(file: Path, source: str, day: dt.datetime | None, folder: Path) -> None:
    """Convert FILE, an autopatch config or a srpmproc directive file, to a rule with its files."""
    name = source or (file.parent.name if file.stem == "config" else file.stem)
    imported = _imported(file, name, day.date() if day else None)
    if imported is None:
        raise InputError(
            f"{file} is a rule of ours already", hint="`buildfarm check-config` checks it"
        )
    written = convert(imported, folder)
    rule_files.load_rule(written)
    output.out.print(
        f"{written}: {len(imported.data['actions'])} actions", highlight=False, markup=False
    )
    for note in imported.notes:
        output.out.print(f"  left out: {note}", highlight=False, markup=False)


@debrand.command("check")
@click.argument("drop", type=click.Path(path_type=Path, exists=True))
@click.option("--target", "-t", default="", help="Use the rules and brand policy of this target.")
@click.option(
    "--rules",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Use this folder of rules instead.",
)
@click.option(
    "--brand",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Use this brand policy instead.",
)
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    help="Default: all processors.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with the proposed rules.")
def check_drop(
    drop: Path, target: str, rules: Path | None, brand: Path | None, jobs: int, *, as_json: bool
) -> None:
    """Rehearse the rules over DROP (a folder of SRPMs, or one).

    It lists the rules that apply, those that no longer do, and branded sources without a rule. Exit
    code 1 if anything needs a person.
    """
    srpms = rpms_below(drop, "*.src.rpm") if drop.is_dir() else [drop]
    if not srpms:
        raise InputError(f"{drop} holds no SRPM")
    loaded = None if rules and brand else config.load()
    chosen = (loaded.target(target) if target else _only_target(loaded)) if loaded else None
    known = (
        rule_files.load_rules(rules)
        if rules
        else bootstrap.rules_of(loaded, chosen)
        if loaded and chosen
        else []
    )
    policy = (
        brand_policies.load_brand_policy(brand)
        if brand
        else bootstrap.brand_policy_of(loaded, chosen)
        if loaded and chosen
        else None
    )
    scan = functools.partial(_scan, policy) if policy is not None else None
    tools = CheckTools(
        identities=srpm_tree.identities,
        unpack=srpm_tree.unpack,
        outside=SandboxedOutside,
        scan=scan,
    )
    found: list[Checked] = []
    with (
        tempfile.TemporaryDirectory(prefix="buildfarm-check-") as scratch,
        output.err.status("checking") as status,
    ):
        for one in check(
            srpms, known, tools, Path(scratch), target=chosen.name if chosen else target, jobs=jobs
        ):
            found.append(one)
            status.update(f"{len(found)} of {len(srpms)} checked: {one.srpm}")
    found.sort(key=lambda one: (list(SourceStatus).index(one.standing), one.srpm))
    if as_json:
        output.as_json([dataclasses.asdict(one) for one in found])
    else:
        _show(found)
    if any(one.standing in _BAD for one in found):
        sys.exit(1)


def _scan(policy: BrandPolicy, srpms: Sequence[Path]) -> dict[str, list[BrandHit]]:
    hits: dict[str, list[BrandHit]] = {}
    for hit in scan_rpms(srpms, policy):
        hits.setdefault(hit.rpm, []).append(hit)
    return hits


def _show(found: list[Checked]) -> None:
    output.table(
        ("SRPM", "SourceStatus", "Rule", "Why"),
        [(c.srpm, c.standing.value, c.rule, c.reason) for c in found],
    )
    counts = {standing: sum(one.standing is standing for one in found) for standing in SourceStatus}
    said = ", ".join(f"{count} {standing.value}" for standing, count in counts.items() if count)
    output.out.print(f"{len(found)} SRPMs: {said}", highlight=False)
    for one in found:
        if one.proposal:
            output.out.print(
                f"\nto begin with, {one.source}.yaml:\n{one.proposal}",
                highlight=False,
                markup=False,
            )


@debrand.command("schema")
def schema() -> None:
    """Print the JSON schema of a rule file, for editors."""
    click.echo(rule_files.schema_text())


COMMANDS = (debrand,)
