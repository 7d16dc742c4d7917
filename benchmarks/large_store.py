"""A store of a farm after years: many builds of each source, most of them history.

The same seed gives the same store. There are two full targets and a small one; each begins with a
drop of everything, followed by updates. The figures are those of real distributions: nine of ten
builds are published, failures repeat their reasons, findings are mostly harmless.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.bulk import Bulk, filling
from benchmarks.large_farm import NOW, TARGETS
from buildfarm.adapters.core.blobs import Blobs
from buildfarm.adapters.core.database import SqlStore
from buildfarm.domain.build.clusters import clusters
from buildfarm.domain.build.waiver import WaiverRecord, WaiverUse
from buildfarm.domain.core import search
from buildfarm.domain.core.build import Build, BuildState, FailureKind, Gate, WaitKind
from buildfarm.domain.core.records import (
    Comparison,
    Event,
    FindingRecord,
    ForecastRecord,
    SearchEntry,
    SourceOverride,
)
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.domain.intake.drop import Drop, DropItem, DropState, ItemKind, VendorRpm
from buildfarm.domain.publish.repository import Artifact, Generation, GenerationState, TagHead
from buildfarm.domain.target.target import Target
from buildfarm.presentation import finding_words

_BEGIN = NOW - timedelta(days=3 * 365)
_UPDATE = 40
_LOCKS, _GENERATIONS, _GUESTS, _RUNNING = 300, 60, 3_000, 30
_SPENT = {
    "ingest": 20.0,
    "waiting": 150.0,
    "building": 300.0,
    "comparing": 60.0,
    "publishing": 10.0,
}
_FIRST = (
    "lib perl- python3- rust- golang- gnome- kde- texlive- ghc- ruby- java- php- xorg- qt6- r- "
    "ocaml- node- mingw64- fonts- git-"
).split()
_LAST = (
    "archive audio base bridge cache client codec config core crypt daemon data dict draw engine "
    "event filter font gate graph"
).split()
_STRLCPY = (
    "/builddir/build/BUILD/{nvr}/src/main.c:{line}:7: error: "
    "implicit declaration of function 'strlcpy'"
)
_FAILURES = (
    (FailureKind.BUILD, _STRLCPY),
    (
        FailureKind.BUILD,
        "/builddir/build/BUILD/{nvr}/lib/io.cc:{line}:1: error: 'uint8_t' does not name a type",
    ),
    (FailureKind.BUILD, "/usr/bin/ld: cannot find -lssl: No such file or directory"),
    (FailureKind.BUILD, "Bad exit status from /var/tmp/rpm-tmp.{line} (%check)"),
    (FailureKind.DEPENDENCIES, "nothing provides python3-flit-core >= {line} needed by {nvr}"),
    (FailureKind.TIMEOUT, "ended after {line} s, the target allows 14400"),
    (
        FailureKind.INFRASTRUCTURE,
        "3 infrastructure failures (on kvm-{line}); the last: no space left on device",
    ),
)
_HARMLESS = (
    ("signature", "", "", Verdict.EQUIVALENT),
    ("build-record", "", "buildtime", Verdict.EQUIVALENT),
    ("build-id-links", "", "", Verdict.EQUIVALENT),
    ("content-normalised", "/usr/lib64/{source}.so.1", "", Verdict.EQUIVALENT),
    ("release", "", "", Verdict.EXPECTED), ("brand-tag", "", "vendor", Verdict.EXPECTED),
    ("content-doc", "/usr/share/doc/{source}/README", "", Verdict.COMPATIBLE),
    ("elf-code", "/usr/bin/{source}", "", Verdict.COMPATIBLE),
    ("content-config", "/etc/{source}.conf", "", Verdict.EXPECTED),
)  # fmt: skip
_GRAVE = (
    ("export-removed", "/usr/lib64/{source}.so.1", "{source}_open", Verdict.INCOMPATIBLE),
    ("file-mode", "/usr/bin/{source}", "", Verdict.INCOMPATIBLE),
    ("content-data", "/usr/share/{source}/table", "", Verdict.REVIEW),
    ("requires", "", "libcrypto.so.3", Verdict.REVIEW),
    ("file-removed", "/etc/{source}.conf", "", Verdict.INCOMPATIBLE),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Size:
    """The size of the store."""

    builds: int = 100_000
    sources: int = 3_000
    findings: int = 1_000_000
    seed: int = 1

    @property
    def name(self) -> str:
        """The name of its file or folder."""
        return f"{self.builds}-{self.sources}-{self.findings}-{self.seed}"


def fill(home: Path, url: str, size: Size) -> None:
    """Create the tables at ``url`` and fill them; blobs go to ``home``."""
    store = SqlStore(url)
    store.migrate()
    store.dispose()
    with filling(url) as bulk:
        _Years(bulk, Blobs(home / "blobs"), size).tell()


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class _Line:
    """The builds of one source for one target, from the oldest."""

    source: str
    builds: list[Build] = field(default_factory=list)


class _Years:
    """Generates the history, one target after the other."""

    def __init__(self, bulk: Bulk, blobs: Blobs, size: Size) -> None:
        self._bulk = bulk
        self._size = size
        self._random = random.Random(size.seed)  # noqa: S311  # the same store each time
        self._number = 0
        self._each = size.findings / size.builds
        self._locks = [
            blobs.put_bytes(self._lock(number)).sha256
            for number in range(min(_LOCKS, size.sources // 10))
        ]
        self._log = blobs.put_bytes(
            "".join(f"gcc -c part{n}.c\n" for n in range(3_000)).encode()
        ).sha256
        self._waivers: list[str] = []

    def tell(self) -> None:
        names = self._names()
        self._people()
        shares = {
            "reef-9": (names, 0.5),
            "reef-8": (names, 0.4),
            "reef-7": (names[: len(names) // 3], 0.1),
        }
        for name, (sources, share) in shares.items():
            self._target(TARGETS[name], sources, round(self._size.builds * share))

    def _id(self) -> str:
        self._number += 1
        return _sha(f"{self._size.seed} {self._number}")[:16]

    def _names(self) -> list[str]:
        found: dict[str, None] = {}
        while len(found) < self._size.sources:
            choice = self._random.choice
            name = f"{choice(_FIRST)}{choice(_LAST)}{choice(['', '-', '-x'])}{choice(_LAST)}"
            found[f"{name}{self._random.randrange(10)}"] = None
        return list(found)

    def _lock(self, number: int) -> bytes:
        lines = [
            {
                "name": f"seed-{n}",
                "epoch": 0,
                "version": "1",
                "release": "1.el9",
                "arch": "x86_64",
                "sha256": _sha(f"header {number} {n}"),
            }
            for n in range(250)
        ]
        return json.dumps({"lock": lines}).encode()

    def _people(self) -> None:
        for number in range(40):
            self._bulk.add(self._worker(f"builder-{number:02}", WorkerState.READY))
        for number in range(_GUESTS):
            self._bulk.add(
                replace(
                    self._worker(f"guest-{number:05}", WorkerState.RETIRED),
                    host="kvm-1",
                    token_hash="",
                )
            )
        for number in range(100):
            ended = NOW - timedelta(days=number) if number >= 60 else None  # noqa: PLR2004  # sixty are in force
            waiver = WaiverRecord(
                id=f"W{number:03}", owner="core",
                reason="the vendor changes it with the next release", expires="2026-12-31",
                kind="content-*", source=f"*{_LAST[number % len(_LAST)]}*", actor="ann",
                created=NOW - timedelta(days=200 - number), ended=ended,
                ended_by="ann" if ended else "", ended_why="revoked: not needed" if ended else "",
            )  # fmt: skip
            self._bulk.add(waiver)
            self._waivers.append(waiver.id)

    @staticmethod
    def _worker(name: str, state: WorkerState) -> Worker:
        return Worker(
            id=name,
            token_hash=_sha(name),
            arches=("x86_64",),
            queues=("reef-9.x86_64.small",),
            builder="mock",
            state=state,
            seen=NOW,
        )

    def _target(self, one: Target, sources: Sequence[str], count: int) -> None:
        lines = {source: _Line(source) for source in sources}
        drops = list(self._drops(one, sources, count))
        step = (NOW - _BEGIN) / len(drops)
        for number, (drop_id, members) in enumerate(drops):
            moment = _BEGIN + step * (number + 1) - timedelta(hours=1)
            self._drop(one, drop_id, members, moment, lines)
        heads = self._settle(one, lines)
        self._generations(one, heads)
        self._search(one, lines)
        self._rest(one, lines)

    def _drops(
        self, one: Target, sources: Sequence[str], count: int
    ) -> Iterator[tuple[str, Sequence[str]]]:
        left, number = count - len(sources), 0
        yield _sha(f"{one.name} all"), sources[:count]
        while left > 0:
            number += 1
            yield (
                _sha(f"{one.name} {number}"),
                self._random.sample(sources, min(_UPDATE, left, len(sources))),
            )
            left -= _UPDATE

    def _drop(
        self,
        one: Target,
        drop_id: str,
        members: Sequence[str],
        moment: datetime,
        lines: dict[str, _Line],
    ) -> None:
        drop = Drop(
            id=drop_id, target=one.name, name=f"{one.title} {moment:%Y-%m-%d %H:%M}",
            trigger="poll", owner="poller", state=DropState.INGESTED, created=moment,
        )  # fmt: skip
        self._bulk.add(drop)
        self._event(moment, "ingest", "drop.received", drop.id)
        for entry in search.of_drop(drop.id, drop.name, target=one.name):
            self._bulk.add(entry)
        for place, source in enumerate(members):
            lines[source].builds.append(
                self._build(one, drop, lines[source], moment + timedelta(milliseconds=place))
            )

    def _build(self, one: Target, drop: Drop, line: _Line, moment: datetime) -> Build:
        """Return a build before its source's state is decided."""
        number, source = len(line.builds), line.source
        version, release = f"{1 + number // 4}.{number % 4}", f"{1 + number % 3}{one.dist}"
        nvr = f"{source}-{version}-{release}"
        late = timedelta(hours=1 + (7 * number + len(source)) % 48)
        build = Build(
            id=self._id(), target=one.name, drop_id=drop.id, source=source, epoch=0,
            version=version, release=release, dist=one.dist, srpm=_sha(f"srpm {one.name} {nvr}"),
            srpm_filename=f"{nvr}.src.rpm", signed_by="199e2f91fd431d51",
            state=BuildState.PUBLISHED, state_since=moment + timedelta(minutes=9), owner="poller",
            arches=("x86_64",), requires=("gcc", "make", "libcore0-devel >= 1"),
            provides=(source, f"{source}-devel"), lock_ours=200, lock_rpms=250, created=moment,
            finished=moment + timedelta(minutes=9), shipped=moment - late,
            spent={"arriving": late.total_seconds(), **_SPENT},
        )  # fmt: skip
        self._bulk.add(
            DropItem(
                id=self._id(),
                drop_id=drop.id,
                kind=ItemKind.SRPM,
                sha256=build.srpm,
                filename=build.srpm_filename,
                build=build.id,
            )
        )
        return build

    def _settle(self, one: Target, lines: dict[str, _Line]) -> list[Build]:
        """Decide the result of each build, and the contents of the tags."""
        heads = []
        for line in lines.values():
            made = [self._ended(build, is_last=build is line.builds[-1]) for build in line.builds]
            newest = max(
                (n for n, build in enumerate(made) if build.state is BuildState.PUBLISHED),
                default=-1,
            )
            for number, build in enumerate(made):
                carried = number == newest
                tags = (one.tags.destination, one.tags.build) if carried else ()
                settled = replace(build, superseded=number < newest, tags=tags)
                line.builds[number] = settled
                heads += [settled] if carried else []
                self._around(settled)
        return heads

    def _ended(self, build: Build, *, is_last: bool) -> Build:
        chance = self._random.random()
        if chance < (0.93 if is_last else 0.9):  # published
            verdict = self._random.choices(
                [Verdict.EQUIVALENT, Verdict.EXPECTED, Verdict.COMPATIBLE, Verdict.IDENTICAL],
                [5, 3, 2, 1],
            )[0]
            return replace(build, verdict=verdict.value, gate=Gate.PASSED)
        if chance < 0.95:  # noqa: PLR2004  # refused
            verdict = self._random.choice([Verdict.REVIEW, Verdict.INCOMPATIBLE])
            return replace(
                build,
                state=BuildState.REFUSED,
                verdict=verdict.value,
                gate=Gate.REFUSED,
                gate_reason=f"verdict {verdict}: no tag takes it",
            )
        if chance < 0.98:  # noqa: PLR2004  # failed
            kind, words = self._random.choices(_FAILURES, [9, 7, 5, 4, 3, 1, 1])[0]
            nvr = f"{build.source}-{build.version}"
            reason = words.format(nvr=nvr, line=self._random.randrange(10, 999))
            return replace(build, state=BuildState.FAILED, failure_kind=kind.value, reason=reason)
        if chance < 0.985 or not is_last:  # noqa: PLR2004  # canceled
            return replace(build, state=BuildState.CANCELED, reason="superseded by a newer one")
        state = self._random.choice([BuildState.ON_HOLD, BuildState.WAITING, BuildState.QUEUED])
        reason = {
            BuildState.ON_HOLD: "signed by an unknown key",
            BuildState.WAITING: "nothing provides newlib-devel >= 2",
        }.get(state, "")
        wait = WaitKind.UNRESOLVABLE.value if state is BuildState.WAITING else ""
        return replace(build, state=state, reason=reason, wait_kind=wait, finished=None)

    def _around(self, build: Build) -> None:
        """Add the build itself and all its records."""
        was_built = build.state in (BuildState.PUBLISHED, BuildState.REFUSED)
        tasks = self._tasks(build, was_built=was_built)
        history = (
            ["ingested", "debranded", "waiting", "queued"]
            if build.state is not BuildState.ON_HOLD
            else ["ingested"]
        )
        history += ["building", "built", "comparing", "compared"] if was_built else []
        if build.state.value not in history:
            history.append(build.state.value)
        for place, state in enumerate(history):
            self._event(
                build.created + timedelta(minutes=place), "scheduler", f"build.{state}", build.id
            )
        if was_built:
            build = self._made(build, tasks[-1])
        self._bulk.add(build)

    def _tasks(self, build: Build, *, was_built: bool) -> list[Task]:
        kinds = [TaskKind.DEBRAND]
        if was_built:
            kinds += [TaskKind.COMPARE, TaskKind.SIGN]
        if was_built or build.state in (BuildState.FAILED, BuildState.QUEUED):
            kinds.append(TaskKind.BUILD)
        made = []
        for place, kind in enumerate(kinds):
            is_builder = kind is TaskKind.BUILD
            began = build.created + timedelta(minutes=1 + place)
            state = (
                TaskState.FREE
                if is_builder and build.state is BuildState.QUEUED
                else TaskState.CLOSED
            )
            failed = is_builder and build.state is BuildState.FAILED
            free = state is TaskState.FREE
            made.append(
                Task(
                    id=self._id(),
                    kind=kind,
                    subject=build.id,
                    target=build.target,
                    arch="x86_64" if is_builder else "",
                    queue=f"{build.target}.x86_64.small" if is_builder else "services",
                    state=TaskState.FAILED if failed else state,
                    owner=build.owner,
                    worker=""
                    if free
                    else f"builder-{self._random.randrange(40):02}"
                    if is_builder
                    else "services",
                    failure_kind=build.failure_kind if failed else "",
                    reason=build.reason if failed else "",
                    lock=self._random.choice(self._locks) if is_builder and not free else "",
                    log=self._log if is_builder and not free else "",
                    result={"seconds": {"buildroot": 9.0, "build": 80.5}, "builder": "mock"}
                    if is_builder
                    else {},
                    created=began - timedelta(seconds=9),
                    started=None if free else began,
                    finished=None
                    if free
                    else began + timedelta(seconds=self._random.randrange(9, 900)),
                )
            )
            self._bulk.add(made[-1])
        return made

    def _made(self, build: Build, task: Task) -> Build:
        """Add its RPMs, the vendor's, and the comparison of both."""
        nvr, source = build.nvr, build.source
        pairs: list[dict[str, object]] = []
        for name in (source, f"{source}-devel"):
            filename = f"{name}-{build.version}-{build.release}.x86_64.rpm"
            vendor = _sha(f"vendor {build.target} {filename}")
            self._artifact(build, task, name, "x86_64")
            rpm = VendorRpm(
                id=self._id(), target=build.target, sha256=vendor, filename=filename, name=name,
                arch="x86_64", source=source, sourcerpm=build.srpm_filename,
                evr=f"{build.version}-{build.release}", provides=(name,), verdict=build.verdict,
            )  # fmt: skip
            self._bulk.add(rpm)
            self._bulk.add(
                DropItem(
                    id=self._id(),
                    drop_id=build.drop_id,
                    kind=ItemKind.BINARY,
                    sha256=vendor,
                    filename=filename,
                )
            )
            pairs.append(
                {
                    "old": filename, "new": filename, "name": name, "source": source,
                    "old_sha256": vendor, "verdict": build.verdict,
                    "findings": self._findings(build),
                }
            )  # fmt: skip
        self._artifact(build, task, source, "src")
        report = {
            "schema": 1,
            "verdict": build.verdict,
            "pairs": pairs,
            "missing": [],
            "extra": [],
            "waivers": {"expired": [], "unused": []},
        }
        self._bulk.add(
            Comparison(
                id=self._id(),
                build=build.id,
                verdict=build.verdict,
                report=report,
                created=build.created + timedelta(minutes=8),
            )
        )
        for found in finding_words.findings_of(report):
            self._bulk.add(FindingRecord(
                build=build.id, target=build.target, source=source, superseded=build.superseded,
                name=found["path"].rpartition("/")[2], **found,
            ))  # fmt: skip
        if self._random.random() < 0.02:  # noqa: PLR2004  # a few are lifted
            waiver = self._random.choice(self._waivers)
            self._bulk.add(
                WaiverUse(
                    id=f"{waiver}/{nvr}/{build.id}", waiver=waiver, build=build.id, findings=1
                )
            )
        return replace(
            build, finding=finding_words.worst_line(report) if build.gate is Gate.REFUSED else ""
        )

    def _artifact(self, build: Build, task: Task, name: str, arch: str) -> None:
        filename = f"{name}-{build.version}-{build.release}.{arch}.rpm"
        self._bulk.add(Artifact(
            id=self._id(), build=build.id, task=task.id, filename=filename, name=name, epoch=0,
            version=build.version, release=build.release, arch=arch, size=48_211,
            sha256=_sha(f"ours {build.target} {filename}"),
            header=_sha(f"header {build.target} {filename}"),
            signed=_sha(f"signed {build.target} {filename}"), provides=(name,),
        ))  # fmt: skip

    def _findings(self, build: Build) -> list[dict[str, str]]:
        # for one of two RPMs; a few builds failed or were canceled and have none
        count = max(round(self._random.uniform(0.5, 1.5) * self._each / 2 / 0.93), 1)
        chosen = self._random.choices(_HARMLESS, k=count)
        if build.gate is Gate.REFUSED:
            chosen += [one for one in _GRAVE if one[3].value == build.verdict][:1]
        return [
            {
                "kind": kind, "path": path.format(source=build.source),
                "subject": subject.format(source=build.source), "verdict": verdict.value,
                "rule": kind, "old": "a", "new": "b",
            }
            for kind, path, subject, verdict in chosen
        ]  # fmt: skip

    def _event(self, at: datetime, actor: str, kind: str, subject: str) -> None:
        self._bulk.add(Event(at=at, actor=actor, kind=kind, subject=subject))

    def _generations(self, one: Target, heads: Sequence[Build]) -> None:
        ids = [build.id for build in heads]
        for tag in (one.tags.build, one.tags.destination):
            for number in range(1, _GENERATIONS + 1):
                carried = ids[: len(ids) - (_GENERATIONS - number)]
                moment = NOW - timedelta(hours=6 * (_GENERATIONS - number) + 1)
                state = (
                    GenerationState.READY
                    if number > _GENERATIONS - 10
                    else GenerationState.COLLECTED
                )
                made = Generation(
                    id=self._id(), target=one.name, tag=tag, number=number, state=state,
                    digest=_sha(f"{tag} {number}"), builds=tuple(carried), sources=len(carried),
                    rpms=3 * len(carried), lock_ours=200 * len(carried),
                    lock_rpms=250 * len(carried), created=moment, ready=moment,
                )  # fmt: skip
                self._bulk.add(made)
            self._bulk.add(TagHead(id=tag, generation=made.id, number=made.number))

    def _search(self, one: Target, lines: dict[str, _Line]) -> None:
        for source in lines:
            entries = [*search.of_source(source, target=one.name)]
            for name in (source, f"{source}-devel"):
                entries += search.of_rpm(name, source=source, target=one.name)
                paths = [f"/usr/share/{name}/part{number}" for number in range(6)] + [
                    f"/usr/bin/{name}",
                    f"/etc/{name}.conf",
                ]
                for path in paths:
                    entries += search.of_file(path, rpm=name, source=source, target=one.name)
            for entry in entries:
                self._bulk.add(entry)

    def _rest(self, one: Target, lines: dict[str, _Line]) -> None:
        """Add failure clusters, the forecast, overrides."""
        made: dict[str, SearchEntry] = {}
        last = [line.builds[-1] for line in lines.values() if line.builds]
        for build in last:
            if build.state is BuildState.FAILED:
                for cluster in clusters([build]):
                    entries = search.of_failure(
                        cluster.id, cluster.words, source=build.source, target=one.name
                    )
                    made |= {entry.id: entry for entry in entries}
        for entry in made.values():
            self._bulk.add(entry)
        coming = [build for build in last if build.state in (BuildState.WAITING, BuildState.QUEUED)]
        steps = [
            {
                "build": build.id, "name": build.nvr, "wave": number % 5, "needs": [], "cost": 60.0,
                "remaining_path": 60.0 + number, "start": 60.0 * number, "end": 60.0 * number + 60,
                "critical": number == 0,
            }
            for number, build in enumerate(coming)
        ]  # fmt: skip
        forecast: dict[str, object] = {
            "steps": steps,
            "workers": 40,
            "makespan": 60.0 * len(steps),
            "bound": 60.0,
            "critical_path": 60.0,
            "cycles": [],
        }
        self._bulk.add(ForecastRecord(id=one.name, forecast=forecast, created=NOW))
        for source in list(lines)[:50]:
            self._bulk.add(SourceOverride(
                id=self._id(), target=one.name, source=source, settings={"nocheck": True},
                reason="its tests need the network", actor="ann", created=NOW,
            ))  # fmt: skip
