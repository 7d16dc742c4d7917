"""Commands that change something: ingest, retry, cancel, release-hold, override."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.progress import Progress

from buildfarm.api.responses.build.builds import Build
from buildfarm.api.responses.core.base import JsonObject
from buildfarm.api.responses.intake.drops import DropPage
from buildfarm.cli import output
from buildfarm.cli.hub.queries import client, json_option
from buildfarm.client import Client
from buildfarm.client.drops import DropFiles, DropOptions
from buildfarm.domain.core.build import JUDGED, NEEDS_NOTHING, BuildState, Gate, WaitKind
from buildfarm.domain.intake.drop import DropState
from buildfarm.errors import InputError
from buildfarm.rpm_folders import rpms_below

_POLL_SECONDS = 0.5
_UNTIL_A_PERSON_ACTS = (
    WaitKind.UNRESOLVABLE,
    WaitKind.BLOCKED,
    WaitKind.CYCLE,
    WaitKind.APPROVAL,
    WaitKind.PAUSED,
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@click.command("ingest")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--target", "-t", required=True, help="The target to build for.")
@click.option(
    "--dist-git",
    "sources",
    multiple=True,
    metavar="SOURCE@COMMIT",
    help="A source of the target's dist-git.",
)
@click.option(
    "--url",
    "urls",
    multiple=True,
    metavar="URL[#SHA256]",
    help="A file at a URL that the target allows.",
)
@click.option("--name", default="", help="A display name.")
@click.option("--scratch", is_flag=True, help="Build and compare, publish nothing.")
@click.option(
    "--priority",
    type=click.IntRange(-100, 100),
    default=0,
    help="Higher goes first; below zero runs in the background.",
)
@click.option(
    "--plan-first",
    is_flag=True,
    help="Build nothing until the plan is approved (buildfarm plan, approve, refuse).",
)
@click.option("--wait", is_flag=True, help="Wait until every build is finished.")
@json_option
def ingest(
    paths: tuple[Path, ...], target: str, sources: tuple[str, ...], urls: tuple[str, ...],
    name: str, priority: int, *, scratch: bool, plan_first: bool, wait: bool, as_json: bool,
) -> None:  # fmt: skip
    """Send SRPMs and vendor binaries to the hub as one drop.

    PATHS are files, or folders searched for *.rpm; sources of dist-git and URLs are named by
    options.
    """
    files = sorted(set(_rpms(paths)))
    if not files and not sources and not urls:
        where = f"no *.rpm under {', '.join(map(str, paths))}" if paths else "nothing to ingest"
        raise InputError(where, hint="give files, folders, --url or --dist-git")
    hub = client()
    named = _dist_git(sources)
    options = DropOptions(name=name, scratch=scratch, priority=priority, plan_first=plan_first)
    received = hub.drops.send(target, {**_named(hub, files, urls), "dist_git": named}, **options)
    settled = wait_for(hub, received.id) if wait else None
    if as_json:
        output.as_json({**received.to_json(), **(settled.to_json() if settled else {})})
    else:
        output.out.print(
            f"{'drop' if received.created else 'known drop'} {received.id}\n{received.url}"
        )
        if settled:
            output.builds_table(settled.builds)


def _dist_git(sources: Sequence[str]) -> list[JsonObject]:
    """Return the entries of a drop for ``SOURCE@COMMIT``.

    :raises InputError: the form is wrong, or the commit is shortened.
    """
    for source in sources:
        if not _COMMIT.fullmatch(source.partition("@")[2]):
            raise InputError(
                f"{source}: a source of dist-git is named SOURCE@COMMIT, "
                "with all 40 digits of the commit",
                hint="`git ls-remote URL REF` prints them",
            )
    return [
        dict(zip(("source", "commit"), source.split("@", 1), strict=True)) for source in sources
    ]


def _named(hub: Client, files: Sequence[Path], urls: Sequence[str]) -> DropFiles:
    """Upload the files to the hub's blob store; return them and the URLs as entries of a drop."""
    items: dict[str, list[JsonObject]] = {"srpms": [], "binaries": []}
    for url in urls:
        place, _, sha256 = url.partition("#")
        items[_group(place)].append({"url": place, "sha256": sha256})
    with Progress(console=output.err, transient=True) as progress:
        for file in progress.track(files, description="uploading"):
            items[_group(file.name)].append({"sha256": hub.upload(file), "filename": file.name})
    return {"srpms": items["srpms"], "binaries": items["binaries"]}


def _group(name: str) -> str:
    return "srpms" if name.endswith((".src.rpm", ".nosrc.rpm")) else "binaries"


def _rpms(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from rpms_below(path)
        else:
            yield path


def is_finished(build: Build) -> bool:
    """Check whether a build will not change by itself: it has ended, is refused, or waits for a
    person.
    """
    if build.state in NEEDS_NOTHING:
        return True
    if build.state in JUDGED:
        return build.gate is Gate.REFUSED and build.settled
    return build.state is BuildState.WAITING and build.wait_kind in _UNTIL_A_PERSON_ACTS


def wait_for(hub: Client, drop: str, *, seconds: float = 24 * 3600) -> DropPage:
    """Show a drop's progress until all its builds are finished.

    :raises InputError: it takes too long.
    """
    deadline = time.monotonic() + seconds
    quiet = 0
    with Progress(console=output.err, transient=True) as progress:
        bar = progress.add_task("building", total=None)
        while time.monotonic() < deadline:
            found = hub.drops.get(drop)
            moving = [build for build in found.builds if not is_finished(build)]
            done = len(found.builds) - len(moving)
            words = ", ".join(f"{build.source} {build.state}" for build in moving)
            progress.update(
                bar,
                total=len(found.builds) or None,
                completed=done,
                description=words[:70] or "settling",
            )
            quiet = quiet + 1 if found.state is not DropState.RECEIVED and not moving else 0
            if quiet > 1:  # waiting builds are examined again after the last publish
                return found
            time.sleep(_POLL_SECONDS)
    raise InputError(
        f"drop {drop} is not finished after {seconds:.0f} s",
        hint="`buildfarm builds` says what waits",
    )


def _print_state(build: Build) -> None:
    output.out.print(f"{build.nvr}: {build.state}", highlight=False)


@click.command("retry")
@click.argument("builds", nargs=-1)
@click.option("--failed", is_flag=True, help="Every failed build of the target.")
@click.option("--cluster", default="", help="Every build of one cluster (`buildfarm failures`).")
@click.option("--target", "-t", default="", help="The target of --failed and --cluster.")
@click.option("--drop", default="", help="With --failed: the failed builds of this drop.")
@click.option("--reason", default="", help="The reason to expect success now.")
def retry(
    builds: tuple[str, ...], target: str, drop: str, cluster: str, reason: str, *, failed: bool
) -> None:
    """Build failed, canceled or excluded BUILDS again; or all failed ones, or all of a cluster."""
    if (failed or cluster) and not (target or (drop and failed)):
        raise InputError("whose failed builds?", hint="--target NAME, or --failed --drop DROP")
    hub = client()
    if failed and drop:
        builds += tuple(build.id for build in hub.builds.list(drop=drop, state=BuildState.FAILED))
        if not builds:
            raise InputError(
                f"drop {drop} has no failed builds", hint="`buildfarm drop DROP` lists them all"
            )
    elif failed or cluster:
        chosen = [
            one for one in hub.targets.failures(target).clusters if failed or one.id == cluster
        ]
        if not chosen:
            raise InputError(
                f"{target} has no such failures", hint="`buildfarm failures TARGET` lists them"
            )
        builds += tuple(build.id for one in chosen for build in one.builds)
    if not builds:
        raise InputError("which builds?", hint="name them, or --failed, or --cluster ID")
    for build in builds:
        _print_state(hub.builds.retry(build, reason=reason))


@click.command("pause")
@click.argument("subject")
@click.option("--reason", required=True, help="The reason, for the audit log.")
@click.option("--drop", "is_drop", is_flag=True, help="SUBJECT is a drop, not a target.")
def pause(subject: str, reason: str, *, is_drop: bool) -> None:
    """Start no more builds of a target (or a drop); running ones finish."""
    hub = client()
    if is_drop:
        hub.drops.pause(subject, reason=reason)
    else:
        hub.targets.pause(subject, reason=reason)
    output.out.print(f"{subject}: paused", highlight=False)


@click.command("resume")
@click.argument("subject")
@click.option("--reason", default="", help="The reason to resume.")
@click.option("--drop", "is_drop", is_flag=True, help="SUBJECT is a drop, not a target.")
@click.option("--cancel-waiting", is_flag=True, help="Cancel the builds that have not started.")
def resume(subject: str, reason: str, *, is_drop: bool, cancel_waiting: bool) -> None:
    """Resume a paused target (or drop)."""
    resume_one = client().drops.resume if is_drop else client().targets.resume
    answer = resume_one(subject, reason=reason, cancel_waiting=cancel_waiting)
    canceled = f", {answer.canceled} builds canceled" if cancel_waiting else ""
    output.out.print(f"{subject}: goes on{canceled}", highlight=False)


@click.command("approve")
@click.argument("drop")
@click.option("--reason", required=True, help="The reason to approve the plan.")
def approve(drop: str, reason: str) -> None:
    """Approve the plan of a DROP that awaits approval, so that it is built."""
    answer = client().drops.approve(drop, reason=reason)
    output.out.print(f"drop {answer.id[:12]}: approved, {answer.builds} builds", highlight=False)


@click.command("refuse")
@click.argument("drop")
@click.option("--reason", required=True, help="The reason to refuse the drop.")
def refuse(drop: str, reason: str) -> None:
    """Refuse a DROP that awaits approval; its builds are canceled."""
    answer = client().drops.refuse(drop, reason=reason)
    output.out.print(f"drop {answer.id[:12]}: refused, its builds are canceled", highlight=False)


@click.command("cancel")
@click.argument("builds", nargs=-1, required=True)
@click.option("--reason", required=True, help="The reason, for the audit log.")
def cancel(builds: tuple[str, ...], reason: str) -> None:
    """Cancel BUILDS; a running one is stopped at its worker's next heart-beat."""
    hub = client()
    for build in builds:
        _print_state(hub.builds.cancel(build, reason=reason))


@click.command("prioritise")
@click.argument("priority", type=click.IntRange(-100, 100))
@click.argument("builds", nargs=-1, required=True)
@click.option("--reason", required=True, help="The reason, for the audit log.")
def prioritise(priority: int, builds: tuple[str, ...], reason: str) -> None:
    """Give BUILDS a PRIORITY: higher goes first, below zero runs in the background."""
    hub = client()
    for build in builds:
        changed = hub.builds.prioritise(build, priority, reason=reason)
        output.out.print(f"{changed.nvr}: priority {priority}", highlight=False)


@click.command("worker-drain")
@click.argument("worker")
@click.option("--reason", required=True, help="The reason, for the audit log.")
@click.option("--resume", "back", is_flag=True, help="Take it back into service.")
def worker_drain(worker: str, reason: str, *, back: bool) -> None:
    """Give WORKER no more tasks; it finishes the ones it has."""
    hub = client()
    answer = hub.take_back(worker, reason=reason) if back else hub.drain(worker, reason=reason)
    output.out.print(f"{answer.id}: {answer.state}", highlight=False)


@click.command("worker-reserve")
@click.argument("worker")
@click.option(
    "--for",
    "reserved",
    multiple=True,
    metavar="sig:S|target:T|source:N",
    help="Reserve the worker for these (default: no reservation).",
)
@click.option("--reason", required=True, help="The reason, for the audit log.")
def worker_reserve(worker: str, reserved: tuple[str, ...], reason: str) -> None:
    """Reserve WORKER for some SIGs, targets or sources; without --for, end the reservation."""
    answer = client().reserve(worker, reserved, reason=reason)
    output.out.print(
        f"{answer.id}: for {', '.join(answer.reserved) or 'everybody'}", highlight=False
    )


@click.command("release-hold")
@click.argument("subject")
@click.option("--reason", required=True, help="The reason to release the hold.")
@click.option("--drop", "is_drop", is_flag=True, help="SUBJECT is a drop, not a build.")
def release_hold(subject: str, reason: str, *, is_drop: bool) -> None:
    """Release a build (or a drop) that is on hold."""
    if is_drop:
        answer = client().drops.release_hold(subject, reason=reason)
        output.out.print(f"drop {answer.id}: {answer.state}", highlight=False)
    else:
        _print_state(client().builds.release_hold(subject, reason=reason))


@click.command("override")
@click.argument("source")
@click.option("--target", "-t", required=True)
@click.option(
    "--reason", required=True, help="The reason, recorded with every build that it affects."
)
@click.option("--nocheck", is_flag=True, help="Skip %check.")
@click.option("--network", is_flag=True, help="Allow this source network access while it builds.")
@click.option("--with", "with_", multiple=True, metavar="COND", help="Switch a bcond on.")
@click.option("--without", multiple=True, metavar="COND", help="Switch a bcond off.")
@click.option("--define", multiple=True, metavar="'NAME VALUE'", help="An rpm macro.")
@click.option("--seconds", type=int, help="Time limit.")
@click.option("--memory", type=int, metavar="MIB", help="Memory limit.")
@click.option("--remove", is_flag=True, help="Remove the override.")
def override(
    source: str,
    target: str,
    reason: str,
    with_: tuple[str, ...],
    without: tuple[str, ...],
    define: tuple[str, ...],
    seconds: int | None,
    memory: int | None,
    *,
    nocheck: bool,
    network: bool,
    remove: bool,
) -> None:
    """Make an exception for one SOURCE; it applies to its next builds until replaced or removed."""
    macros: dict[str, str] = {}
    for item in define:
        macro, _, value = item.partition(" ")
        if not value:
            raise InputError(f"--define {item!r}: no value", hint="write --define 'NAME VALUE'")
        macros[macro] = value
    settings = {
        "macros": macros, "with_": list(with_), "without": list(without), "nocheck": nocheck,
        "network": network, "seconds": seconds, "memory": memory * 1024 * 1024 if memory else None,
    }  # fmt: skip
    client().targets.override(target, source, settings, reason=reason, remove=remove)
    output.out.print(
        f"{source}: override {'removed' if remove else 'recorded'}; "
        "it applies from the next build on"
    )


COMMANDS = (
    ingest, retry, cancel, release_hold, override, pause, resume, approve, refuse, prioritise,
    worker_drain, worker_reserve,
)  # fmt: skip
