"""What a drop's SRPMs say as text: brand words that no rule covers, and bootstrap conditions; read
once, in the sandbox.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from buildfarm_web.read_models.schedule.forecast import drop_plan

from buildfarm.adapters.debrand.source_survey import survey as read
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.records import BootstrapVariant, SourceSurvey
from buildfarm.domain.debrand.brand import BrandPolicy, BrandWord
from buildfarm.domain.intake.drop import Drop, DropState
from buildfarm.domain.intake.survey import Surveyed
from buildfarm.errors import InputError
from buildfarm.services.intake import surveying
from buildfarm.services.intake.surveying import SurveyTools
from tests.integration.pipeline.conftest import MakeRpms, World

POLICY = BrandPolicy(words=(BrandWord(pattern="acme", kind="trademark"),))


@pytest.fixture
def srpms(rpmbuild: MakeRpms) -> dict[str, Path]:
    lines = {
        "plain": ("BuildArch: noarch",),
        "acme-logos": (
            "BuildArch: noarch",
            "URL: https://acme.example/",
            "%dnl %(touch /tmp/never)",
        ),
        "perl": (
            "BuildArch: noarch",
            "%if !%{defined perl_bootstrap}",
            "BuildRequires: perl",
            "%endif",
        ),
    }
    return {
        name: rpmbuild(name, "1.0", "1.el9", *more, mode="-bs")[0] for name, more in lines.items()
    }


def add(world: World, srpms: dict[str, Path]) -> None:
    with world.hub.store.begin() as tx:
        tx.add(
            Drop(
                id="d", target="reef-9", name="d", trigger="t", owner="ada", state=DropState.INGESTED, created=tx.now,
            )
        )  # fmt: skip
        for name, path in srpms.items():
            tx.add(
                Build(
                    id=name, target="reef-9", drop_id="d", source=name, epoch=0, version="1.0", release="1.el9", dist=".el9",
                    srpm=world.hub.blobs.put_file(path).sha256, srpm_filename=path.name, state=BuildState.DEBRANDED,
                    state_since=tx.now, owner="ada", created=tx.now,
                )
            )  # fmt: skip


def test_brand_words_without_a_rule_and_conditions_are_found_and_shown(
    world: World, srpms: dict[str, Path]
) -> None:
    add(world, srpms)
    asked: list[int] = []

    def counted(paths: list[Path], policy: BrandPolicy | None) -> list[Surveyed]:
        asked.append(len(paths))
        return read(paths, policy)

    tools = SurveyTools(read=counted, brand_policy=lambda _: POLICY)  # type: ignore[arg-type]  # paths are a list here
    surveying.survey(world.hub, tools, "d", lambda _: None)
    surveying.survey(world.hub, tools, "d", lambda _: None)
    assert asked == [3]  # once an SRPM, in one sandbox
    with world.hub.store.read() as tx:
        assert [one.condition for one in tx.find(BootstrapVariant)] == [
            "--define 'perl_bootstrap 1'"
        ]
        plan = drop_plan(tx, tx.get(Drop, "d"))
    (branded,) = plan["branded"]
    assert (branded["nvr"], branded["hits"]) == ("acme-logos-1.0-1.el9", 4)
    assert branded["first"].startswith("test.spec:1: Name: acme-logos")
    assert plan["surveyed"] == {"read": 3, "of": 3}


def test_another_policy_reads_them_again_and_a_rule_takes_them_off_the_list(
    world: World, srpms: dict[str, Path]
) -> None:
    add(world, srpms)
    surveying.survey(
        world.hub, SurveyTools(read=read, brand_policy=lambda _: None), "d", lambda _: None
    )
    with world.hub.store.read() as tx:
        assert not drop_plan(tx, tx.get(Drop, "d"))["branded"]
    surveying.survey(
        world.hub, SurveyTools(read=read, brand_policy=lambda _: POLICY), "d", lambda _: None
    )
    with world.hub.store.begin() as tx:
        assert len(drop_plan(tx, tx.get(Drop, "d"))["branded"]) == 1
        tx.update(tx.get(Build, "acme-logos"), rule_digest="r")
        assert not drop_plan(tx, tx.get(Drop, "d"))["branded"]


def test_one_srpm_that_ends_the_reader_takes_no_other_down(
    world: World, srpms: dict[str, Path]
) -> None:
    add(world, srpms)

    def fragile(paths: list[Path], policy: BrandPolicy | None) -> list[Surveyed]:
        bad = world.hub.blobs.path(next(b.srpm for b in builds if b.source == "plain"))
        if bad in paths:
            raise InputError("the reader was killed")
        return read(paths, policy)

    with world.hub.store.read() as tx:
        builds = tx.find(Build)
    tools = SurveyTools(read=fragile, brand_policy=lambda _: POLICY)  # type: ignore[arg-type]  # paths are a list here
    surveying.survey(world.hub, tools, "d", lambda _: None)
    with world.hub.store.read() as tx:
        assert sorted(one.problem for one in tx.find(SourceSurvey)) == [
            "",
            "",
            "the reader was killed",
        ]
        assert [one["nvr"] for one in drop_plan(tx, tx.get(Drop, "d"))["unread"]] == [
            "plain-1.0-1.el9"
        ]


def test_a_damaged_srpm_is_said_and_not_taken_for_clean(
    srpms: dict[str, Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(srpms["plain"].read_bytes()[:-40])
    (found,) = read([bad], POLICY)
    assert found.problem.startswith("cannot be read")
