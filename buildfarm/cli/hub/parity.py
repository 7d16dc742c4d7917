"""``buildfarm reference`` and ``buildfarm parity``: our buildroots beside the vendor's."""

from __future__ import annotations

from pathlib import Path

import click

from buildfarm.cli import output
from buildfarm.cli.hub.queries import client, json_option
from buildfarm.domain.build.parity import Differs, read_reference


@click.group("reference")
def reference() -> None:
    """Manage reference locks: the contents of the vendor's buildroots."""


@reference.command("add")
@click.argument("subject", metavar="BUILD|TARGET")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--arch", default="", help="The buildroot's arch (default: the first that FILE names)."
)
@click.option(
    "--target",
    "is_target",
    is_flag=True,
    help="SUBJECT is a target: for builds without a reference of their own.",
)
def add(subject: str, file: Path, arch: str, *, is_target: bool) -> None:
    """Attach FILE, a reference lock, to a build (or a target).

    It is mock's buildroot_lock.json or installed_pkgs.log, Koji's listRPMs as JSON, or NEVRAs.
    """
    text = file.read_text(encoding="utf-8", errors="replace")
    read_reference(text)  # reports errors before the file is sent
    attach = client().targets.attach_reference if is_target else client().builds.attach_reference
    answer = attach(subject, text, arch=arch)
    output.out.print(
        f"{subject}: {answer.rpms} RPMs of {answer.arch}, from {answer.form}", highlight=False
    )


@click.command("parity")
@click.argument("build")
@click.option("--all", "everything", is_flag=True, help="Include RPMs that only our buildroot has.")
@json_option
def parity(build: str, *, everything: bool, as_json: bool) -> None:
    """Compare the buildroot of BUILD with the vendor's; differences come first."""
    found = client().builds.parity(build)
    if as_json:
        output.as_json(found)
        return
    for one in found.parity:
        said = (
            ", ".join(f"{count} {kind}" for kind, count in one.counts.items() if count)
            or "no differences"
        )
        output.out.print(
            f"{found.nvr} {one.arch}: {one.same} RPMs the same, {said} "
            f"(beside {one.reference.rpms} of the {one.reference.of}'s {one.reference.form})",
            highlight=False,
        )
        shown = [d for d in one.differences if everything or d.kind is not Differs.EXTRA]
        rows = [(d.kind, d.name, d.ours or "none", d.theirs or "none", d.why) for d in shown]
        if rows:
            output.table(("Ours is", "RPM", "Ours", "The vendor's", "Why"), rows)


COMMANDS = (reference, parity)
