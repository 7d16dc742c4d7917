"""``buildfarm waive``, ``request-waiver`` and ``waivers``: accept a difference until a day, ask for
it, list, export, import, revoke.
"""

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
@click.option("--owner", required=True, help="Who answers for it.")
@click.option("--reason", required=True, help="Why the difference is acceptable.")
@click.option("--expires", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Its last day.")
@click.option("--source", default="*", show_default=True, help="Glob over the source's name.")
@click.option("--rpm", default="*", show_default=True, help="Glob over the RPM's name.")
@click.option(
    "--path", default="**", show_default=True, help="Path glob: * stays in one folder, ** does not."
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
@click.option("--id", "identity", default="", help="Made where it is not given.")
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
    """Accept findings of KIND (see `compare --kinds`) until a day; what they hold up is judged anew
    at once.
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
@click.option("--all", "everything", is_flag=True, help="Those that ended too.")
@json_option
def list_waivers(*, everything: bool, as_json: bool) -> None:
    """List waivers, and say which do nothing any more or end soon."""
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
            f"waiver {output.plain(identity)} matches nothing: revoke it, or wait for what it is for",
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
    """Record every waiver of FILE; one whose id is known already is left as it is."""
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
@click.option("--reason", required=True, help="Why it ends before its day.")
def revoke(waiver: str, reason: str) -> None:
    """End WAIVER now; what it had lifted is judged anew."""
    ended = client().waivers.revoke(waiver, reason=reason)
    output.out.print(f"{ended.id}: {ended.ended_why}", highlight=False)


@click.command("request-waiver")
@click.argument("build")
@click.argument("kind")
@click.option("--reason", required=True, help="Why the difference is acceptable.")
@click.option("--path", default="", help="The finding's path.")
@click.option("--subject", default="", help="What differs there.")
@click.option("--rpm", default="", help="The RPM's file name.")
@json_option
def request_waiver(build: str, kind: str, *, as_json: bool, **words: str) -> None:
    """Ask those who may to waive the finding of KIND of BUILD, as its comparison writes it."""
    _say(client().waivers.ask(build, {"kind": kind, **words}), as_json=as_json)


@waivers.command("grant")
@click.argument("ask")
@click.option("--owner", required=True, help="Who answers for it.")
@click.option("--expires", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Its last day.")
@click.option("--reason", default="", help="Beside the asker's own.")
@json_option
def grant(ask: str, owner: str, expires: datetime, reason: str, *, as_json: bool) -> None:
    """Record the waiver that was asked for as ASK."""
    made = client().waivers.grant(
        ask, owner=owner, expires=expires.date().isoformat(), reason=reason
    )
    _say(made, as_json=as_json)


@waivers.command("decline")
@click.argument("ask")
@click.option("--reason", required=True, help="Why not.")
@json_option
def decline(ask: str, reason: str, *, as_json: bool) -> None:
    """Refuse the waiver that was asked for as ASK."""
    _say(client().waivers.decline(ask, reason=reason), as_json=as_json)


def _say(one: WaiverRequest, *, as_json: bool) -> None:
    if as_json:
        output.as_json(one)
    else:
        came = f"{one.answer} by {one.answered_by}" if one.answer else "asked for"
        output.out.print(
            f"{one.id}: {one.finding} in {one.nvr}, {came}{f': {one.waiver}' if one.waiver else ''}",
            highlight=False,
        )


COMMANDS = (waive, request_waiver, waivers)
