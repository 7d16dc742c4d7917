"""A cycle gets off the seed: a seeded build stays with the builders, its next round begins when the
cycle stands.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from buildfarm import wire
from buildfarm.domain.core.build import Build, BuildState, Gate
from buildfarm.domain.publish.repository import Artifact, Candidate, newest_of_each_source
from buildfarm.domain.selfhosting.seeds import MAX_ROUNDS, LockLine, held_back, reached, seeded_by
from buildfarm.services.selfhosting import rounds
from tests.integration.pipeline.conftest import World

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def build(source: str, **fields: object) -> Build:
    made = Build(
        id=source, target="reef-9", drop_id="d", source=source, epoch=0, version="1", release="1.el9", dist=".el9", srpm=source,
        srpm_filename=f"{source}-1-1.el9.src.rpm", state=BuildState.COMPARED, state_since=NOON, verdict="EQUIVALENT",
        gate=Gate.REFUSED, gate_reason="seeded", owner="ada", provides=(f"{source} = 1-1.el9",), cycle=("awk", "yacc"),
        seeded=("awk-0-1.x86_64",), tags=("reef-9-build",), created=NOON,
    )  # fmt: skip
    return replace(made, **fields)  # type: ignore[arg-type]


def begun(world: World) -> list[str]:
    with world.hub.store.begin() as tx:
        return sorted(
            f"{one.source} {one.round}" for one in rounds.begin_next(tx, world.hub.target("reef-9"))
        )


def test_the_next_round_waits_for_the_whole_circle_and_begins_once(world: World) -> None:
    with world.hub.store.begin() as tx:
        tx.add(build("yacc"))
        tx.add(build("awk", tags=(), state=BuildState.BUILDING, verdict="", gate=Gate.NONE))
    assert begun(world) == []
    with world.hub.store.begin() as tx:
        awk = tx.get(Build, "awk")
        tx.update(
            awk,
            tags=("reef-9-build",),
            state=BuildState.PUBLISHED,
            verdict="EQUIVALENT",
            gate=Gate.PASSED,
            seeded=(),
        )
    assert begun(world) == ["yacc 2"]
    assert begun(world) == []
    with world.hub.store.read() as tx:
        first = tx.get(Build, "yacc")
        second = tx.get(Build, first.successor)
    assert second.state is BuildState.WAITING
    assert (second.srpm, second.seeded, second.tags, second.verdict) == (first.srpm, (), (), "")
    assert "round 1 took awk-0-1.x86_64 from a seed" in second.reason


def test_who_is_still_seeded_in_the_last_round_is_left_to_a_person(world: World) -> None:
    with world.hub.store.begin() as tx:
        tx.add(build("yacc", round=MAX_ROUNDS, cycle=("yacc",)))
    assert begun(world) == []
    assert "even in round 3" in held_back(("awk-0-1",), MAX_ROUNDS)


def test_a_lock_says_what_of_the_circle_came_from_elsewhere(world: World) -> None:
    def rpm(name: str, digest: str) -> wire.InstalledRpm:
        return wire.InstalledRpm(
            name=name, epoch=0, version="0", release="1", arch="x86_64", sha256=digest * 64
        )

    with world.hub.store.begin() as tx:
        tx.add(build("awk"))
        yacc = build("yacc", seeded=())
        tx.add(yacc)
        tx.add(_artifact("zlib", "b" * 64))
        noted = rounds.note_lock(tx, yacc, [rpm("awk", "a"), rpm("zlib", "b"), rpm("gcc", "c")])
    assert noted.seeded == ("awk-0-1.x86_64",)
    assert (noted.lock_ours, noted.lock_rpms) == (1, 3)


def _artifact(name: str, header: str) -> Artifact:
    return Artifact(
        id=name, build="z", task="t", filename=f"{name}.rpm", name=name, epoch=0, version="1", release="1", arch="x86_64", size=1,
        sha256="d" * 64, header=header,
    )  # fmt: skip


def test_of_one_source_and_evr_the_tag_carries_the_last_round() -> None:
    evr = build("yacc").nevra.evr
    candidates = [
        Candidate(build=f"r{number}", source="yacc", evr=evr, round=number) for number in (2, 1, 3)
    ]
    assert newest_of_each_source(candidates) == ("r3",)


def test_what_the_circle_makes_and_comes_from_us_is_no_seed() -> None:
    lines = [
        LockLine(name="awk", nevra="awk-1-1", ours=True),
        LockLine(name="gcc", nevra="gcc-1-1", ours=False),
    ]
    assert seeded_by(lines, {"awk", "yacc"}) == ()


def test_the_buildroots_of_buildroots_are_followed_to_the_end() -> None:
    assert reached(["a"], {"a": ["b", "seed"], "b": ["a", "c"]}) == {"a", "b", "c", "seed"}
