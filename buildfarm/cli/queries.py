"""Verbs that only look: drop, builds, show, logs, events."""

from __future__ import annotations

import time
from typing import Any

import click

from buildfarm import config
from buildfarm.cli import output
from buildfarm.cli.client import Client
from buildfarm.domain.build import NEEDS_NOTHING, BuildState
from buildfarm.domain.verdict import Verdict

_FOLLOW_SECONDS = 0.5

json_option = click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")


def client() -> Client:
    """The hub named by BUILDFARM_URL and BUILDFARM_TOKEN, else this machine's own."""
    return Client(*config.client_settings(config.load()))


@click.command("drop")
@click.argument("drop", required=False)
@json_option
def drop(drop: str | None, *, as_json: bool) -> None:
    """Show one DROP with its builds, or list all drops."""
    if drop is None:
        found = client().get("/drops")
        if as_json:
            output.as_json(found)
            return
        rows = [(d["id"][:12], d["target"], d["name"], d["state"], d.get("reason") or "") for d in found["drops"]]
        output.table(("Drop", "Target", "Name", "State", "Why"), rows)
        return
    found = client().get(f"/drops/{drop}")
    if as_json:
        output.as_json(found)
        return
    output.builds_table(found["builds"], title=f"{found['name']} ({found['state']})")


@click.command("builds")
@click.option("--target", "-t", default="", help="Only builds of this target.")
@click.option("--state", "-s", default="", help=f"Only this state: {', '.join(BuildState)}.")
@click.option("--source", default="", help="Only builds of this source name.")
@json_option
def builds(target: str, state: str, source: str, *, as_json: bool) -> None:
    """List builds: SRPM, state, verdict, and why it waits, failed or was refused."""
    found = client().get("/builds", target=target, state=state, source=source, limit=5000)
    if as_json:
        output.as_json(found)
    else:
        output.builds_table(found["builds"])


@click.command("show")
@click.argument("build")
@click.option("--verbose", "-v", is_flag=True, help="Also what was normalised away.")
@json_option
def show(build: str, *, verbose: bool, as_json: bool) -> None:
    """Show one BUILD (id or name-version-release): states, reasons, tasks, findings."""
    found = client().get(f"/builds/{build}")
    if as_json:
        output.as_json(found)
        return
    output.out.print(f"[bold]{found['nvr']}[/]  {found['state']}  {found.get('verdict') or ''}")
    if found.get("why"):
        output.out.print(f"  why: {output.plain(found['why'])}", highlight=False)
    for event in found.get("states", ()):
        output.out.print(
            f"  {event['at']}  {event['state']:<11} {output.plain(event.get('why') or '')}", highlight=False
        )
    for task in found.get("tasks", ()):
        seconds = f"{task['seconds']:.1f} s" if task.get("seconds") else ""
        output.out.print(f"  task {task['kind']:<8} {task['state']:<9} {task.get('worker') or '':<14} {seconds}")
    for finding in _findings(found):
        if not verbose and finding["verdict"] in (Verdict.IDENTICAL, Verdict.EQUIVALENT):
            continue
        output.out.print(
            f"  {finding['verdict']:<12} {finding['kind']}: {output.plain(finding['path'])} "
            f"{output.plain(finding['subject'])}  {output.plain(finding['old'])} -> {output.plain(finding['new'])}",
            highlight=False,
        )


def _findings(found: dict[str, Any]) -> list[dict[str, Any]]:
    report = found.get("comparison") or {}
    return [finding for pair in report.get("report", report).get("pairs", ()) for finding in pair["findings"]]


@click.command("logs")
@click.argument("build")
@click.option("--follow", "-f", is_flag=True, help="Go on until the build ends.")
@click.option("--task", default="", help="The log of one task (default: the last build task).")
def logs(build: str, task: str, *, follow: bool) -> None:
    """Print the build log of BUILD; it can still be growing."""
    hub, offset = client(), 0
    while True:
        text, offset = hub.log(f"/builds/{build}/log", task=task, offset=offset)
        click.echo(text, nl=False)
        if not follow or hub.get(f"/builds/{build}")["state"] in {
            *NEEDS_NOTHING,
            BuildState.BUILT,
            BuildState.COMPARED,
        }:
            return
        time.sleep(_FOLLOW_SECONDS)


@click.command("events")
@click.argument("subject", required=False, default="")
@json_option
def events(subject: str, *, as_json: bool) -> None:
    """Print the history: who did what, when and why (of one build, drop or worker, or of all)."""
    found = client().get("/events", subject=subject)
    if as_json:
        output.as_json(found)
        return
    rows = [(e["id"], e["at"], e["actor"], e["kind"], e["subject"], e["why"]) for e in found["events"]]
    output.table(("Event", "When", "Who", "What", "About", "Why"), rows)


@click.command("plan")
@click.argument("subject", metavar="DROP|TARGET")
@json_option
def plan(subject: str, *, as_json: bool) -> None:
    """What comes of a DROP or for a TARGET: waves, the longest way, the estimated end, circles, what waits or is stuck and why."""
    hub = client()
    is_target = any(one["name"] == subject for one in hub.get("/targets")["targets"])
    found = hub.get(f"/{'targets' if is_target else 'drops'}/{subject}/plan")
    if as_json:
        output.as_json(found)
        return
    say = output.out.print
    if found["paused"]:
        say(f"{subject} is {found['paused']}", highlight=False, markup=False)
    _say_steps(subject, found)
    if is_target:
        for one in found["waiting"]:
            say(f"{one['nvr']} waits ({one['kind']}): {one['reason']}", highlight=False, markup=False)
        for one in found["stuck"]:
            say(f"{one['nvr']} is {one['state']}: {one['reason']}", highlight=False, markup=False)
        return
    _say_drop(subject, found)


def _say_drop(subject: str, found: dict[str, Any]) -> None:
    say = output.out.print
    for cycle in found["cycles"]:
        closing = "; ".join(f"{source} needs {needed}" for source, needed in cycle["closing"])
        conditions = "".join(f"; {source} has {condition}" for source, condition in cycle.get("conditions", ()))
        say(f"circle of {', '.join(cycle['members'])}, closed by: {closing}{conditions}", highlight=False, markup=False)
    for one in found["problems"]:
        say(f"{one['nvr']} ({one['kind']}): {one['reason']}", highlight=False, markup=False)
    for one in found["branded"]:
        said = f"{one['nvr']} (brand words and no rule): {one['hits']}, first {one['first']}"
        say(said, highlight=False, markup=False)
    for one in found["unread"]:
        say(f"{one['nvr']} (not read for brand words): {one['reason']}", highlight=False, markup=False)
    if (read := found["surveyed"])["read"] < read["of"]:
        say(f"{read['of'] - read['read']} SRPMs are still to be read for brand words", highlight=False)
    for one in found["left_out"]:
        say(f"{one['nvr']} is {one['state']}: {one['reason']}", highlight=False, markup=False)
    if found["approval"] == "awaited":
        say(f"{found['reason']}: `buildfarm approve {subject} --reason …`, or `refuse`", highlight=False, markup=False)


def _say_steps(subject: str, found: dict[str, Any]) -> None:
    say = output.out.print
    if not found["steps"]:
        what = "nothing is foretold yet" if found.get("waiting") and not found["paused"] else "nothing is to begin"
        say(f"{subject}: {what}", highlight=False)
    else:
        say(
            f"{subject}: {len(found['steps'])} builds in {len(found['waves'])} waves, {_span(found['makespan'])} "
            f"on {found['workers']} builders (no order is faster than {_span(found['bound'])}; as of {found['created']})", highlight=False,
        )  # fmt: skip
        say(f"longest way, {_span(found['critical_path'])}: {' → '.join(found['critical'])}", highlight=False)
        rows = [
            (str(step["wave"] + 1), step["name"], _span(step["start"]), _span(step["cost"]), _span(step["way"]))
            for step in found["steps"]
        ]
        output.table(("Wave", "SRPM", "Starts in", "Takes", "Way behind it"), rows)
    for circle in found.get("circles", ()):
        names = {step["build"]: step["name"] for step in found["steps"]}
        say(f"circle: {', '.join(names.get(key, key) for key in circle)}", highlight=False, markup=False)


@click.command("seeds")
@click.argument("target")
@json_option
def seeds(target: str, *, as_json: bool) -> None:
    """What still comes from a seed in the buildroots of TARGET and why, and its self-hosted share over time."""
    found = client().get(f"/targets/{target}/seeds")
    if as_json:
        output.as_json(found)
        return
    say = output.out.print
    shares = [one for one in found["over_time"] if one["share"] is not None]
    if shares:
        first, last = shares[0], shares[-1]
        say(
            f"self-hosted share: {first['share']:.1%} in generation {first['number']}, {last['share']:.1%} in generation {last['number']}; "
            f"with the buildroots behind them {found['transitive']['share'] or 0:.1%}", highlight=False,
        )  # fmt: skip
    for one in found["circles"]:
        took = (
            f"took {', '.join(one['seeded'])} from a seed or a bootstrap"
            if one["seeded"]
            else "took nothing of its circle from a seed"
        )
        took = f"built with {one['bootstrap']}, without its circle" if one["bootstrap"] else took
        say(f"circle {', '.join(one['circle'])}: {one['nvr']}, round {one['round']}, {took}", highlight=False)
    rows = [(one["nevra"], str(one["buildroots"]), one["why"]) for one in found["seeds"]]
    output.table(("Seed", "Buildroots", "Why not ours"), rows)


@click.command("failures")
@click.argument("target")
@json_option
def failures(target: str, *, as_json: bool) -> None:
    """What failed for TARGET, by cause: one line for all builds that failed alike."""
    found = client().get(f"/targets/{target}/failures")
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            one["id"],
            str(len(one["builds"])),
            one["kind"],
            one["words"],
            ", ".join(build["nvr"] for build in one["builds"][:3]),
        )
        for one in found["clusters"]
    ]
    output.table(("Cluster", "Builds", "Kind", "Cause", "First"), rows)
    if rows:
        output.out.print(
            f"to retry one: buildfarm retry --cluster ID -t {target} --reason …", highlight=False, markup=False
        )


@click.command("why")
@click.argument("build")
@json_option
def why(build: str, *, as_json: bool) -> None:
    """Why BUILD is where it is: what it waits for, its rank, and when it should start."""
    found = client().get(f"/builds/{build}/why")
    if as_json:
        output.as_json(found)
        return
    lines = [
        f"{found['nvr']} is {found['state']} since {found['since']}{': ' if found['reason'] else ''}{found['reason']}"
    ]
    if found["paused"] and found["paused"] not in found["reason"]:
        lines.append(f"{found['paused']}: nothing of its target begins")
    if found["waits_for"]:
        lines.append(f"waits for {', '.join(found['waits_for'])}")
    if found["rank"]:
        lines.append(f"number {found['rank']['place']} of {found['rank']['of']} in the queue {found['rank']['queue']}")
    if found["decision"]:
        lines.append(f"was given a builder as the {found['decision']['why']}")
    if found["estimated_start"]:
        place = "on the longest way" if found["critical"] else f"{_span(found['seconds_behind_it'])} of work behind it"
        lines.append(
            f"should start {found['estimated_start']} and end {found['estimated_end']}; wave {found['wave'] + 1}, {place}"
        )
    if found["next"]:
        lines.append(f"next: {found['next']}")
    output.out.print("\n".join(lines), highlight=False, markup=False)


@click.command("search")
@click.argument("text", nargs=-1, required=True)
@json_option
def search(text: tuple[str, ...], *, as_json: bool) -> None:
    """Find sources, SRPMs, RPMs, files in them, findings, drops, failures and workers by how they begin."""
    found = client().get("/search", q=" ".join(text))
    if as_json:
        output.as_json(found)
        return
    rows = [
        (group["title"], hit["label"], hit["detail"], hit["target"], hit["href"])
        for group in found["groups"]
        for hit in group["hits"]
    ]
    output.table(("Kind", "Found", "What", "Target", "Page"), rows)


def _span(seconds: float) -> str:
    """Seconds as people say them.

    >>> _span(59), _span(3700), _span(100000)
    ('59 s', '1 h 1 min', '1 d 3 h')
    """
    for large, small, size, part in (("d", "h", 86400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1)):
        if seconds >= size:
            return f"{int(seconds // size)} {large} {int(seconds % size // part)} {small}"
    return f"{seconds:.0f} s"


COMMANDS = (drop, builds, show, logs, events, plan, why, seeds, failures, search)
