"""A farm in the middle of a day's work, told through the real store: every state, verdict and
reason is there once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from buildfarm.adapters.core.blobs import Blobs
from buildfarm.adapters.core.database import SqlStore
from buildfarm.config import Config, Farm, Timing
from buildfarm.domain.core.build import Build, BuildState, FailureKind, Gate, WaitKind, judged_state
from buildfarm.domain.core.lag import arrived
from buildfarm.domain.core.records import ApiToken, Comparison, SourceOverride
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.domain.intake.drop import Drop, DropItem, DropState, ItemKind, VendorRpm, drop_id
from buildfarm.domain.publish.repository import Artifact, Generation, GenerationState, TagHead
from buildfarm.domain.target.sig import Sig
from buildfarm.domain.target.target import (  # fmt: skip
    BuildrootSpec,
    ExternalRepository,
    Lifecycle,
    Owner,
    Tags,
    Target,
    TaskLimits,
    Upstream,
)
from buildfarm.errors import InputError
from buildfarm.services.build import judging
from buildfarm.services.build.building import log_path
from buildfarm.services.core import builds, tasks
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock, RecordingMessages, RecordingWakeup

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ENGINEER, READER, WORKER_TOKEN = "engineer-token", "reader-token", "worker-token"
SIGS = {
    "archives": Sig(
        title="Archives", contact="archives@reef.example", sources=("zlib", "bzip2", "lib*", "tree")
    ),
    "virt": Sig(sources=("qemu*",)),
    "media": Sig(sources=("gstreamer*",)),
}
HOSTILE = "<script>alert('x')</script>"


@dataclass(frozen=True)
class FakeHeader:
    """What an intake reads; the fake takes it from JSON in the file itself."""

    name: str
    version: str
    release: str
    arch: str
    epoch: int = 0
    is_source: bool = False
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    exclusivearch: tuple[str, ...] = ()
    excludearch: tuple[str, ...] = ()
    sourcerpm: str = ""
    sha256header: str = ""
    files: tuple[str, ...] = ()


def fake_intake(paths: list[Path], keys: list[Path] | None) -> list[FakeHeader | InputError]:
    """Reads "RPMs" that are JSON; anything else is damaged."""
    answers: list[FakeHeader | InputError] = []
    for path in paths:
        try:
            answers.append(FakeHeader(**json.loads(path.read_bytes())))
        except (ValueError, TypeError):
            answers.append(InputError("not an RPM at all", hint="send the file again"))
    return answers


def target(home: Path) -> Target:
    return Target(
        schema=1, name="reef-9", title="Reef 9", dist=".el9", suffix=".reef.1", arches=("x86_64",), builder="chroot",
        buildroot=BuildrootSpec(packages=("bash", "gcc"), releasever="9"),
        upstream=Upstream(vendor="PNAELV", keys=("RPM-GPG-KEY-pnaelv",)),
        tags=Tags(build="reef-9-build", destination="reef-9"), lifecycle=Lifecycle(released=date(2026, 1, 1)),
        owner=Owner(sig="core", contact="core@reef.example"), limits=TaskLimits(log_mib=1, disk_mib=1),
        external=(ExternalRepository(id="seed", path=str(home / "seed")),),
    )  # fmt: skip


def make_hub(home: Path, clock: Clock) -> Hub:
    """A new farm with one target, one worker and two tokens."""
    for folder in ("scratch", "repos", "seed/repodata", "drop"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    hub = open_hub(home, clock)
    assert isinstance(hub.store, SqlStore)
    hub.store.migrate()
    with hub.store.begin() as tx:
        tx.add(ApiToken(id=tasks.token_hash(ENGINEER), name="ann", role="engineer", created=tx.now))
        tx.add(ApiToken(id=tasks.token_hash(READER), name="rob", role="read", created=tx.now))
        tx.add(_worker("local-1", WORKER_TOKEN, clock.now))
    return hub


def open_hub(home: Path, clock: Clock) -> Hub:
    """The hub of a farm that is there."""
    farm = Farm(
        home=str(home),
        distribution="Reef Linux",
        timing=Timing(lease=45),
        drop_folders=(str(home / "drop"),),
        sigs=SIGS,
    )
    config = Config(
        farm=farm, targets={"reef-9": target(home)}, folder=home, file=home / "farm.yaml"
    )
    return Hub(
        config=config, store=SqlStore(f"sqlite:///{home / 'farm.db'}", clock=clock), blobs=Blobs(home / "blobs"),
        messages=RecordingMessages(), wakeup=RecordingWakeup(), scratch=home / "scratch",
    )  # fmt: skip


def _worker(
    name: str, token: str, seen: datetime, state: WorkerState = WorkerState.READY
) -> Worker:
    return Worker(
        id=name, token_hash=tasks.token_hash(token) if token else "", arches=("x86_64",) if token else (),
        queues=("reef-9.x86_64.small",) if token else ("services",), builder="chroot" if token else "", slots=1,
        state=state, seen=seen,
    )  # fmt: skip


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def finding(
    kind: str, verdict: str, path: str = "", subject: str = "", old: str = "", new: str = ""
) -> dict[str, str]:
    return {
        "kind": kind, "path": path, "subject": subject, "verdict": verdict, "rule": kind, "old": old, "new": new,
    }  # fmt: skip


def report(
    verdict: str, source: str, findings: list[dict[str, str]], missing: tuple[str, ...] = ()
) -> dict[str, object]:
    rpm = f"{source}-1.0-1.el9.x86_64.rpm"
    alone = [
        {"kind": "rpm-missing", "rpm": name, "name": name.rsplit("-", 2)[0], "source": source, "verdict": "MISSING",
         "rule": "rpm-missing"}
        for name in missing
    ]  # fmt: skip
    of_pair = verdict if not missing else "EQUIVALENT"
    return {
        "schema": 1, "verdict": verdict, "extra": [], "waivers": {"expired": [], "unused": []}, "missing": alone,
        "pairs": [{"old": rpm, "new": rpm, "name": source, "source": source, "verdict": of_pair, "findings": findings}],
    }  # fmt: skip


class Scenario:
    """Tells a drop into a hub; the clock moves as it goes."""

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self.hub = hub
        self.clock = clock
        self.drop = drop_id("reef-9", ["a"])
        self.ids: dict[str, str] = {}

    def tell(self) -> Scenario:
        self._receive()
        self._passes("zlib", ("zlib-devel",), (), "IDENTICAL", [])
        note = [finding("signature", "EQUIVALENT", old="vendor key", new="our key")]
        self._passes("expat", ("expat-devel",), (), "EQUIVALENT", note)
        self._passes("jansson", ("jansson-devel",), (), "EQUIVALENT", note)
        self._publish(1)
        docs = [
            finding(
                "content-doc",
                "COMPATIBLE",
                "/usr/share/doc/libpng/README",
                old="sha256 aa",
                new="sha256 bb",
            )
        ]
        self._passes("libpng", ("libpng-devel",), ("zlib-devel", "gcc"), "COMPATIBLE", docs)
        brand = [
            finding(
                "content-config", "EXPECTED", "/etc/os-release", old="NAME=PNAELV", new="NAME=Reef"
            )
        ]
        self._passes("reef-release", (), (), "EXPECTED", brand, debranded=True)
        self._publish(2)
        self._refused()
        self._others()
        self._busy()
        return self

    def _receive(self) -> None:
        with self.hub.store.begin() as tx:
            tx.add(_worker("local-2", "other", tx.now))
            tx.add(_worker("services", "", tx.now))
            tx.add(_worker("old-guest-7", "lost", tx.now - timedelta(days=2), WorkerState.LOST))
            tx.add(
                Drop(id=self.drop, target="reef-9", name="PNAELV 9.4 update 3", trigger="http", owner="ann",
                     state=DropState.INGESTED, created=tx.now)
            )  # fmt: skip
            tx.event("drop.received", self.drop, actor="ann", why="http", files=14)
        self.clock.pass_seconds(2)

    def _build(
        self,
        source: str,
        provides: tuple[str, ...] = (),
        requires: tuple[str, ...] = (),
        version: str = "1.0",
    ) -> Build:
        which = source if version == "1.0" else f"{source} {version}"
        with self.hub.store.begin() as tx:
            build = Build(
                id=tasks.new_id(), target="reef-9", drop_id=self.drop, source=source, epoch=0, version=version,
                release="1.el9", dist=".el9", srpm=sha(f"srpm {which}"), srpm_filename=f"{source}-{version}-1.el9.src.rpm",
                shipped=(shipped := tx.now - timedelta(hours=3 + len(source))), spent=arrived(shipped, tx.now),
                state=BuildState.INGESTED, state_since=tx.now, owner="ann", arches=("x86_64",), requires=requires,
                provides=(source, *provides), created=tx.now,
            )  # fmt: skip
            tx.add(build)
            tx.add(DropItem(id=tasks.new_id(), drop_id=self.drop, kind=ItemKind.SRPM, sha256=build.srpm,
                            filename=build.srpm_filename, build=build.id))  # fmt: skip
            tx.event("build.ingested", build.id, actor="ingest", srpm=build.srpm_filename)
            name = f"{source}-{version}-1.el9.x86_64.rpm"
            digest = sha(f"vendor {which}")
            tx.add(VendorRpm(id=tasks.new_id(), target="reef-9", sha256=digest, filename=name, name=source,
                             arch="x86_64", source=source, sourcerpm=build.srpm_filename))  # fmt: skip
            tx.add(
                DropItem(
                    id=tasks.new_id(),
                    drop_id=self.drop,
                    kind=ItemKind.BINARY,
                    sha256=digest,
                    filename=name,
                )
            )
        self.ids[source] = build.id
        return build

    def _move(
        self,
        build: Build,
        to: BuildState,
        actor: str = "scheduler",
        why: str = "",
        **fields: object,
    ) -> Build:
        with self.hub.store.begin() as tx:
            return builds.move(tx, tx.get(Build, build.id), to, actor=actor, why=why, **fields)

    def _debrand(self, build: Build) -> Build:
        audit = {
            "rule": f"{build.source}.yaml", "rule_digest": sha("rule"), "date": "2026-02-01", "why": "the vendor's name",
            "suffix": ".reef.1", "rename": {}, "expect": [{"kind": "content-config", "path": "/etc/os-release"}],
            "allow": [], "actions": [{"action": "replace PNAELV by Reef", "files": [["reef-release.spec", 3]]}],
            "sources": [{"path": "os-release", "before": sha("b"), "after": sha("a")}], "diff": _DIFF,
        }  # fmt: skip
        digest = self.hub.blobs.put_bytes(json.dumps(audit).encode()).sha256
        return self._move(
            build, BuildState.DEBRANDED, "debrand", audit=digest, rule_digest=sha("rule"), rule_date="2026-02-01",
            debranded_release="1.el9.reef.1", debranded_tree=sha("tree"), debranded_srpm=sha(f"deb {build.source}"),
        )  # fmt: skip

    def until_waiting(self, build: Build, *, debranded: bool = False) -> Build:
        self.clock.pass_seconds(0.4)
        build = (
            self._debrand(build)
            if debranded
            else self._move(build, BuildState.DEBRANDED, "debrand")
        )
        self.clock.pass_seconds(0.2)
        return self._move(
            build, BuildState.WAITING, why="to be planned", wait_kind=WaitKind.PLANNING
        )

    def start(self, build: Build, worker: str = "local-1") -> Task:
        self._move(build, BuildState.QUEUED, "plan")
        self.clock.pass_seconds(0.7)
        task = Task(
            id=tasks.new_id(), kind=TaskKind.BUILD, subject=build.id, target="reef-9", arch="x86_64",
            queue="reef-9.x86_64.small", state=TaskState.OPEN, worker=worker, lease_token=tasks.token_hash("task-token"),
            lease_until=self.clock.now + timedelta(hours=1), stage="build", created=self.clock.now,
            started=self.clock.now,
        )  # fmt: skip
        with self.hub.store.begin() as tx:
            tx.add(task)
            tx.event("task.open", task.id, actor=f"worker:{worker}", about=build.id)
        self._move(build, BuildState.BUILDING, f"worker:{worker}")
        log_path(self.hub, task.id).parent.mkdir(parents=True, exist_ok=True)
        log_path(self.hub, task.id).write_text(
            "".join(f"gcc -c part{n}.c\n" for n in range(40)), encoding="utf-8"
        )
        return task

    def _finish(self, build: Build, task: Task, seconds: float) -> None:
        self.clock.pass_seconds(seconds)
        seed = [{"name": n, "epoch": 0, "version": "1.0", "release": "1.el9", "arch": "x86_64", "sha256": sha(n)}
                for n in ("bash", "gcc", "make", "coreutils")]  # fmt: skip
        with self.hub.store.begin() as tx:
            own = [
                {"name": a.name, "epoch": 0, "version": a.version, "release": a.release, "arch": a.arch, "sha256": a.header}
                for a in tx.find(Artifact) if a.header
            ]  # fmt: skip
            lock = self.hub.blobs.put_bytes(json.dumps({"lock": seed + own}).encode()).sha256
            log = self.hub.blobs.put_file(log_path(self.hub, task.id)).sha256
            tx.update(task, state=TaskState.CLOSED, finished=tx.now, lock=lock, log=log,
                      result={"seconds": {"buildroot": 1.1, "build": seconds - 1.1}, "builder": "chroot"})  # fmt: skip
            nvr = tx.get(Build, build.id).nvr
            tx.add(Artifact(id=tasks.new_id(), build=build.id, task=task.id, filename=f"{nvr}.x86_64.rpm",
                            name=build.source, epoch=0, version="1.0", release="1.el9", arch="x86_64", size=48_211,
                            sha256=sha(f"ours {nvr}"), header=sha(f"header {nvr}"), signed=sha(f"signed {nvr}")))  # fmt: skip
        self._move(build, BuildState.BUILT, "worker:local-1")

    def _compare(self, build: Build, verdict: str, findings: list[dict[str, str]], missing: tuple[str, ...] = (), *,
                 gate: Gate = Gate.PASSED, reason: str = "", hits: tuple[dict[str, object], ...] = ()) -> None:  # fmt: skip
        self._move(build, BuildState.COMPARING, "compare")
        self.clock.pass_seconds(0.9)
        with self.hub.store.begin() as tx:
            comparison = Comparison(id=tasks.new_id(), build=build.id, verdict=verdict, created=tx.now, brand_hits=hits,
                                    report=report(verdict, build.source, findings, missing))  # fmt: skip
            tx.add(comparison)
            judging.index(tx, tx.get(Build, build.id), comparison)
        self._move(
            build,
            judged_state(gate, scratch=False),
            "compare",
            verdict=verdict,
            gate=gate,
            gate_reason=reason,
        )

    def _passes(self, source: str, provides: tuple[str, ...], requires: tuple[str, ...], verdict: str,
                findings: list[dict[str, str]], *, debranded: bool = False) -> None:  # fmt: skip
        build = self._build(source, provides, requires)
        self.until_waiting(build, debranded=debranded)
        task = self.start(build, "local-2" if len(self.ids) % 2 else "local-1")
        self._finish(build, task, 5 + len(source))
        self._compare(build, verdict, findings)

    def _publish(self, number: int) -> None:
        with self.hub.store.begin() as tx:
            carried = tx.find(
                Build,
                state=(BuildState.COMPARED, BuildState.PUBLISHED),
                gate=Gate.PASSED,
                order_by="created",
            )
            carried = list(
                {build.source: build for build in carried}.values()
            )  # of each source the newest
            for tag in ("reef-9-build", "reef-9"):
                generation = Generation(
                    id=tasks.new_id(), target="reef-9", tag=tag, number=number, state=GenerationState.READY,
                    digest=sha(f"{tag} {number}"), builds=tuple(b.id for b in carried), rpms=len(carried),
                    sources=len(carried), lock_ours=len(carried), lock_rpms=5 * len(carried), created=tx.now, ready=tx.now,
                )  # fmt: skip
                tx.add(generation)
                head = TagHead(id=tag, generation=generation.id, number=number)
                if not tx.insert_or_ignore(head):
                    tx.update(head, generation=generation.id, number=number)
                self._files(tag, number)
            for build in carried:
                if build.state is BuildState.COMPARED:
                    builds.move(
                        tx,
                        build,
                        BuildState.PUBLISHED,
                        actor="signer",
                        tags=("reef-9", "reef-9-build"),
                        finished=tx.now,
                    )
        self.clock.pass_seconds(2)

    def _files(self, tag: str, number: int) -> None:
        folder = self.hub.repos / tag / str(number) / "x86_64" / "repodata"
        folder.mkdir(parents=True)
        (folder / "repomd.xml").write_text(f"<repomd>{tag} {number}</repomd>", encoding="utf-8")
        current = self.hub.repos / tag / "current"
        current.unlink(missing_ok=True)
        current.symlink_to(str(number))

    def _refused(self) -> None:
        build = self._build("bzip2", ("bzip2-devel",))
        self.until_waiting(build)
        self._finish(build, self.start(build), 8)
        so = "/usr/lib64/libbz2.so.1.0.8"
        self._compare(build, "INCOMPATIBLE", [
            finding("signature", "EQUIVALENT", old="vendor key", new="our key"),
            finding("export-removed", "INCOMPATIBLE", so, "BZ2_bzPlanted", old="T BZ2_bzPlanted"),
            finding("file-mode", "INCOMPATIBLE", "/usr/bin/bzdiff", old="0755", new="0644"),
            finding("content-data", "REVIEW", "/usr/share/bzip2/table", old="sha256 1f", new="sha256 2e"),
        ], gate=Gate.REFUSED, reason="verdict INCOMPATIBLE: no tag takes it",
            hits=({"word": "PNAELV", "rpm": "bzip2-1.0-1.el9.x86_64.rpm", "path": "/usr/share/bzip2/table",
                   "where": "/usr/share/bzip2/table", "context": "made by PNAELV"},))  # fmt: skip
        build = self._build("popt", ("popt-devel",))
        self.until_waiting(build)
        self._finish(build, self.start(build, "local-2"), 6)
        self._compare(build, "MISSING", [], ("popt-static-1.0-1.el9.x86_64.rpm",), gate=Gate.REFUSED,
                      reason="verdict MISSING: no tag takes it")  # fmt: skip

    def _others(self) -> None:
        held = self._build("chrpath")
        self._move(
            held,
            BuildState.ON_HOLD,
            "ingest",
            "chrpath-1.0-1.el9.src.rpm: signed by an unknown key 9F3A 22C1",
        )
        failing = self._build("reef-cannot-build")
        self.until_waiting(failing)
        task = self.start(failing)
        log_path(self.hub, task.id).write_text(
            "checking for gcc... yes\nmain.c:3: error: 'x' undeclared\nmake: *** [all] Error 1\n",
            encoding="utf-8",
        )
        self.clock.pass_seconds(3)
        with self.hub.store.begin() as tx:
            tx.update(
                task,
                state=TaskState.FAILED,
                failure_kind="build",
                finished=tx.now,
                reason="main.c:3: 'x' undeclared",
            )
            builds.fail(
                tx,
                tx.get(Build, failing.id),
                FailureKind.BUILD,
                "main.c:3: error: 'x' undeclared",
                actor="worker:local-1",
            )
            tx.add(SourceOverride(id=tasks.new_id(), target="reef-9", source="reef-cannot-build", created=tx.now, actor="ann",
                                  settings={"nocheck": True}, reason="its tests need the network"))  # fmt: skip
        stuck = self._build("reef-top", (), ("reef-middle-devel",))
        self.until_waiting(stuck)
        with self.hub.store.begin() as tx:
            builds.wait(
                tx,
                tx.get(Build, stuck.id),
                WaitKind.UNRESOLVABLE,
                "nothing provides reef-middle-devel >= 2",
            )
        blocked = self._build("less", (), ("bzip2-devel",))
        self.until_waiting(blocked)
        with self.hub.store.begin() as tx:
            builds.wait(
                tx,
                tx.get(Build, blocked.id),
                WaitKind.BLOCKED,
                "needs bzip2-devel from bzip2-1.0-1.el9: compared, refused",
            )
        with self.hub.store.begin() as tx:
            tx.add(DropItem(id=tasks.new_id(), drop_id=self.drop, kind=ItemKind.BINARY, sha256=sha("bad"), filename=f"{HOSTILE}.rpm",
                            problem=f"{HOSTILE}: payload digest does not match"))  # fmt: skip

    def _busy(self) -> None:
        diff = self._build("diffutils", (), ("expat-devel",))
        self.until_waiting(diff)
        self.start(diff)
        tree = self._build("tree", (), ("jansson-devel", "libpng-devel"))
        self.until_waiting(tree)
        self.clock.pass_seconds(4)


_DIFF = """--- vendor/SPECS/reef-release.spec
+++ ours/SPECS/reef-release.spec
@@ -1,6 +1,6 @@
 Name: reef-release
-Release: 1%{?dist}
+Release: 1%{?dist}.reef.1
-Vendor: PNAELV
+Vendor: Reef
 License: MIT
"""


def told(home: Path) -> tuple[Hub, Clock, Scenario]:
    """A hub with the whole scenario in it."""
    clock = Clock()
    hub = make_hub(home, clock)
    return hub, clock, Scenario(hub, clock).tell()
