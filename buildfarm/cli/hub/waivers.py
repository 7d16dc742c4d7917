"""``buildfarm waive``, ``request-waiver`` and ``waivers``: accept differences until a day."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import click

from buildfarm.adapters.build.waiver_files import AUTHORITIES, dump_waivers, load_waivers
from buildfarm.api.responses.build.waivers import Waiver, WaiverRequest
from buildfarm.cli import output
from buildfarm.cli.hub.queries import client, json_option
from buildfarm.domain.compare import policy
from buildfarm.errors import Conflict

_WORDS = (
    "id",
    "owner",
    "reason",
    "expires",
    "kind",
    "source",
    "rpm",
    "path",
    "subject",
    "target",
    "authority",
)


@click.command("waive")
@click.argument("kind")
@click.option("--owner", required=True, help="The person responsible for it.")
@click.option("--reason", required=True, help="Why the difference is acceptable.")
@click.option("--expires", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Its last day.")
@click.option("--source", default="*", show_default=True, help="Glob over the source's name.")
@click.option("--rpm", default="*", show_default=True, help="Glob over the RPM's name.")
@click.option(
    "--path",
    default="**",
    show_default=True,
    help="Path glob: * stays within a folder, ** does not.",
)
@click.option(
    "--subject",
    default="*",
    show_default=True,
    help="Glob over what differs there: a tag, a symbol, a dependency.",
)
@click.option("--target", "-t", default="*", show_default=True, help="Glob over the target's name.")
@click.option(
    "--authority",
    type=click.Choice(AUTHORITIES),
    default="anyone",
    help="setuid, capabilities and polkit need security.",
)
@click.option("--id", "identity", default="", help="The waiver's id (default: a new one).")
@json_option
def waive(
    kind: str,
    owner: str,
    reason: str,
    expires: datetime,
    identity: str,
    *,
    as_json: bool,
    **words: str,
) -> None:
    """Accept findings of KIND (see `compare --kinds`) until a day; affected builds are judged
    again.
    """
    form = {
        "id": identity,
        "kind": kind,
        "owner": owner,
        "reason": reason,
        "expires": expires.date().isoformat(),
        **words,
    }
    made = client().waivers.record(form)
    if as_json:
        output.as_json(made)
    else:
        output.out.print(
            f"{made.id}: in force until {made.expires}, {_lifts(made)}", highlight=False
        )


def _lifts(item: Waiver) -> str:
    return (
        f"lifts {item.findings} findings of {len(item.builds)} builds"
        if item.findings
        else "lifts nothing now"
    )


@click.group("waivers", invoke_without_command=True)
@click.pass_context
def waivers(context: click.Context) -> None:
    """List waivers (the default), export, import or revoke them."""
    if context.invoked_subcommand is None:
        context.invoke(list_waivers, everything=False, as_json=False)


@waivers.command("list")
@click.option("--all", "everything", is_flag=True, help="Include those that have ended.")
@json_option
def list_waivers(*, everything: bool, as_json: bool) -> None:
    """List waivers, with notes on those that match nothing or end soon."""
    pages = list(client().waivers.pages(everything=everything))
    if as_json:
        whole = replace(
            pages[-1],
            waivers=[one for page in pages for one in page.waivers],
            unused=[one for page in pages for one in page.unused],
            expiring=[one for page in pages for one in page.expiring],
        )
        output.as_json(whole)
        return
    rows = [
        (
            item.id,
            item.kind,
            item.source,
            item.owner,
            item.state,
            item.expires,
            _lifts(item),
            item.reason,
        )
        for page in pages
        for item in page.waivers
    ]
    output.table(("Waiver", "Kind", "Source", "Owner", "State", "Expires", "Lifts", "Why"), rows)
    for identity in (one for page in pages for one in page.unused):
        output.err.print(
            f"waiver {output.plain(identity)} matches nothing: "
            "revoke it, or wait for what it is for",
            highlight=False,
        )
    for identity in (one for page in pages for one in page.expiring):
        output.err.print(f"waiver {output.plain(identity)} ends within 30 days", highlight=False)
    for ask in pages[0].asks:
        words = f"{ask.asker} asks to waive {ask.finding} in {ask.nvr}: {ask.reason}"
        output.err.print(f"{ask.id}: {output.plain(words)}", highlight=False)


@waivers.command("export")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def export(file: Path | None) -> None:
    """Write the waivers in force as YAML to FILE, or print them."""
    text = dump_waivers(
        policy.Waiver(**{word: getattr(item, word) for word in _WORDS})
        for item in client().waivers.list()
    )
    if file is None:
        click.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")


@waivers.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(file: Path) -> None:
    """Record every waiver of FILE; known ids are left as they are."""
    hub = client()
    for waiver in load_waivers(file):
        form = {**asdict(waiver), "expires": waiver.expires.isoformat()}
        try:
            hub.waivers.record(form)
        except Conflict:
            output.out.print(f"{waiver.id}: known", highlight=False)
        else:
            output.out.print(f"{waiver.id}: recorded", highlight=False)


@waivers.command("revoke")
@click.argument("waiver")
@click.option("--reason", required=True, help="The reason to end it before its last day.")
def revoke(waiver: str, reason: str) -> None:
    """End WAIVER now; the builds it affected are judged again."""
    ended = client().waivers.revoke(waiver, reason=reason)
    output.out.print(f"{ended.id}: {ended.ended_why}", highlight=False)


@click.command("request-waiver")
@click.argument("build")
@click.argument("kind")
@click.option("--reason", required=True, help="Why the difference is acceptable.")
@click.option("--path", default="", help="The finding's path.")
@click.option("--subject", default="", help="The tag, symbol or dependency that differs.")
@click.option("--rpm", default="", help="The RPM's file name.")
@json_option
def request_waiver(build: str, kind: str, *, as_json: bool, **words: str) -> None:
    """Request a waiver for the finding of KIND of BUILD, as its comparison reports it."""
    _print_request(client().waivers.request(build, {"kind": kind, **words}), as_json=as_json)


@waivers.command("grant")
@click.argument("ask")
@click.option("--owner", required=True, help="The person responsible for it.")
@click.option("--expires", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Its last day.")
@click.option("--reason", default="", help="A reason in addition to the requester's.")
@json_option
def grant(ask: str, owner: str, expires: datetime, reason: str, *, as_json: bool) -> None:
    """Record the requested waiver ASK."""
    made = client().waivers.grant(
        ask, owner=owner, expires=expires.date().isoformat(), reason=reason
    )
    _print_request(made, as_json=as_json)


@waivers.command("decline")
@click.argument("ask")
@click.option("--reason", required=True, help="The reason to decline.")
@json_option
def decline(ask: str, reason: str, *, as_json: bool) -> None:
    """Decline the requested waiver ASK."""
    _print_request(client().waivers.decline(ask, reason=reason), as_json=as_json)


def _print_request(one: WaiverRequest, *, as_json: bool) -> None:
    if as_json:
        output.as_json(one)
    else:
        came = f"{one.answer} by {one.answered_by}" if one.answer else "asked for"
        output.out.print(
            f"{one.id}: {one.finding} in {one.nvr}, {came}"
            f"{f': {one.waiver}' if one.waiver else ''}",
            highlight=False,
        )


COMMANDS = (waive, request_waiver, waivers)
