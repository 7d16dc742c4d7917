"""The consumer that turns events into notices, and notices into deliveries; it also detects that a
drop is finished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from buildfarm.config import Config
from buildfarm.domain.build.waiver import WaiverRecord
from buildfarm.domain.core.build import Build, BuildState, Gate, WaitKind
from buildfarm.domain.core.records import Event
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.intake.drop import Drop, DropState
from buildfarm.domain.notify.notice import Notice, Topic, topic_of
from buildfarm.domain.notify.subscription import Delivery, Subscription, delivery_id
from buildfarm.domain.publish.compose import Compose
from buildfarm.domain.selfhosting.seeds import MAX_ROUNDS
from buildfarm.ports.store import Transaction

_RESTING = (
    BuildState.PUBLISHED, BuildState.ON_HOLD, BuildState.FAILED, BuildState.CANCELED,
    BuildState.EXCLUDED, BuildState.COMPARED, BuildState.REFUSED, BuildState.WAITING,
)  # fmt: skip
"""States in which a build may come to rest; ``waiting`` and ``compared`` only for some reasons."""
_SOON = (WaitKind.PLANNING.value, WaitKind.CAPACITY.value)
_TOLD = ("verdict", "gate", "failure_kind")


def write(config: Config, tx: Transaction, events: Sequence[Event]) -> None:
    """Add the notices of ``events``, and a delivery for each subscription that wants one of
    them.
    """
    notices = _notices(config, tx, events)
    _say_what_rests(tx, events)
    if not notices:
        return
    wanting = tx.find(Subscription, ended=None)
    for notice in notices:
        tx.insert_or_ignore(notice)
        for subscription in wanting:
            if subscription.wants(notice):
                tx.insert_or_ignore(
                    Delivery(
                        id=delivery_id(subscription, notice), subscription=subscription.id,
                        channel=subscription.channel, address=subscription.address,
                        notice=notice.id, due=tx.now, created=tx.now,
                    )
                )  # fmt: skip


def _notices(config: Config, tx: Transaction, events: Sequence[Event]) -> list[Notice]:
    meant = [
        (event, topic)
        for event in events
        if (topic := topic_of(event.kind, event.data)) is not None
    ]
    subjects = _subjects(tx, [event for event, _ in meant])
    made = []
    for event, topic in meant:
        subject = subjects.get(event.subject)
        if subject is None or (topic is Topic.REFUSED and not _is_refused_for_good(subject)):
            continue
        plain = Notice(
            id=event.id or 0, at=event.at, topic=topic, kind=event.kind, subject=event.subject,
            name=event.subject, target="", actor=event.actor,
            why=str(event.data.get("gate_reason") or "") if topic is Topic.REFUSED else event.why,
            data={name: event.data[name] for name in _TOLD if name in event.data},
        )  # fmt: skip
        made.append(_about(config, plain, subject))
    return made


Subject = Build | Drop | Compose | WaiverRecord


def _subjects(tx: Transaction, events: Iterable[Event]) -> Mapping[str, Subject]:
    rooms: dict[str, list[str]] = {"build": [], "drop": [], "compose": [], "waiver": []}
    for event in events:
        rooms[event.kind.partition(".")[0]].append(event.subject)
    found: dict[str, Subject] = {}
    found.update((build.id, build) for build in tx.find(Build, id=tuple(rooms["build"])))
    found.update((drop.id, drop) for drop in tx.find(Drop, id=tuple(rooms["drop"])))
    found.update((compose.id, compose) for compose in tx.find(Compose, id=tuple(rooms["compose"])))
    found.update((waiver.id, waiver) for waiver in tx.find(WaiverRecord, id=tuple(rooms["waiver"])))
    return found


def _about(config: Config, notice: Notice, subject: Subject) -> Notice:
    if isinstance(subject, Build):
        return replace(
            notice, name=subject.nvr, target=subject.target, source=subject.source,
            drop_id=subject.drop_id, sig=config.sig_of(subject.target, subject.source),
        )  # fmt: skip
    if isinstance(subject, Drop):
        sig = config.sig_of(subject.target)
        return replace(
            notice, name=subject.name, target=subject.target, drop_id=subject.id, sig=sig
        )
    if isinstance(subject, Compose):
        return replace(notice, target=subject.target, sig=config.sig_of(subject.target))
    return replace(
        notice,
        target=subject.target,
        source=subject.source,
        sig=config.sig_of(subject.target, subject.source),
    )


def _is_refused_for_good(subject: Subject) -> bool:
    """Return whether a refusal is final: neither a scratch build's nor that of a round of a
    cycle.
    """
    if not isinstance(subject, Build) or subject.scratch or subject.successor:
        return False
    passing = bool(subject.seeded) and subject.round < MAX_ROUNDS
    return not (passing and subject.verdict and Verdict(subject.verdict).is_compatible)


def _say_what_rests(tx: Transaction, events: Sequence[Event]) -> None:
    """Write an event for each drop that one of ``events`` brought to rest; a retry makes it move,
    and rest, again.
    """
    may_rest = {f"build.{state.value}" for state in _RESTING} | {"build.waits"}
    subjects = tuple({event.subject for event in events if event.kind in may_rest})
    drops = {build.drop_id for build in tx.find(Build, id=subjects)}
    drops |= {event.subject for event in events if event.kind == "drop.ingested"}
    for drop in tx.find(Drop, id=tuple(drops), state=DropState.INGESTED) if drops else ():
        last = tx.first(
            Build, drop_id=drop.id, successor="", order_by="state_since", descending=True
        )
        if last is None:
            continue
        said = tx.first(Event, subject=drop.id, kind="drop.at_rest", order_by="id", descending=True)
        if said is not None and last.state_since <= said.at:
            continue
        counts: Counter[str] = Counter()
        for where, count in tx.count_by(
            Build, ("state", "wait_kind", "gate", "scratch"), drop_id=drop.id, successor=""
        ).items():
            state, wait_kind, gate, scratch = where
            if _is_moving(BuildState(str(state)), str(wait_kind), str(gate), scratch=bool(scratch)):
                break
            counts[str(state)] += count
        else:
            words = ", ".join(
                f"{count} {state.replace('_', ' ')}" for state, count in sorted(counts.items())
            )
            tx.event("drop.at_rest", drop.id, actor="notifier", why=words, states=dict(counts))


def _is_moving(state: BuildState, wait_kind: str, gate: str, *, scratch: bool) -> bool:
    """Return whether a build goes on without a person."""
    if state is BuildState.WAITING:
        return wait_kind in _SOON
    if state is BuildState.COMPARED:
        return gate == Gate.PASSED and not scratch
    return state not in _RESTING
