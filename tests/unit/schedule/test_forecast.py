"""A forecast is the dispatcher's own doing: what it says of order, ends and bounds follows from the
graph.
"""

from hypothesis import given
from hypothesis import strategies as st

from buildfarm.domain.schedule.forecast import forecast, seconds_of

KEYS = [f"b{number}" for number in range(10)]


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict[str, list[str]], dict[str, float]]:
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True))
    needs = {key: draw(st.lists(st.sampled_from(keys), unique=True, max_size=3)) for key in keys}
    return needs, {key: float(draw(st.integers(1, 90))) for key in keys}


@given(plans(), st.integers(0, 4))
def test_every_build_is_foretold_once_after_what_it_needs_unless_they_go_in_a_circle(
    given_, workers
):
    needs, costs = given_
    found = forecast(needs, costs, {key: key.upper() for key in needs}, workers=workers)
    assert sorted(step.build for step in found.steps) == sorted(needs)
    assert [step.start for step in found.steps] == sorted(step.start for step in found.steps)
    ends = {step.build: step.end for step in found.steps}
    members_of_cycle = {
        key: place for place, cycle in enumerate(found.unscheduled_cycles) for key in cycle
    }
    for step in found.steps:
        assert step.end == step.start + costs[step.build]
        assert step.remaining_path >= step.cost
        for needed in step.needs:
            inside = (
                step.build in members_of_cycle
                and members_of_cycle.get(needed) == members_of_cycle[step.build]
            )
            assert inside or ends[needed] <= step.start
    assert found.makespan == max(ends.values(), default=0.0)
    assert found.bound <= found.makespan or not found.steps


@given(plans())
def test_the_longest_way_is_marked_and_nothing_is_faster_than_it(given_):
    needs, costs = given_
    found = forecast(needs, costs, {key: key for key in needs}, workers=100)
    critical = [step for step in found.steps if step.critical]
    assert sum(step.cost for step in critical) == found.critical_path
    assert found.makespan == found.critical_path


def test_what_was_built_before_is_believed_over_a_guess_and_the_newest_five_count():
    assert seconds_of([10, 20, 30, 40, 50, 9_000, 9_000], 1 << 30) == 30
    assert seconds_of([0.2], 0) == 1.0
    assert seconds_of([], 10 << 20) > seconds_of([], 1 << 20) > 0
