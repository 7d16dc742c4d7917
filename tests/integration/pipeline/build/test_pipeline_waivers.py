"""A waiver that comes, ends or expires: what it touches is judged anew from the stored findings,
and the tags follow.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from buildfarm.adapters.build.waiver_files import dump_waivers, load_waivers
from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.adapters.debrand.brand_scan import scan_rpms
from buildfarm.domain.build.waiver import WaiverUse
from buildfarm.domain.compare.policy import Waiver
from buildfarm.domain.compare.report import from_json
from buildfarm.domain.core.build import Build, BuildState, Gate
from buildfarm.domain.core.records import Comparison, Event
from buildfarm.domain.core.task import Task
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.debrand.brand import BrandPolicy, BrandWord
from buildfarm.domain.intake.drop import VendorRpm
from buildfarm.errors import Conflict, InputError, NotAllowed, NotFound
from buildfarm.services.build import comparing, waivers
from buildfarm.services.build.comparing import CompareTools
from buildfarm.services.core import builds
from buildfarm.services.core.hub import Hub
from buildfarm.services.schedule.scheduler import Scheduler
from tests.fakes import Clock
from tests.integration.pipeline.publish.test_pipeline_publishing import (
    BUILD,
    DESTINATION,
    Press,
    press,
    silent,
)

__all__ = ["press"]

LACKS = ("BuildArch: noarch",)
NEEDS = ("BuildArch: noarch", "Requires: something-else")


def waiver(**changed: object) -> Waiver:
    values = {
        "id": "W1", "owner": "sig-core", "reason": "the vendor's was wrong", "expires": date(2026, 4, 1),
        "kind": "requires", "source": "zlib", "subject": "something-else", **changed,
    }  # fmt: skip
    return Waiver(**values)


@dataclass
class Case:
    press: Press
    build: str

    @property
    def hub(self) -> Hub:
        return self.press.hub

    def now(self) -> Build:
        return self.press.build(self.build)

    def comparisons(self) -> list[Comparison]:
        with self.hub.store.read() as tx:
            return tx.find(Comparison, build=self.build, order_by="created,id")

    def events(self, kind: str) -> list[Event]:
        with self.hub.store.read() as tx:
            return tx.find(Event, kind=kind)


@pytest.fixture
def case(press: Press) -> Case:
    """zlib, really compared: ours has a Requires that the vendor's lacks."""
    ours = press.rpmbuild("zlib", "1.0", "1.el9", *NEEDS)
    vendors = press.rpmbuild("zlib", "1.0", "1.el9", *LACKS)[1]
    identity = press.compared("zlib", Verdict.UNCOMPARED, rpms=ours)
    with press.hub.store.begin() as tx:
        tx.add(
            VendorRpm(
                id="v", target="reef-9", sha256=press.hub.blobs.put_file(vendors).sha256, filename=vendors.name,
                name="zlib", arch="noarch", source="zlib", sourcerpm=ours[0].name,
            )
        )  # fmt: skip
        builds.move(
            tx,
            tx.get(Build, identity),
            BuildState.BUILT,
            actor="ingest",
            why="vendor binaries arrived",
        )
    tools = CompareTools(reader=SandboxedReader(), scan=lambda *_: [], brand_policy=lambda _: None)
    comparing.compare(press.hub, tools, identity, silent)
    found = Case(press, identity)
    assert (found.now().verdict, found.now().gate) == ("INCOMPATIBLE", Gate.REFUSED)
    return found


def test_a_waiver_lets_a_build_through_without_a_rebuild_and_its_end_takes_it_out_again(
    case: Case, clock: Clock
):
    with case.hub.store.read() as tx:
        tasks = tx.count(Task)
    clock.pass_seconds(1)
    waivers.record(case.hub, waiver(), actor="ann", role="engineer")
    assert (case.now().verdict, case.now().gate) == ("EXPECTED", Gate.PASSED)
    report = from_json(case.comparisons()[-1].report)
    lifted = [item for pair in report.pairs for item in pair.findings if item.rule == "waiver:W1"]
    assert [item.was for item in lifted] == ["INCOMPATIBLE requires-added"]
    assert (report.compatible_rpms, report.waived_rpms) == (0, 1)
    with case.hub.store.read() as tx:
        assert tx.count(Task) == tasks
        assert [(use.build, use.findings) for use in tx.find(WaiverUse, waiver="W1")] == [
            (case.build, 1)
        ]
    case.press.publish()
    assert case.now().state is BuildState.PUBLISHED
    assert case.press.carried(DESTINATION) == {case.build}

    clock.pass_seconds(1)
    waivers.revoke(case.hub, "W1", actor="bob", why="repaired upstream")
    assert (case.now().state, case.now().verdict, case.now().gate) == (
        BuildState.REFUSED, "INCOMPATIBLE", Gate.REFUSED,
    )  # fmt: skip
    assert "something-else" in case.now().gate_reason
    assert case.comparisons()[-1].report == case.comparisons()[0].report
    case.press.publish()
    assert case.press.carried(DESTINATION) == set()
    assert case.press.carried(BUILD) == set()
    assert case.now().state is BuildState.REFUSED  # leaving one tag did not publish it to the other
    assert case.now().tags == ()
    assert [(event.actor, event.why) for event in case.events("waiver.revoked")] == [
        ("bob", "revoked: repaired upstream")
    ]
    assert [event.actor for event in case.events("build.judged")] == ["ann"]
    with case.hub.store.read() as tx:
        assert [use.findings for use in tx.find(WaiverUse, waiver="W1")] == [0]


class NoPlanner:
    def plan(self, target: object) -> dict[str, object]:
        return {}


def test_the_sweep_ends_a_waiver_the_day_after_its_last(case: Case, clock: Clock):
    clock.pass_seconds(1)
    waivers.record(case.hub, waiver(expires=date(2026, 3, 3)), actor="ann", role="engineer")
    scheduler = Scheduler(case.hub, NoPlanner(), owner="test")
    clock.pass_seconds(timedelta(days=1).total_seconds())
    scheduler.sweep()
    assert case.now().gate is Gate.PASSED
    clock.pass_seconds(timedelta(days=1).total_seconds())
    scheduler.sweep()
    scheduler.sweep()
    assert (case.now().verdict, case.now().gate) == ("INCOMPATIBLE", Gate.REFUSED)
    assert [(event.actor, event.why) for event in case.events("waiver.expired")] == [
        ("scheduler", "expired on 2026-03-03")
    ]


def test_a_build_compared_later_falls_under_the_waivers_in_force(case: Case, clock: Clock):
    waivers.record(case.hub, waiver(), actor="ann", role="engineer")
    with case.hub.store.begin() as tx:
        builds.move(tx, tx.get(Build, case.build), BuildState.BUILT, actor="ann", why="once more")
    clock.pass_seconds(1)
    tools = CompareTools(reader=SandboxedReader(), scan=lambda *_: [], brand_policy=lambda _: None)
    comparing.compare(case.hub, tools, case.build, silent)
    assert (case.now().verdict, case.now().gate) == ("EXPECTED", Gate.PASSED)


@pytest.mark.parametrize(
    "changed",
    [
        {"source": "expat"},
        {"target": "other-*"},
        {"kind": "*"},
        {"subject": "else"},
        {"rpm": "zlib-libs"},
    ],
)
def test_a_waiver_for_something_else_changes_nothing(case: Case, changed: dict[str, str]):
    before = case.now()
    waivers.record(case.hub, waiver(**changed), actor="ann", role="engineer")
    assert case.now() == before
    assert len(case.comparisons()) == 1


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"reason": " "}, InputError), ({"owner": ""}, InputError), ({"expires": date(2026, 3, 1)}, InputError),
        ({"kind": "damaged"}, InputError), ({"kind": "novel"}, InputError), ({"authority": "security"}, NotAllowed),
    ],
)  # fmt: skip
def test_a_waiver_that_says_too_little_or_too_much_is_refused(
    case: Case, changed: dict[str, object], error: type
):
    with pytest.raises(error):
        waivers.record(case.hub, waiver(**changed), actor="ann", role="engineer")
    assert case.now().gate is Gate.REFUSED


def test_only_the_security_role_speaks_for_security_and_an_id_is_never_used_again(case: Case):
    waivers.record(case.hub, waiver(authority="security"), actor="sue", role="security")
    waivers.revoke(case.hub, "W1", actor="sue", why="done")
    with pytest.raises(Conflict):
        waivers.record(case.hub, waiver(), actor="ann", role="engineer")
    with pytest.raises(Conflict):
        waivers.revoke(case.hub, "W1", actor="sue", why="again")
    with pytest.raises(NotFound):
        waivers.revoke(case.hub, "none", actor="sue", why="x")


def test_what_a_waiver_file_says_and_what_the_store_says_is_the_same(case: Case, tmp_path: Path):
    made = waivers.record(case.hub, waiver(), actor="ann", role="engineer")
    (tmp_path / "w.yaml").write_text(dump_waivers([made.waiver]))
    assert load_waivers(tmp_path / "w.yaml") == (waiver(),)


def test_a_brand_in_a_compatible_build_is_held_at_the_gate_with_its_place(press: Press):
    """Ours is the vendor's, word for word; the scan is the real one, and so is what it finds in the
    summary.
    """
    ours = press.rpmbuild("zlib", "1.0", "1.el9", *LACKS)
    identity = press.compared("zlib", Verdict.UNCOMPARED, rpms=ours)
    with press.hub.store.begin() as tx:
        tx.add(
            VendorRpm(
                id="v", target="reef-9", sha256=press.hub.blobs.put_file(ours[1]).sha256, filename=ours[1].name,
                name="zlib", arch="noarch", source="zlib", sourcerpm=ours[0].name,
            )
        )  # fmt: skip
        builds.move(
            tx,
            tx.get(Build, identity),
            BuildState.BUILT,
            actor="ingest",
            why="vendor binaries arrived",
        )
    policy = BrandPolicy(
        words=(
            BrandWord(pattern=r"\bTest\b", kind="trademark", exact=True, where="header:SUMMARY"),
        )
    )
    tools = CompareTools(reader=SandboxedReader(), scan=scan_rpms, brand_policy=lambda _: policy)
    comparing.compare(press.hub, tools, identity, silent)
    found = Case(press, identity).now()
    assert (found.state, found.verdict, found.gate) == (
        BuildState.REFUSED,
        "IDENTICAL",
        Gate.REFUSED,
    )
    assert "1 brand hits that no rule allows" in found.gate_reason
    assert "header:SUMMARY: Test" in found.gate_reason
    press.publish()
    assert press.carried(DESTINATION) == set()
    assert press.carried(BUILD) == {identity}
