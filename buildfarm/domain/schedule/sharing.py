"""Sharing: which free task gets the next free slot. Priority decides first, then fair shares, then
the remaining path.

A share is the use that one SIG, one of its targets and one owner make of the slots of an arch, over
its weight: the one that uses least is served next (max-min fairness, as Slurm's fair tree has it
level by level). Inside a share the source with the longest remaining path goes first, see
:mod:`buildfarm.domain.schedule.dispatch`. A negative priority is background work: it gets slots
that no other task can use. A worker is reserved by the queues it was enrolled for and by the SIGs,
targets and sources it was reserved for (one that is takes no other task, and is taken first), and
drained by its state.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from buildfarm.domain.core.task import Task
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.domain.target.target import MachineRequirements

_NAMED = 3


class Dimension(enum.StrEnum):
    """Dimensions among which slots are shared; ``arch`` has limits only, because no slot can go to
    another arch.
    """

    SIG = "sig"
    TARGET = "target"
    OWNER = "owner"
    ARCH = "arch"


_FAIR = (Dimension.SIG, Dimension.TARGET, Dimension.OWNER)
Account = tuple[str, str, str, str]
"""SIG, target, owner, arch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """``sharing:`` of farm.yaml: weights (1 where none is named) and the most slots that may be
    used at once, by name.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    weights: dict[Dimension, dict[str, float]] = field(default_factory=dict)
    limits: dict[Dimension, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """:raises ValueError: a weight that shares nothing."""
        for dimension, named in self.weights.items():
            for name, weight in named.items():
                if dimension is Dimension.ARCH or not weight > 0:
                    raise ValueError(
                        f"weights.{dimension}.{name}: {weight} is no weight: above 0, and an arch "
                        "has none"
                    )

    def weight(self, dimension: Dimension, name: str) -> float:
        """Return how much more than others it may use."""
        return self.weights.get(dimension, {}).get(name, 1.0)

    def limit(self, dimension: Dimension, name: str) -> int | None:
        """The most slots at once; ``None`` for as many as there are."""
        return self.limits.get(dimension, {}).get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A slot given: the reason, and the first few tasks of the share that were passed over, with
    their remaining paths.
    """

    task: Task
    worker: Worker
    why: str
    remaining_path: float | None
    passed_over: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Free tasks, tasks that hold slots, the SIG of each target, and the remaining path of each
    subject.

    ``sources`` names the source of those subjects whose source a worker is reserved for.
    """

    free: Sequence[Task]
    held: Sequence[Task] = ()
    sigs: Mapping[str, str] = field(default_factory=dict)
    remaining_paths: Mapping[str, float] = field(default_factory=dict)
    sharing: Sharing = field(default_factory=Sharing)
    sources: Mapping[str, str] = field(default_factory=dict)

    def account(self, task: Task) -> Account:
        """Return the account that a task's slot is counted under."""
        return self.sigs.get(task.target, ""), task.target, task.owner, task.arch

    def remaining_path(self, task: Task) -> float:
        """Seconds of work behind a task."""
        return self.remaining_paths.get(task.subject, 0.0)

    def source(self, task: Task) -> str:
        """The source a task is about, if a worker is reserved for it."""
        return self.sources.get(task.subject, "")

    def called(self, task: Task) -> tuple[str, ...]:
        """The words by which a worker may be reserved for a task."""
        return (
            f"sig:{self.sigs.get(task.target, '')}",
            f"target:{task.target}",
            f"source:{self.source(task)}",
        )


def assign(demand: Demand, workers: Sequence[Worker]) -> tuple[list[Decision], dict[str, str]]:
    """Give free slots to free tasks; the rest get a reason.

    A worker on which the task's surroundings failed before is taken only if no other could do it.

    :return: the decisions in their order, and for each task left over why it waits.
    """
    slots = _Slots(workers, demand)
    waiting = Counter(task.queue for task in demand.free)
    lanes = _Lanes(demand)
    given: list[Decision] = []
    left: dict[str, str] = {}
    while (lane := lanes.next()) is not None:
        task = lane.tasks[0]
        worker, reason = slots.find(task)
        if full := lanes.over_limit(lane):
            worker, reason = None, full
        if worker is None:
            leaves = [lane.tasks.popleft()] if task.tried and not full else list(lanes.close(lane))
            left |= {one.id: reason for one in leaves}
            continue
        share = lanes.share(lane)
        lanes.take(lane)
        slots.take(worker)
        others = [(one.subject, demand.remaining_path(one)) for one in list(lane.tasks)[:_NAMED]]
        remaining_path = demand.remaining_paths.get(task.subject)
        why = _words(task, waiting[task.queue], remaining_path, share if lanes.several else "")
        given.append(
            Decision(
                task=task,
                worker=worker,
                why=why,
                remaining_path=remaining_path,
                passed_over=tuple(others),
            )
        )
    return given, left


def in_turn(demand: Demand) -> list[Task]:
    """The free tasks in the order in which slots would go to them, were there slots enough: a
    task's rank.
    """
    lanes = _Lanes(demand)
    ordered: list[Task] = []
    while (lane := lanes.next()) is not None:
        ordered.append(lane.tasks[0])
        lanes.take(lane)
    return ordered


def _words(task: Task, waiting: int, remaining_path: float | None, share: str) -> str:
    said = [f"first of {waiting} in {task.queue}"]
    if task.priority:
        said.append(f"priority {task.priority}")
    if share:
        said.append(share)
    if remaining_path is not None:
        said.append(f"{remaining_path:.0f} s of work behind it")
    return ": ".join([said[0], ", ".join(said[1:])]) if said[1:] else said[0]


class _Slots:
    """Free slots of the workers in service."""

    def __init__(self, workers: Sequence[Worker], demand: Demand) -> None:
        self._demand = demand
        busy = Counter(task.worker for task in demand.held)
        self._workers = [worker for worker in workers if worker.state is WorkerState.READY]
        self._free = {worker.id: worker.slots - busy[worker.id] for worker in self._workers}

    def take(self, worker: Worker) -> None:
        self._free[worker.id] -= 1

    def find(self, task: Task) -> tuple[Worker | None, str]:
        """The worker with most room that can do it, or why there is none."""
        serving = [worker for worker in self._workers if task.queue in worker.queues]
        if not serving:
            return None, f"no worker in service takes {task.queue}"
        called = self._demand.called(task)
        ours = [
            worker
            for worker in serving
            if not worker.reserved or any(word in worker.reserved for word in called)
        ]
        if not ours:
            others = ", ".join(sorted({word for worker in serving for word in worker.reserved}))
            return None, f"every worker in service of {task.queue} is reserved for others: {others}"
        serving = ours
        needs = MachineRequirements.of(task.requirements)
        able = [worker for worker in serving if needs.met_by(worker.features)]
        if not able:
            return None, f"no worker in service of {task.queue} has {needs}"
        fresh = [worker for worker in able if worker.id not in task.tried] or able
        open_ = [worker for worker in fresh if self._free[worker.id] > 0]
        if not open_:
            only = f" with {needs}" if needs else ""
            return (
                None,
                f"all {sum(worker.slots for worker in able)} slots of {task.queue}{only} are busy",
            )
        return min(
            open_, key=lambda worker: (not worker.reserved, -self._free[worker.id], worker.id)
        ), ""


@dataclass(slots=True, eq=False)
class _Lane:
    """Free tasks of one account, ordered by their remaining paths."""

    priority: int
    account: Account
    tasks: deque[Task]


class _Lanes:
    """The order of the accounts while slots are taken one by one."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._in_arch: Counter[tuple[Dimension, str, str]] = Counter()
        self._total: Counter[tuple[Dimension, str]] = Counter()
        for task in demand.held:
            self._count(demand.account(task))
        groups: dict[tuple[object, ...], list[Task]] = {}
        for task in demand.free:
            needs = tuple(sorted(task.requirements.items()))
            key = (task.priority, demand.account(task), task.queue, needs, demand.source(task))
            groups.setdefault(key, []).append(task)
        self._lanes = [
            _Lane(
                group[0].priority, demand.account(group[0]), deque(sorted(group, key=self._place))
            )
            for group in groups.values()
        ]
        self.several = (
            len({account[:3] for account in map(demand.account, [*demand.free, *demand.held])}) > 1
        )

    def _place(self, task: Task) -> tuple[float, object, str]:
        return -self._demand.remaining_path(task), task.created, task.id

    def _count(self, account: Account) -> None:
        *named, arch = account
        for dimension, name in zip(_FAIR, named, strict=True):
            self._in_arch[dimension, name, arch] += 1
            self._total[dimension, name] += 1
        self._total[Dimension.ARCH, arch] += 1

    def next(self) -> _Lane | None:
        """The lane whose head is to be served next; ``None`` when all are done."""
        self._lanes = [lane for lane in self._lanes if lane.tasks]
        return min(self._lanes, key=self._turn, default=None)

    def _turn(self, lane: _Lane) -> tuple[object, ...]:
        return -lane.priority, *(used for _, used in self._used(lane)), self._place(lane.tasks[0])

    def _used(self, lane: _Lane) -> Iterator[tuple[Dimension, float]]:
        *named, arch = lane.account
        for dimension, name in zip(_FAIR, named, strict=True):
            yield (
                dimension,
                self._in_arch[dimension, name, arch] / self._demand.sharing.weight(dimension, name),
            )

    def share(self, lane: _Lane) -> str:
        """Return what a lane's share uses now, in words."""
        *named, arch = lane.account
        used = [
            f"{dimension} {name or 'nobody'} has {self._in_arch[dimension, name, arch]}"
            for dimension, name in zip(_FAIR, named, strict=True)
        ]
        return ", ".join(used) + " slots"

    def over_limit(self, lane: _Lane) -> str:
        """The limit that a lane has reached, in words; empty if there is none."""
        for dimension, name in zip(Dimension, lane.account, strict=True):
            limit = self._demand.sharing.limit(dimension, name)
            if limit is not None and self._total[dimension, name] >= limit:
                return (
                    f"{dimension} {name} uses {self._total[dimension, name]} of the {limit} slots "
                    "it may"
                )
        return ""

    def take(self, lane: _Lane) -> None:
        """The head of a lane got a slot."""
        lane.tasks.popleft()
        self._count(lane.account)

    def close(self, lane: _Lane) -> Iterator[Task]:
        """Take a lane out, because none of its tasks can start, and return its tasks."""
        while lane.tasks:
            yield lane.tasks.popleft()
