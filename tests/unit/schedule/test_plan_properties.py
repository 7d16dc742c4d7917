"""What holds for every graph of needs."""

import graphlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from buildfarm.domain.core.build import WaitKind
from buildfarm.domain.schedule.graph import strongly_connected
from buildfarm.domain.schedule.plan import Node, Plan, plan

KEYS = [f"s{number}" for number in range(12)]


@st.composite
def drops(draw: st.DrawFn) -> list[Node]:
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True))
    return [
        Node(
            key=key,
            name=key.upper(),
            needs=dict.fromkeys(
                draw(st.lists(st.sampled_from([*KEYS, "finished"]), unique=True, max_size=4)), "x"
            ),
            broken=draw(st.sampled_from([{}, {}, {}, {"y from z": "failed"}])),
            problem=draw(st.sampled_from(["", "", "", "nothing provides q"])),
            resolves_now=draw(st.booleans()),
        )
        for key in keys
    ]


def edges(nodes: list[Node]) -> dict[str, set[str]]:
    present = {node.key for node in nodes}
    return {node.key: set(node.needs) & present for node in nodes}


def cycle_of(found: Plan) -> dict[str, tuple[str, ...]]:
    return {key: cycle.members for cycle in found.cycles for key in cycle.members}


@given(drops())
def test_every_source_has_one_decision_and_stands_in_one_wave(nodes: list[Node]):
    found = plan(nodes)
    keys = sorted(node.key for node in nodes)
    assert [decision.key for decision in found.decisions] == keys
    assert sorted(key for wave in found.waves for key in wave) == keys
    assert all(found.waves)


@given(drops())
def test_needs_point_to_earlier_waves_or_into_the_own_cycle(nodes: list[Node]):
    found = plan(nodes)
    wave = {key: number for number, keys in enumerate(found.waves) for key in keys}
    cycles = cycle_of(found)
    for key, needed in (
        (key, needed) for key, all_needed in edges(nodes).items() for needed in all_needed
    ):
        assert wave[needed] < wave[key] or needed in cycles.get(key, ())


@given(drops())
def test_a_source_of_a_later_wave_has_a_reason_to_be_there(nodes: list[Node]):
    found = plan(nodes)
    cycles = cycle_of(found)
    needs = edges(nodes)
    for earlier, later in pairwise(found.waves):
        for key in later:
            members = cycles.get(key, (key,))
            assert any(needs[member] & set(earlier) - set(members) for member in members)


@given(drops())
def test_waiting_has_a_reason_of_one_line_and_ready_has_none(nodes: list[Node]):
    for decision in plan(nodes).decisions:
        assert bool(decision.reason) == (decision.wait is not None)
        assert "\n" not in decision.reason + decision.note


@given(drops())
def test_ready_is_what_needs_nothing_that_is_still_to_come_but_what_breaks_its_cycle(
    nodes: list[Node],
):
    found = plan(nodes)
    by_key, needs, cycles = {node.key: node for node in nodes}, edges(nodes), cycle_of(found)
    for decision in found.decisions:
        node = by_key[decision.key]
        inside = set(cycles.get(node.key, ()))
        fit = not node.problem and not node.broken and not needs[node.key] - inside
        assert (decision.wait is None) == (fit and (not inside or node.resolves_now))
        assert (decision.wait is WaitKind.CYCLE) == (fit and bool(inside) and not node.resolves_now)
        assert set(decision.blockers) <= needs[node.key]


@given(drops())
def test_without_the_closing_needs_no_cycle_is_left(nodes: list[Node]):
    closing = {edge for cycle in plan(nodes).cycles for edge in cycle.closing}
    left = {
        key: {one for one in needed if (key, one) not in closing}
        for key, needed in edges(nodes).items()
    }
    list(graphlib.TopologicalSorter(left).static_order())
    assert all(needed in edges(nodes)[key] for key, needed in closing)


@given(drops())
def test_cycles_are_the_graphs_and_no_others(nodes: list[Node]):
    needs = edges(nodes)

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        queue = [start]
        while queue:
            for following in needs[queue.pop()] - seen:
                seen.add(following)
                queue.append(following)
        return seen

    reached = {key: reach(key) for key in needs}
    expected = {
        tuple(sorted(other for other in needs if other in reached[key] and key in reached[other]))
        for key in needs
        if key in reached[key]
    }
    assert {cycle.members for cycle in plan(nodes).cycles} == expected


@given(drops())
def test_the_ring_named_in_a_reason_is_there(nodes: list[Node]):
    needs = edges(nodes)
    for decision in plan(nodes).decisions:
        text = decision.note or decision.reason
        if text.startswith("cycle ") and "…" not in text:
            names = text.removeprefix("cycle ").split(";")[0].split(" (")[0].lower().split(" → ")
            assert names[0] == names[-1] == decision.key
            assert all(following in needs[name] for name, following in pairwise(names))


@given(drops(), st.randoms())
def test_the_order_of_the_facts_does_not_matter(nodes: list[Node], random: object):
    shuffled = sorted(nodes, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert plan(shuffled) == plan(nodes)


@given(drops())
def test_components_come_after_what_they_need(nodes: list[Node]):
    needs = {key: sorted(needed) for key, needed in edges(nodes).items()}
    seen: set[str] = set()
    for group in strongly_connected(needs):
        assert all(needed in seen or needed in group for key in group for needed in needs[key])
        seen.update(group)
    assert seen == set(needs)


@given(drops())
def test_building_what_is_ready_again_and_again_ends_with_everything_built_or_a_reason(
    nodes: list[Node],
):
    left = {node.key: node for node in nodes}
    for _ in range(len(nodes) + 1):
        ready = [
            decision.key
            for decision in plan(list(left.values())).decisions
            if decision.wait is None
        ]
        if not ready:
            break
        for key in ready:
            del left[key]
    last = plan(list(left.values()))
    assert all(decision.wait is not None for decision in last.decisions)
    if last.decisions and not any(node.problem or node.broken for node in nodes):
        assert any(decision.wait is WaitKind.CYCLE for decision in last.decisions)
