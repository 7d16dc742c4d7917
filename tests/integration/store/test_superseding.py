"""A build that every tag has a newer one of is history; what a tag must let go brings the older one
back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from buildfarm.adapters.core.database import SqlStore
from buildfarm.domain.core.build import Build, BuildState, Gate
from buildfarm.domain.core.records import FindingRecord
from buildfarm.domain.publish.repository import Artifact, Generation, GenerationState, TagHead
from buildfarm.domain.target.target import BuildrootSpec, Lifecycle, Owner, Tags, Target, Upstream
from buildfarm.services.core import tasks
from buildfarm.services.publish import publishing

TARGET = Target(
    schema=1, name="t", title="T", dist=".el9", suffix="", arches=("x86_64",), builder="chroot",
    buildroot=BuildrootSpec(packages=("bash",), releasever="9"), upstream=Upstream(vendor="V"),
    tags=Tags(build="t-build", destination="t"), lifecycle=Lifecycle(released=date(2026, 1, 1)), owner=Owner(sig="core"),
)  # fmt: skip


class Farm:
    """Builds of one source or another, and tags that switch to what they want."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.number = 0

    def build(
        self, source: str, version: str, state: BuildState = BuildState.COMPARED, **fields: object
    ) -> str:
        with self.store.begin() as tx:
            given: dict[str, object] = (
                {"verdict": "EQUIVALENT", "gate": Gate.PASSED}
                if state is BuildState.COMPARED
                else {}
            )
            build = Build(
                id=f"{source}-{version}", target="t", drop_id="d", source=source, epoch=0, version=version, release="1", dist="",
                srpm=f"{source} {version}", srpm_filename=f"{source}-{version}-1.src.rpm", state=state, state_since=tx.now, owner="o",
                created=tx.now, **{**given, **fields},  # type: ignore[arg-type]
            )  # fmt: skip
            tx.add(build)
            tx.add(Artifact(id=f"a {build.id}", build=build.id, task="", filename="x.rpm", name="x", epoch=0, version="1", release="1",
                            arch="x86_64", size=1, sha256="s", signed="s"))  # fmt: skip
            tx.add_all([FindingRecord(build=build.id, target="t", source=source, rpm="x", kind="k", path="/p", name="p", subject="",
                                      verdict="REVIEW")])  # fmt: skip
        return build.id

    def publish(self) -> dict[str, set[str]]:
        """Let each tag that needs it switch, as stage and seal do; what they extra_metadata."""
        for tag in (TARGET.tags.build, TARGET.tags.destination):
            with self.store.begin() as tx:
                before = publishing.head(tx, tag)
                chosen = publishing.wanted(tx, TARGET, tag)
                if before is not None and set(chosen) == set(before.builds):
                    continue
                self.number += 1
                made = Generation(id=tasks.new_id(), target="t", tag=tag, number=self.number, state=GenerationState.READY, digest="",
                                  builds=chosen, created=tx.now, ready=tx.now)  # fmt: skip
                tx.add(made)
                head = TagHead(id=tag, generation=made.id, number=made.number)
                if not tx.insert_or_ignore(head):
                    tx.update(head, generation=made.id, number=made.number)
                publishing._mark(tx, TARGET, before.builds if before else (), made)
        with self.store.read() as tx:
            assert not publishing.needs_publishing(tx, TARGET, {})
            return {
                tag: set(found.builds)
                for tag in ("t-build", "t")
                if (found := publishing.head(tx, tag))
            }

    def superseded(self) -> set[str]:
        with self.store.read() as tx:
            found = {build.id for build in tx.find(Build, superseded=True)}
            assert {row.build for row in tx.find(FindingRecord, superseded=True)} == found
            return found

    def change(self, identity: str, **fields: object) -> None:
        with self.store.begin() as tx:
            tx.update(tx.get(Build, identity), **fields)


@pytest.fixture
def farm(store: SqlStore) -> Farm:
    return Farm(store)


def test_a_newer_build_in_every_tag_makes_the_older_ones_history(farm: Farm) -> None:
    farm.build("a", "1")
    farm.build("b", "1")
    farm.publish()
    assert farm.superseded() == set()
    farm.build("a", "0", BuildState.FAILED, failure_kind="build", reason="r")
    farm.build("a", "2")
    assert farm.publish() == {"t-build": {"a-2", "b-1"}, "t": {"a-2", "b-1"}}
    assert farm.superseded() == {"a-1", "a-0"}


def test_what_one_tag_still_carries_is_not_superseded(farm: Farm) -> None:
    farm.build("a", "1")
    farm.publish()
    farm.build("a", "2", gate=Gate.REFUSED, verdict="REVIEW")
    assert farm.publish() == {"t-build": {"a-2"}, "t": {"a-1"}}
    assert farm.superseded() == set()


def test_a_build_that_is_refused_later_brings_the_older_one_back(farm: Farm) -> None:
    for version in ("1", "2", "3"):
        farm.build("a", version)
        farm.publish()
    assert farm.superseded() == {"a-1", "a-2"}
    farm.change("a-3", state=BuildState.COMPARED, gate=Gate.REFUSED, verdict="INCOMPATIBLE")
    assert farm.publish() == {"t-build": {"a-2"}, "t": {"a-2"}}
    assert farm.superseded() == {"a-1"}
    farm.change("a-2", state=BuildState.COMPARED, gate=Gate.REFUSED, verdict="INCOMPATIBLE")
    farm.change("a-1", state=BuildState.COMPARED, gate=Gate.REFUSED, verdict="INCOMPATIBLE")
    assert farm.publish() == {"t-build": set(), "t": set()}
    assert farm.superseded() == set()
    farm.change("a-1", gate=Gate.PASSED, verdict="EQUIVALENT")
    assert farm.publish() == {"t-build": {"a-1"}, "t": {"a-1"}}


def test_history_never_decides_what_a_tag_wants(farm: Farm) -> None:
    """The oracle is all builds, looked at as if none were superseded."""
    for number in range(12):
        farm.build(f"s{number % 3}", str(number), gate=Gate.REFUSED if number % 5 == 4 else Gate.PASSED,
                   verdict="REVIEW" if number % 5 == 4 else "EQUIVALENT")  # fmt: skip
        carried = farm.publish()
        with farm.store.read() as tx:
            everything = [replace(build, superseded=False) for build in tx.find(Build)]
        for tag, found in carried.items():
            taken = [b for b in everything if publishing.takes(TARGET, tag, b)]
            newest = {
                max((b for b in taken if b.source == s), key=lambda b: b.nevra.evr).id
                for s in {b.source for b in taken}
            }
            assert found == newest
