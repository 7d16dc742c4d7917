import gc
import time

import pytest

from buildfarm.domain.core.build import WaitKind
from buildfarm.domain.schedule.plan import Decision, Node, Plan, excluded, plan


def node(
    key: str,
    *needs: str,
    now: bool = False,
    problem: str = "",
    broken: dict[str, str] | None = None,
) -> Node:
    return Node(
        key=key,
        name=key.upper(),
        needs={needed: f"{needed}-devel" for needed in needs},
        broken=broken or {},
        problem=problem,
        resolves_now=now,
    )


def decision(found: Plan, key: str) -> Decision:
    return next(decision for decision in found.decisions if decision.key == key)


def test_nothing_to_build_is_an_empty_plan():
    assert plan([]) == Plan(decisions=(), waves=(), cycles=())


def test_a_chain_builds_in_waves_and_each_link_names_its_blocker():
    found = plan([node("c", "b"), node("b", "a"), node("a"), node("x")])
    assert found.waves == (("a", "x"), ("b",), ("c",))
    assert decision(found, "a") == Decision(key="a")
    assert decision(found, "c") == Decision(
        key="c", wait=WaitKind.BLOCKED, reason="waits for B (for b-devel)", blockers=("b",)
    )


def test_a_need_of_a_source_that_is_finished_is_gone():
    assert decision(plan([node("b", "finished")]), "b").wait is None


def test_what_cannot_be_resolved_says_so_in_the_solvers_words():
    found = decision(plan([node("a", problem="nothing provides zlib-devel >= 2")]), "a")
    assert (found.wait, found.reason) == (WaitKind.UNRESOLVABLE, "nothing provides zlib-devel >= 2")


def test_a_source_that_ended_without_a_result_is_named_with_its_state():
    found = decision(
        plan([node("b", broken={"a-devel from a-1-1": "on_hold, it is not signed"})]), "b"
    )
    assert found.wait is WaitKind.BLOCKED
    assert found.reason == "needs a-devel from a-1-1: on_hold, it is not signed"


def test_a_cycle_is_broken_where_todays_repositories_do():
    found = plan([node("a", "b", now=True), node("b", "a")])
    assert decision(found, "a") == Decision(
        key="a",
        note="cycle A → B → A; broken by what the repositories hold today (seed)",
        cycle=("a", "b"),
    )
    assert decision(found, "b").wait is WaitKind.CYCLE
    assert decision(found, "b").reason == "cycle B → A → B; no repository breaks it here"
    assert decision(found, "b").blockers == ("a",)
    assert [(cycle.members, cycle.closing) for cycle in found.cycles] == [
        (("a", "b"), (("a", "b"),))
    ]
    assert found.waves == (("a", "b"),)


def test_what_needs_a_cycle_waits_for_it_and_what_the_cycle_needs_comes_first():
    found = plan(
        [
            node("a", "b", "root", now=True),
            node("b", "a", now=True),
            node("root"),
            node("leaf", "b"),
        ]
    )
    assert found.waves == (("root",), ("a", "b"), ("leaf",))
    assert decision(found, "a").wait is WaitKind.BLOCKED
    assert decision(found, "a").blockers == ("root",)
    assert decision(found, "b").wait is None
    assert decision(found, "leaf").reason == "waits for B (for b-devel)"


def test_a_source_that_needs_itself_is_a_cycle_of_one():
    found = plan([node("gcc", "gcc")])
    assert found.cycles[0].members == ("gcc",)
    assert decision(found, "gcc").reason.startswith(
        "cycle GCC → GCC; no repository breaks it here, and no spec of it has"
    )


def test_the_way_named_is_a_real_one_however_big_the_cycle():
    keys = [f"n{number:02}" for number in range(12)]
    found = plan([node(key, keys[(number + 1) % 12]) for number, key in enumerate(keys)])
    assert decision(found, "n03").reason.startswith("cycle N03 → N04 → N05 → N06 → N07 → … → N03; ")
    small = plan([node("a", "b"), node("b", "a", "c"), node("c", "b")])
    assert decision(small, "a").reason.startswith(
        "cycle A → B → A (one of 3 sources that need each other); "
    )


def test_two_cycles_are_two():
    found = plan([node("a", "b"), node("b", "a"), node("c", "d", "a"), node("d", "c")])
    assert [cycle.members for cycle in found.cycles] == [("a", "b"), ("c", "d")]
    assert decision(found, "c").wait is WaitKind.BLOCKED


def test_the_order_of_the_facts_does_not_matter():
    nodes = [node("c", "b", "a"), node("b", "a"), node("a", "c"), node("x", "c")]
    assert plan(nodes) == plan(list(reversed(nodes)))


def planned(size: int, knot: int) -> float:
    """CPU seconds for the plan of ``size`` sources, ``knot`` of them in one cycle."""
    nodes = [
        node(
            f"{number:05}", *(f"{(number * 7919 + step) % max(1, number):05}" for step in range(7))
        )
        for number in range(knot, size)
    ]
    nodes += [
        node(f"{number:05}", f"{(number + 1) % knot:05}", f"{(number * 31 + 7) % knot:05}")
        for number in range(knot)
    ]
    gc.disable()  # its walks through all that lives would be counted too
    started = time.process_time()
    found = plan(nodes)
    took = time.process_time() - started
    gc.enable()
    assert len(found.decisions) == size
    assert len(found.cycles[0].members) == knot
    return took


def test_the_cost_of_a_plan_grows_with_the_distribution_and_no_faster():
    # four times the sources; sixteen would be quadratic. The least of three runs in turn: other
    # work on the machine only ever adds
    small, large = zip(
        *((planned(7_500, 1_000), planned(30_000, 4_000)) for _ in range(3)), strict=True
    )
    assert min(large) < 10 * min(small)


@pytest.mark.parametrize(
    ("exclusive", "exclude", "build_arches", "reason"),
    [
        ((), (), (), ""),
        (("x86_64",), (), (), ""),
        (("aarch64",), (), (), ""),
        ((), ("x86_64",), (), ""),
        (
            ("s390x", "ppc64le"),
            (),
            (),
            "ExclusiveArch: s390x ppc64le; the target builds x86_64, aarch64",
        ),
        (
            (),
            ("x86_64", "aarch64"),
            (),
            "ExcludeArch: x86_64 aarch64; the target builds x86_64, aarch64",
        ),
        (
            ("x86_64",),
            ("x86_64",),
            (),
            "ExclusiveArch and ExcludeArch leave nothing of x86_64, aarch64",
        ),
        (("x86_64", "noarch"), (), ("noarch",), ""),
        (
            ("s390x", "noarch"),
            (),
            ("noarch",),
            "ExclusiveArch: s390x noarch; the target builds x86_64, aarch64",
        ),
        (("x86_64",), (), ("noarch",), ""),
        ((), ("noarch",), ("noarch",), ""),
        ((), (), ("i686",), "BuildArch: i686; the target builds x86_64, aarch64"),
    ],
)
def test_arches_exclude_with_a_reason(
    exclusive: tuple[str, ...], exclude: tuple[str, ...], build_arches: tuple[str, ...], reason: str
):
    assert excluded(exclusive, exclude, build_arches, ("x86_64", "aarch64")) == reason
