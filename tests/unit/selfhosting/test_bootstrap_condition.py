"""Which condition a spec's text names, and which members of a cycle have to be built under theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.adapters.system import sandbox
from buildfarm.domain.selfhosting.bootstrap_condition import (
    Condition,
    Member,
    Variant,
    WayOut,
    condition_in,
    stuck,
    ways_out,
)

SPECS = {
    "%bcond bootstrap 0": "--with bootstrap",
    "%bcond bootstrap 1\n%if %{with bootstrap}": "",
    "%bcond bootstrap %{undefined rhel}": "--with bootstrap",
    "  %bcond_with bootstrap": "--with bootstrap",
    "%bcond_without bootstrap\n%{?with_bootstrap:BuildRequires: x}": "",
    "%{?_with_bootstrap:BuildRequires: x}": "--with bootstrap",
    "%if 0%{?bootstrap}": "--define 'bootstrap 1'",
    "%if ! 0%{?bootstrap:1}\nBuildRequires: x\n%endif": "--define 'bootstrap 1'",
    "%{!?bootstrap: %global bootstrap 0}\n%if %bootstrap": "--define 'bootstrap 1'",
    "%global bootstrap 0\n%if 0%{?bootstrap}": "",  # the spec's own word is the last
    "%if !%{defined perl_bootstrap}": "--define 'perl_bootstrap 1'",  # as the perl modules of EL 9 have it
    "%if 0%{!?perl_bootstrap:1}": "--define 'perl_bootstrap 1'",
    "%bcond_with bootstrap\n%bcond_with maven_bootstrap": "--with bootstrap",
    "# %bcond_with bootstrap": "",
    "%build\n./bootstrap\nmake bootstrap": "",
    "%changelog\n- add %bcond_with bootstrap": "",
}


@pytest.mark.parametrize("spec", SPECS)
def test_a_condition_is_found_where_a_spec_names_one(spec: str) -> None:
    found = condition_in(spec)
    assert (str(found) if found else "") == SPECS[spec]
    assert found is None or Condition.parse(str(found)) == found


@st.composite
def cycles(draw: st.DrawFn) -> dict[str, Member]:
    keys = [f"s{number}" for number in range(draw(st.integers(1, 6)))]
    some = st.sets(st.sampled_from(keys), max_size=3)
    return {
        key: Member(
            needs=draw(some), free=draw(st.integers(0, 5)) == 0, condition=draw(st.sampled_from(["", "--with bootstrap"])),
            variant=draw(st.none() | st.builds(lambda needs: Variant(needs=dict.fromkeys(needs, "x")), some)),
        )
        for key in keys
    }  # fmt: skip


@given(cycles())
def test_a_way_out_is_taken_by_nobody_who_can_begin_and_by_no_more_than_are_needed(
    cycle: dict[str, Member],
) -> None:
    ways = ways_out(cycle)
    assert set(ways) <= {key for key in stuck(cycle) if cycle[key].condition}
    asked = {key for key, way in ways.items() if way is WayOut.ASK}
    assert all(cycle[key].variant is None for key in asked)
    begun = set(ways) - asked
    assert not (asked and begun)
    if begun:
        left = stuck(cycle, begun)
        assert left < stuck(cycle)
        assert all(len(stuck(cycle, begun - {key})) > len(left) for key in begun)


@given(cycles())
def test_who_is_not_stuck_can_be_put_into_an_order(cycle: dict[str, Member]) -> None:
    able = cycle.keys() - stuck(cycle)
    done: set[str] = set()
    for _ in able:
        done |= {
            key for key in able if cycle[key].free or not (cycle[key].needs & cycle.keys()) - done
        }
    assert done == able


@pytest.mark.corpus
def test_a_real_compilers_condition_takes_it_off_itself() -> None:
    """CentOS Stream 10's golang; what it requires either way is rpm's own word, asked in the
    sandbox.
    """
    (file,) = [
        path.resolve() for path in Path(os.environ["BUILDFARM_CORPUS"]).rglob("golang-a10s.spec")
    ]
    found = condition_in(file.read_text())
    assert str(found) == "--with bootstrap"
    ask = ["rpmspec", "-q", "--buildrequires", file]
    plain = sandbox.run(ask, read_only=[file]).text.split("\n")
    under = sandbox.run([*ask, *str(found).split()], read_only=[file]).text.split("\n")
    assert any(line.startswith("golang ") for line in plain)
    assert not any(line.startswith("golang ") for line in under)
    assert any(line.startswith("gcc-go ") for line in under)
