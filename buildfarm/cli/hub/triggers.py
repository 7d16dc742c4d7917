"""Triggers: a list of them, and the processes that poll repositories and watch folders."""

from __future__ import annotations

import os
import random
import socket
import sys
import threading
from datetime import datetime

import click

from buildfarm import bootstrap, config
from buildfarm.cli import output
from buildfarm.cli.farm.processes import stop_event
from buildfarm.cli.hub.queries import at, client, json_option
from buildfarm.errors import InputError


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


@click.command("triggers")
@click.option("--target", "-t", default="", help="Only this target.")
@json_option
def triggers(target: str, *, as_json: bool) -> None:
    """List triggers: what each follows, its last find, and the reason it waits or fails."""
    found = client().triggers(target=target)
    if as_json:
        output.as_json(found)
        return
    for one in found.triggers:
        output.line(f"{one.target} {one.kind} {one.name}: {one.state}")
        for what in one.follows:
            output.line(f"  follows {what}")
        if one.problem:
            output.line(
                f"  {one.problem} (since {_minute(one.problem_since)}, {one.failures} times)"
            )
        if one.found:
            output.line(f"  found {one.found}{', drop ' + one.drop[:12] if one.drop else ''}")
        if one.looked:
            output.line(
                f"  looked {_minute(one.looked)}"
                f"{', next ' + _minute(one.next_look) if one.next_look else ''}"
            )
    if not found.triggers:
        output.line("no target has triggers: `triggers:` in its file names them")


def _minute(moment: datetime | None) -> str:
    return at(moment)[:16] if moment else "?"


@click.command("poll")
@click.option(
    "--once",
    is_flag=True,
    help="Poll every repository once, report and exit. Exit code 1: a poll failed.",
)
def poll(*, once: bool) -> None:
    """Poll the vendors' repositories when due; of several processes one polls."""
    loaded = config.load()
    if not any(target.triggers.polls for target in loaded.targets.values()):
        raise InputError(
            "no target polls a repository", hint="`triggers.polls` in a target's file names some"
        )
    hub = bootstrap.hub_of(loaded)
    with bootstrap.poller_of(hub, owner=_owner(), chance=random.SystemRandom().random) as poller:
        if not once:
            poller.run(stop_event())
            return
        states = poller.round(everything=True)
        hub.wakeup.notify()
    url = f"{loaded.farm.url}/drops/"
    rows = [
        (
            state.target,
            state.name,
            state.problem or state.found,
            state.drop_id and f"{url}{state.drop_id[:12]}",
        )
        for state in states
    ]
    output.table(("Target", "Poll", "Found", "Last drop"), rows)
    if any(state.problem for state in states):
        sys.exit(1)


@click.command("watch")
def watch() -> None:
    """Watch the targets' folders and make drops of complete files; of several processes one
    sends.
    """
    loaded = config.load()
    watches = bootstrap.watches_of(bootstrap.hub_of(loaded))
    if not watches:
        raise InputError(
            "no target watches a folder", hint="`triggers.folders` in a target's file names some"
        )
    stop = stop_event()
    threads = [threading.Thread(target=one.run, args=(_owner(), stop)) for one in watches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


COMMANDS = (triggers, poll, watch)
