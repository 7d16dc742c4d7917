"""A simulated farm: the real scheduler, planner, tasks, publishing and
database; no RPM is built.

Outside things are replaced at their ports: the solver knows names only, a builder makes a text
file, the signer signs nothing. Every port can be killed half-way (:class:`Killed`), as power cuts
do.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from buildfarm import config as configuration
from buildfarm import wire
from buildfarm.adapters.core.blobs import Blobs
from buildfarm.adapters.core.database import SqlStore
from buildfarm.domain.core.build import Build, BuildState, FailureKind, Gate
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.core.worker import Worker
from buildfarm.domain.intake.drop import Drop, DropState
from buildfarm.domain.publish.repository import Artifact, Generation
from buildfarm.domain.schedule.plan import BaseResolution, Expected, PinnedRepository, Resolution
from buildfarm.domain.selfhosting.seeds import held_back
from buildfarm.errors import BuildFarmError
from buildfarm.ports.repositories import RepoFile
from buildfarm.services.build import building
from buildfarm.services.core import bootstrap_variants, builds, tasks
from buildfarm.services.core.hub import Heartbeat, Hub
from buildfarm.services.publish import publishing
from buildfarm.services.schedule import task_handlers
from buildfarm.services.schedule.planning import PlanningService
from buildfarm.services.schedule.scheduler import Scheduler
from buildfarm.services.schedule.universes import Universes
from tests.fakes import Clock, RecordingMessages, RecordingWakeup
from tests.integration.pipeline.conftest import TARGET

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DROP = "d" * 64
BUILDERS = ("builder-1", "builder-2")
STATIONS = ("services", "signer")


class Killed(BaseException):
    """The process that did something is gone."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """Header of an RPM that the simulated builder makes."""

    name: str
    sha256header: str
    epoch: int = 0
    version: str = "1"
    release: str = "1.el9"
    arch: str = "x86_64"
    is_source: bool = False
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    exclusivearch: tuple[str, ...] = ()
    excludearch: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    sourcerpm: str = ""
    key_id: str = ""


@dataclass
class SimulatedFarm:
    """``needs`` are the BuildRequires of each source by name, ``seed`` what the seed holds,
    ``doomed`` what never builds.

    ``conditioned`` are the BuildRequires of those sources whose spec has a bootstrap condition,
    under that condition; ``generated`` what a source asks for only while it is built.
    """

    folder: Path
    template: Path
    needs: Mapping[str, Sequence[str]]
    seed: frozenset[str]
    doomed: frozenset[str] = frozenset()
    conditioned: Mapping[str, Sequence[str]] = field(default_factory=dict)
    generated: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fuse: int | None = None
    clock: Clock = field(default_factory=lambda: Clock(NOON))
    _universe: SimulatedFarm._Universe | None = None

    def __post_init__(self) -> None:
        for name in ("etc/targets", "home/scratch", "home/repos", "home/logs/tasks", "seed"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        target = {
            **TARGET,
            "external": [{"id": "seed", "path": "../seed"}],
            "upstream": {"vendor": "ACME"},
        }
        (self.folder / "etc/targets/reef-9.yaml").write_text(yaml.safe_dump(target))
        (self.folder / "etc/farm.yaml").write_text(yaml.safe_dump({"home": "../home"}))
        config = configuration.load(self.folder / "etc/farm.yaml")
        (self.folder / "home/buildfarm.db").write_bytes(self.template.read_bytes())
        home = config.farm.home_path
        self.hub = Hub(
            config=config, store=SqlStore(config.farm.database_url, clock=self.clock), blobs=Blobs(home / "blobs"),
            messages=RecordingMessages(), wakeup=RecordingWakeup(), scratch=home / "scratch",
        )  # fmt: skip
        self.target = self.hub.target("reef-9")
        self.asked = 0
        self.begun: list[tuple[str, str, frozenset[str]]] = []
        self._add_records()
        self.start_scheduler()

    def _add_records(self) -> None:
        queues = {name: tuple(self.target.queues()) for name in BUILDERS} | {
            name: (name,) for name in STATIONS
        }
        with self.hub.store.begin() as tx:
            for name, queue in queues.items():
                tx.add(
                    Worker(
                        id=name,
                        token_hash="",
                        arches=("x86_64",),
                        queues=queue,
                        builder="chroot",
                        seen=tx.now,
                    )
                )
            tx.add(
                Drop(
                    id=DROP,
                    target="reef-9",
                    name="a drop",
                    trigger="test",
                    owner="ada",
                    state=DropState.INGESTED,
                    created=tx.now,
                )
            )
            for source, needs in self.needs.items():
                srpm = self.hub.blobs.put_bytes(source.encode()).sha256
                tx.add(
                    Build(
                        id=source, target="reef-9", drop_id=DROP, source=source, epoch=0, version="1", release="1.el9",
                        dist=".el9", srpm=srpm, srpm_filename=f"{source}-1-1.el9.src.rpm", state=BuildState.INGESTED,
                        state_since=tx.now, owner="ada", arches=("x86_64",), requires=tuple(needs), provides=(source,),
                        created=tx.now,
                    )
                )  # fmt: skip
            for source in self.conditioned:
                bootstrap_variants.offer(tx, tx.get(Build, source), "--with bootstrap")

    def start_scheduler(self) -> None:
        """Another process leads; what the last one knew by heart is gone."""
        self.scheduler = Scheduler(
            self.hub, PlanningService(self.hub, Universes(self.hub, self)), owner="test"
        )

    def close(self) -> None:
        """Let go of the database."""
        self.hub.store.dispose()  # type: ignore[attr-defined]  # the real one

    # --- what happens
    # -------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Everybody who lives is heard of; the scheduler does one round."""
        for name in (*BUILDERS, *STATIONS):
            tasks.touch(self.hub.store, name)
        self.scheduler.tick()

    def assigned(self) -> list[Task]:
        """Tasks that somebody was told of."""
        with self.hub.store.read() as tx:
            return tx.find(Task, state=TaskState.ASSIGNED, order_by="id")

    def work(self, task: Task, *, broken: bool = False) -> None:
        """Do one task as its worker does; ``broken``: the builder's surroundings fail."""
        if task.kind.handler == "builder":
            self._build(task, broken=broken)
            return
        task_handlers.serve(self.hub, {
            TaskKind.DEBRAND: self._debrand, TaskKind.COMPARE: self._compare,
            TaskKind.SIGN: lambda one, _: publishing.sign(self.hub, self, one.subject),
            TaskKind.PUBLISH: lambda one, beat: publishing.stage(self.hub, self.write, one.subject, beat),
            TaskKind.SEAL: lambda one, _: publishing.seal(self.hub, self, one.subject),
        }, task.id, task.worker)  # fmt: skip

    def kill_while_working(self, task: Task, after: int) -> None:
        """Do one task and be killed at the ``after``-th thing it does outside (if it does so many)."""
        self.fuse = after
        try:
            self.work(task)
        except Killed:
            pass
        finally:
            self.fuse = None

    def wait(self, seconds: float) -> None:
        """Time passes: leases run out, the sweep is due."""
        self.clock.now += timedelta(seconds=seconds)
        self.scheduler.sweep()

    def finish(self) -> None:
        """Go on until nothing moves any more, leases of the dead included.

        :raises AssertionError: it never ends.
        """
        quiet = 0
        for _ in range(400):
            self.tick()
            told = self.assigned()
            for task in told:
                self.work(task)
            quiet = 0 if told else quiet + 1
            if quiet == 2:
                self.wait(90)  # beyond lease, patience and the pause after a failed publish
            if quiet > 4:
                return
        raise AssertionError("the farm never comes to rest")

    # --- ports
    # --------------------------------------------------------------------------------------------------------

    def _burn(self) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0:
                raise Killed

    def open(
        self,
        repositories: Sequence[PinnedRepository],
        arch: str,
        *,
        modules: Sequence[str] = (),
        releasever: str = "",
    ) -> SimulatedFarm._Universe:
        """Solver."""
        own: frozenset[str] = frozenset()
        for repository in repositories:
            if repository.id == self.target.tags.build:
                own = frozenset(json.loads((repository.folder / "names.json").read_text()))
        if (
            self._universe is None or self._universe.own != own
        ):  # as LibsolvSolver keeps those it opened
            self._universe = SimulatedFarm._Universe(self, own, self.seed)
        return self._universe

    @dataclass
    class _Universe:
        farm: SimulatedFarm
        own: frozenset[str]
        seed: frozenset[str]

        def base(self, packages: Sequence[str]) -> BaseResolution:
            return BaseResolution(names=frozenset(), key="base", problems=())

        def resolve(
            self, requires: Sequence[str], base: Sequence[str], expected: Sequence[Expected]
        ) -> Resolution:
            self.farm.asked += 1
            coming = {rpm.name: rpm.build for rpm in expected}
            taken = {
                coming[name]: name for name in requires if name not in self.own and name in coming
            }
            known = self.own | coming.keys() | self.seed
            problems = tuple(f"nothing provides {name}" for name in requires if name not in known)
            return Resolution(problems=problems, taken={} if problems else taken)

    def write(self, folder: Path, files: Sequence[RepoFile], *_: object) -> None:
        """Repository writer: the names of what is in it."""
        self._burn()
        (folder / "repodata").mkdir(parents=True)
        (folder / "repodata/repomd.xml").write_text("<repomd/>")
        (folder / "names.json").write_text(
            json.dumps([file.filename.rsplit("-", 2)[0] for file in files])
        )
        self._burn()

    def sign_rpms(self, paths: Sequence[Path]) -> None:
        """Sealer."""
        self._burn()
        for path in paths:
            path.write_bytes(path.read_bytes() + b" signed")

    def sign_repomd(self, repomd: Path) -> None:
        """Sealer."""
        self._burn()
        repomd.with_suffix(".xml.asc").write_text("signed")

    def export(self) -> bytes:
        """Sealer."""
        return b"key"

    def _debrand(self, task: Task, heartbeat: Heartbeat) -> None:
        self._burn()
        with self.hub.store.begin() as tx:
            build = tx.get(Build, task.subject)
            if build.state is BuildState.INGESTED:  # else a predecessor was killed after this
                builds.move(tx, build, BuildState.DEBRANDED, actor="debrand")
        self._burn()

    def _compare(self, task: Task, heartbeat: Heartbeat) -> None:
        with self.hub.store.begin() as tx:
            build = tx.get(Build, task.subject)
            if build.state is BuildState.BUILT:
                build = builds.move(tx, build, BuildState.COMPARING, actor="compare")
        self._burn()
        with self.hub.store.begin() as tx:
            if tx.get(Build, build.id).state is not BuildState.COMPARING:
                return
            why = held_back(build.seeded, build.round, build.bootstrap)
            builds.move(
                tx, tx.get(Build, build.id), BuildState.REFUSED if why else BuildState.COMPARED, actor="compare",
                verdict="EQUIVALENT", gate=Gate.REFUSED if why else Gate.PASSED, gate_reason=why,
            )  # fmt: skip
        self._burn()

    def _build(self, task: Task, *, broken: bool) -> None:
        """What a worker does over HTTP: claim, build from the pinned generation and the seed,
        upload, report.
        """
        with self.hub.store.read() as tx:
            worker = tx.get(Worker, task.worker)
        try:
            order, token = building.claimed(self.hub, task.id, worker)
        except BuildFarmError:
            return
        self._burn()
        with self.hub.store.read() as tx:
            build = tx.get(Build, order.build)
            generation = (
                tx.get(Generation, order.buildroot.generation)
                if order.buildroot.generation
                else None
            )
            carried = tx.find(Build, id=generation.builds) if generation else []
            made = [rpm for one in carried for rpm in tx.find(Artifact, build=one.id)]
        ours = {rpm.name: rpm.header for rpm in made if not rpm.is_source}
        if broken:
            report = wire.Report(
                ok=False, failure_kind=FailureKind.INFRASTRUCTURE, reason="the disk is full"
            )
        elif order.kind == "srpm":
            report = wire.Report(ok=True, artifacts=(self._made(build, "src"),))
        else:
            report = self._built(build, order, ours)
        self._burn()

        def intake(paths: Sequence[Path], keys: Sequence[Path] | None) -> list[Header]:
            if order.kind == "srpm":
                under = tuple(self.conditioned[build.source])
                return [
                    Header(
                        name=build.source,
                        sha256header="",
                        arch="src",
                        is_source=True,
                        requires=under,
                    )
                ]
            return [Header(name=build.source, sha256header=f"header of {build.id}")]

        building.finished(self.hub, intake, task.id, token, report)  # type: ignore[arg-type]  # a fake's own header class
        self._burn()

    def _built(self, build: Build, order: wire.WorkOrder, ours: Mapping[str, str]) -> wire.Report:
        self.begun.append((build.source, build.id, frozenset(ours)))
        bootstraps = order.override.with_ == ("bootstrap",)
        requires = self.conditioned[build.source] if bootstraps else build.requires
        there = ours.keys() | self.seed
        missing = [name for name in requires if name not in there]
        assert not missing, f"{build.source} began without {missing}"
        if build.source in self.doomed:
            return wire.Report(
                ok=False, failure_kind=FailureKind.BUILD, reason="it does not compile"
            )
        asked = () if bootstraps else tuple(self.generated.get(build.source, ()))
        if unmet := [name for name in asked if name not in there]:
            why = f"No matching package to install: {unmet}"
            return wire.Report(
                ok=False, failure_kind=FailureKind.DEPENDENCIES, reason=why, asked_for=asked
            )
        lock = tuple(
            wire.InstalledRpm(
                name=name,
                epoch=0,
                version="1",
                release="1",
                arch="x86_64",
                sha256=ours.get(name, "0" * 64),
            )
            for name in dict.fromkeys([*requires, *asked])
        )
        return wire.Report(
            ok=True, artifacts=(self._made(build, "x86_64"),), lock=lock, asked_for=asked
        )

    def _made(self, build: Build, arch: str) -> wire.Artifact:
        blob = self.hub.blobs.put_bytes(f"{arch} rpm of {build.id}".encode())
        return wire.Artifact(
            filename=f"{build.source}-1-1.el9.{arch}.rpm", sha256=blob.sha256, size=blob.size
        )


def random_action(farm: SimulatedFarm, chance: random.Random) -> None:
    """One of the things that happen to a farm: work, ticks, kills, lost leases, another leader,
    broken builders.
    """
    told = farm.assigned()
    match chance.choices(("tick", "work", "kill", "break", "wait", "leader"), (6, 8, 3, 1, 1, 1))[
        0
    ]:
        case "work" if told:
            farm.work(chance.choice(told))
        case "kill" if told:
            farm.kill_while_working(chance.choice(told), chance.randint(1, 4))
        case "break" if builders := [task for task in told if task.kind is TaskKind.BUILD]:
            farm.work(chance.choice(builders), broken=True)
        case "wait":
            farm.wait(chance.choice((10, 60)))
        case "leader":
            farm.start_scheduler()
        case _:
            farm.tick()
