"""Read-only commands: drop, builds, show, logs, events."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from buildfarm import config
from buildfarm.api.responses.build.builds import BuildPage
from buildfarm.api.responses.build.findings import Finding
from buildfarm.api.responses.schedule.forecast import DropPlan, TargetOutlook
from buildfarm.cli import output
from buildfarm.client import Client
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.intake.drop import Approval

json_option = click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")


def client() -> Client:
    """Return a client of the hub in BUILDFARM_URL and BUILDFARM_TOKEN, else of this machine's
    own.
    """
    return Client(*config.client_settings(config.load()))


@click.command("drop")
@click.argument("drop", required=False)
@json_option
def drop(drop: str | None, *, as_json: bool) -> None:
    """Show one DROP with its builds, or list all drops."""
    hub = client()
    if drop is None:
        listed = hub.drops.page()
        if as_json:
            output.as_json(listed)
            return
        rows = [
            (one.id[:12], one.target, one.name, one.state.value, one.reason) for one in listed.drops
        ]
        output.table(("Drop", "Target", "Name", "State", "Why"), rows)
        return
    found = hub.drops.get(drop)
    if as_json:
        output.as_json(found)
        return
    output.builds_table(found.builds, title=f"{found.name} ({found.state})")


@click.command("builds")
@click.option("--target", "-t", default="", help="Only builds of this target.")
@click.option("--state", "-s", default="", help=f"Only this state: {', '.join(BuildState)}.")
@click.option("--source", default="", help="Only builds of this source name.")
@json_option
def builds(target: str, state: str, source: str, *, as_json: bool) -> None:
    """List builds: SRPM, state, verdict, and the reason a build waits, failed or was refused."""
    hub = client()
    if as_json:
        output.as_json(hub.builds.page(target=target, state=state, source=source, limit=5000))
    else:
        output.builds_table(hub.builds.list(target=target, state=state, source=source))


@click.command("show")
@click.argument("build")
@click.option("--verbose", "-v", is_flag=True, help="Include findings that were normalised away.")
@json_option
def show(build: str, *, verbose: bool, as_json: bool) -> None:
    """Show one BUILD (id or name-version-release): states, reasons, tasks, findings."""
    found = client().builds.get(build)
    if as_json:
        output.as_json(found)
        return
    output.out.print(f"[bold]{found.nvr}[/]  {found.state}  {found.verdict}")
    if found.why:
        output.out.print(f"  why: {output.plain(found.why)}", highlight=False)
    for span in found.states:
        output.out.print(
            f"  {at(span.at)}  {span.state:<11} {output.plain(span.why)}", highlight=False
        )
    for task in found.tasks:
        seconds = f"{task.seconds:.1f} s" if task.seconds else ""
        output.out.print(f"  task {task.kind:<8} {task.state:<9} {task.worker:<14} {seconds}")
    for finding in _findings(found):
        if not verbose and finding.verdict in (Verdict.IDENTICAL, Verdict.EQUIVALENT):
            continue
        output.out.print(
            f"  {finding.verdict:<12} {finding.kind}: {output.plain(finding.path)} "
            f"{output.plain(finding.subject)}  "
            f"{output.plain(finding.old)} -> {output.plain(finding.new)}",
            highlight=False,
        )


def _findings(found: BuildPage) -> list[Finding]:
    return (
        [finding for pair in found.comparison.pairs for finding in pair.findings]
        if found.comparison
        else []
    )


def at(moment: datetime) -> str:
    """Return a time as the API writes it.

    >>> at(datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC))
    '2026-01-02T03:04:05.678Z'
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@click.command("logs")
@click.argument("build")
@click.option("--follow", "-f", is_flag=True, help="Follow the log until the build ends.")
@click.option("--task", default="", help="The log of one task (default: the last build task).")
def logs(build: str, task: str, *, follow: bool) -> None:
    """Print the build log of BUILD, which may still be growing."""
    hub = client()
    parts = (
        hub.builds.follow_log(build, task=task)
        if follow
        else [hub.builds.log(build, task=task).text]
    )
    for text in parts:
        click.echo(text, nl=False)


@click.command("events")
@click.argument("subject", required=False, default="")
@json_option
def events(subject: str, *, as_json: bool) -> None:
    """Print the history of one build, drop or worker, or of all: who did what, when and why."""
    found = client().newest_events(subject=subject)
    if as_json:
        output.as_json(found)
        return
    rows = [(e.id, at(e.at), e.actor, e.kind, e.subject, e.why) for e in found.events]
    output.table(("Event", "When", "Who", "What", "About", "Why"), rows)


@click.command("plan")
@click.argument("subject", metavar="DROP|TARGET")
@json_option
def plan(subject: str, *, as_json: bool) -> None:
    """Show the plan of a DROP or a TARGET.

    It has waves, the critical path, the estimated end, cycles, and the builds that wait or are
    stuck.
    """
    hub = client()
    is_target = any(one.name == subject for one in hub.targets.list())
    found = hub.targets.plan(subject) if is_target else hub.drops.plan(subject)
    if as_json:
        output.as_json(found)
        return
    if found.paused:
        output.line(f"{subject} is {found.paused}")
    _print_steps(subject, found)
    if isinstance(found, DropPlan):
        _print_left_out(subject, found)
    else:
        for waiting in found.waiting:
            output.line(f"{waiting.nvr} waits ({waiting.kind}): {waiting.reason}")
        for stuck in found.stuck:
            output.line(f"{stuck.nvr} is {stuck.state}: {stuck.reason}")


def _print_left_out(subject: str, found: DropPlan) -> None:
    for cycle in found.cycles:
        closing = "; ".join(f"{source} needs {needed}" for source, needed in cycle.closing)
        conditions = "".join(
            f"; {source} has {condition}" for source, condition in cycle.conditions
        )
        output.line(f"cycle of {', '.join(cycle.members)}, closed by: {closing}{conditions}")
    for problem in found.problems:
        output.line(f"{problem.nvr} ({problem.kind}): {problem.reason}")
    for branded in found.branded:
        output.line(
            f"{branded.nvr} (brand words and no rule): {branded.hits}, first {branded.first}"
        )
    for unread in found.unread:
        output.line(f"{unread.nvr} (not read for brand words): {unread.reason}")
    if found.surveyed.read < found.surveyed.of:
        output.line(
            f"{found.surveyed.of - found.surveyed.read} SRPMs are still to be read for brand words"
        )
    for stopped in found.left_out:
        output.line(f"{stopped.nvr} is {stopped.state}: {stopped.reason}")
    if found.approval == Approval.AWAITED:
        output.line(f"{found.reason}: `buildfarm approve {subject} --reason …`, or `refuse`")


def _print_steps(subject: str, found: TargetOutlook | DropPlan) -> None:
    if found.steps:
        made = at(found.created) if found.created else None
        output.line(
            f"{subject}: {len(found.steps)} builds in {len(found.waves)} waves, "
            f"{_span(found.makespan)} on {found.workers} builders "
            f"(no order is faster than {_span(found.bound)}; as of {made})"
        )
        output.line(f"critical path, {_span(found.critical_path)}: {' → '.join(found.critical)}")
        rows = [
            (
                str(step.wave + 1),
                step.name,
                _span(step.start),
                _span(step.cost),
                _span(step.remaining_path),
            )
            for step in found.steps
        ]
        output.table(("Wave", "SRPM", "Starts in", "Takes", "Remaining path"), rows)
    else:
        is_open = isinstance(found, TargetOutlook) and found.waiting and not found.paused
        output.line(f"{subject}: {'nothing is forecast yet' if is_open else 'nothing is to begin'}")
    names = {step.build: step.name for step in found.steps}
    for cycle in found.unscheduled_cycles:
        output.line(f"cycle: {', '.join(names.get(key, key) for key in cycle)}")


@click.command("seeds")
@click.argument("target")
@json_option
def seeds(target: str, *, as_json: bool) -> None:
    """Show what still comes from a seed in the buildroots of TARGET, and its self-hosted share."""
    found = client().targets.seeds(target)
    if as_json:
        output.as_json(found)
        return
    shares = [(one.number, one.share) for one in found.over_time if one.share is not None]
    if shares:
        (first, then), (last, now) = shares[0], shares[-1]
        output.line(
            f"self-hosted share: {then:.1%} in generation {first}, {now:.1%} in generation {last}; "
            f"with the buildroots behind them {found.transitive.share or 0:.1%}"
        )
    for one in found.cycles:
        seeded = f"took {', '.join(one.seeded)} from a seed or a bootstrap"
        took = seeded if one.seeded else "took nothing of its cycle from a seed"
        took = f"built with {one.bootstrap}, without its cycle" if one.bootstrap else took
        output.line(f"cycle {', '.join(one.cycle)}: {one.nvr}, round {one.round}, {took}")
    rows = [(seed.nevra, str(seed.buildroots), seed.why) for seed in found.seeds]
    output.table(("Seed", "Buildroots", "Why not ours"), rows)


@click.command("failures")
@click.argument("target")
@json_option
def failures(target: str, *, as_json: bool) -> None:
    """List the failures of TARGET by cause: one line for all builds of a cluster."""
    found = client().targets.failures(target)
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            one.id,
            str(len(one.builds)),
            one.kind,
            one.words,
            ", ".join(build.nvr for build in one.builds[:3]),
        )
        for one in found.clusters
    ]
    output.table(("Cluster", "Builds", "Kind", "Cause", "First"), rows)
    if rows:
        output.line(f"to retry one: buildfarm retry --cluster ID -t {target} --reason …")


@click.command("why")
@click.argument("build")
@json_option
def why(build: str, *, as_json: bool) -> None:
    """Explain the state of BUILD: what it waits for, its rank, and its estimated start."""
    found = client().builds.why(build)
    if as_json:
        output.as_json(found)
        return
    lines = [
        f"{found.nvr} is {found.state} since {at(found.since)}"
        + (f": {found.reason}" if found.reason else "")
    ]
    if found.paused and found.paused not in found.reason:
        lines.append(f"{found.paused}: nothing of its target begins")
    if found.waits_for:
        lines.append(f"waits for {', '.join(found.waits_for)}")
    if found.rank:
        lines.append(
            f"number {found.rank.position} of {found.rank.of} in the queue {found.rank.queue}"
        )
    if found.decision:
        lines.append(f"was given a builder as the {found.decision.why}")
    if found.estimated_start and found.estimated_end:
        behind = _span(found.seconds_behind_it or 0.0)
        position = "on the critical path" if found.critical else f"{behind} of work behind it"
        lines.append(
            f"should start {at(found.estimated_start)} and end {at(found.estimated_end)}; "
            f"wave {(found.wave or 0) + 1}, {position}"
        )
    if found.next:
        lines.append(f"next: {found.next}")
    output.line("\n".join(lines))


@click.command("search")
@click.argument("text", nargs=-1, required=True)
@json_option
def search(text: tuple[str, ...], *, as_json: bool) -> None:
    """Find sources, SRPMs, RPMs, their files, findings, drops, failures and workers by prefix."""
    found = client().search(" ".join(text))
    if as_json:
        output.as_json(found)
        return
    rows = [
        (group.title, hit.label, hit.detail, hit.target, hit.href)
        for group in found.groups
        for hit in group.hits
    ]
    output.table(("Kind", "Found", "What", "Target", "Page"), rows)


def _span(seconds: float) -> str:
    """Return seconds in readable units.

    >>> _span(59), _span(3700), _span(100000)
    ('59 s', '1 h 1 min', '1 d 3 h')
    """
    for large, small, size, part in (
        ("d", "h", 86400, 3600),
        ("h", "min", 3600, 60),
        ("min", "s", 60, 1),
    ):
        if seconds >= size:
            return f"{int(seconds // size)} {large} {int(seconds % size // part)} {small}"
    return f"{seconds:.0f} s"


COMMANDS = (drop, builds, show, logs, events, plan, why, seeds, failures, search)
