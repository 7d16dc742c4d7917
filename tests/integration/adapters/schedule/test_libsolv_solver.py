"""Our questions to libsolv, with dnf's answers over the same repositories as the oracle."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from buildfarm.adapters.publish.repository_writer import RepositoryWriter
from buildfarm.adapters.schedule.solver import LibsolvSolver, Universe
from buildfarm.domain.schedule.plan import Expected, PinnedRepository
from buildfarm.errors import InfraError
from tests.integration.adapters.conftest import Dnf, Rpm, spec

BASE = ("shell", "tool")
SPECS = {
    "shell": spec("shell", "Provides: sh = 5", "Requires: libbase", files=("/usr/bin/shell",)),
    "libbase": spec("libbase", "Recommends: weak"),
    "tool": spec("tool", "Requires: /usr/bin/shell", files=("/opt/tool/bin/tool",)),
    "weak": spec("weak"),
    "zlib-devel": spec("zlib-devel", "Requires: zlib = 1.0", "Provides: pkgconfig(zlib) = 1.0"),
    "zlib": spec("zlib"),
    "hungry": spec("hungry", "Requires: nowhere >= 3"),
    "fighter": spec("fighter", "Conflicts: zlib"),
    "gcc": spec("gcc", "Provides: cc"),
    "clang": spec("clang", "Provides: cc"),
}
REQUIREMENTS = [
    ["zlib-devel"],
    ["zlib-devel >= 1.0", "sh >= 5"],
    ["zlib-devel >= 2"],
    ["zlib-devel < 2", "zlib-devel >= 1"],
    ["pkgconfig(zlib)"],
    ["pkgconfig(zlib) >= 1.0"],
    ["pkgconfig(zlib) > 1.0"],
    ["/opt/tool/bin/tool"],
    ["/opt/no/such/file"],
    ["hungry"],
    ["fighter", "zlib"],
    ["fighter", "zlib-devel"],
    ["cc"],
    ["(gcc or clang)"],
    ["(nowhere or clang)"],
    ["(nowhere or elsewhere)"],
    ["(zlib if shell)"],
    ["(nowhere if shell)"],
    ["(nowhere if elsewhere)"],
    ["(/opt/tool/bin/tool or nowhere)"],
    ["(zlib-devel >= 1 with pkgconfig(zlib))"],
    ["(zlib-devel with cc)"],
    ["(fighter and zlib)"],
    ["nowhere"],
]


@pytest.fixture(scope="session")
def rpms(make_rpm: Callable[[str], Path]) -> dict[str, Path]:
    return {name: make_rpm(text) for name, text in SPECS.items()}


@pytest.fixture(scope="session")
def seed(rpms: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> PinnedRepository:
    folder = tmp_path_factory.mktemp("seed")
    RepositoryWriter(folder / "cache", folder / ".pool").write(
        folder / "repo", [Rpm.of(rpm) for rpm in rpms.values()]
    )
    return PinnedRepository(id="seed", folder=folder / "repo", priority=90)


@pytest.fixture
def universe(seed: PinnedRepository) -> Universe:
    return LibsolvSolver().open([seed], "x86_64")


@pytest.fixture(scope="session")
def new_zlib(
    make_rpm: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> PinnedRepository:
    """Our own generation: a zlib that is newer than the seed's, in a repository that dnf prefers."""
    folder = tmp_path_factory.mktemp("own")
    made = [make_rpm(SPECS[name].replace("1.0", "0.9")) for name in ("zlib", "zlib-devel")]
    RepositoryWriter(folder / "cache", folder / ".pool").write(
        folder / "repo", [Rpm.of(rpm) for rpm in made]
    )
    return PinnedRepository(id="own", folder=folder / "repo", priority=10)


def coming(
    build: str, name: str, *provides: str, evr: str = "2.0-1", requires: tuple[str, ...] = ()
) -> Expected:
    return Expected(
        build=build, name=name, evr=evr, arch="noarch", provides=provides, requires=requires
    )


DROP = (
    coming("b-zlib", "zlib"),
    coming("b-zlib", "zlib-devel", "pkgconfig(zlib) = 2.0", requires=("zlib = 2.0-1",)),
    coming("b-png", "libpng-devel", requires=("zlib-devel >= 2",)),
    coming("b-shell", "shell", "sh = 6", "/usr/bin/shell", evr="6-1", requires=("libbase",)),
)


@pytest.fixture(scope="session")
def askers(
    make_rpms: Callable[[str], list[Path]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A repository with an RPM ``ask-<n>`` that requires what the n-th question does: dnf takes no
    rich arguments.
    """
    subs = "".join(
        f"%package -n ask-{number}\nSummary: Ask\nRequires: {', '.join(requires)}\n"
        f"%description -n ask-{number}\nAsk.\n%files -n ask-{number}\n"
        for number, requires in enumerate(REQUIREMENTS)
    )
    folder = tmp_path_factory.mktemp("ask")
    rpms = [rpm for rpm in make_rpms(spec("ask", more=subs)) if not rpm.name.endswith(".src.rpm")]
    RepositoryWriter(folder / "cache", folder / ".pool").write(
        folder / "repo", [Rpm.of(rpm) for rpm in rpms]
    )
    return folder / "repo"


@pytest.mark.parametrize(
    "number", range(len(REQUIREMENTS)), ids=[", ".join(one) for one in REQUIREMENTS]
)
def test_what_dnf_can_install_is_resolved_and_what_it_cannot_is_not(
    universe: Universe, seed: PinnedRepository, askers: Path, dnf: Dnf, number: int
):
    repositories = {"seed": (seed.folder, 90), "ask": (askers, 90)}
    done = dnf(repositories, "install", "--downloadonly", *BASE, f"ask-{number}")
    possible = done.returncode == 0
    assert possible or "nothing provides" in done.stderr or "conflict" in done.stderr, done.stderr
    answer = universe.resolve(REQUIREMENTS[number], BASE, ())
    assert (not answer.problems) == possible, f"{answer.problems} against dnf's {done.stderr}"
    assert all("\n" not in problem for problem in answer.problems)


def test_the_base_is_what_dnf_would_install(universe: Universe, seed: PinnedRepository, dnf: Dnf):
    base = universe.base(BASE)
    done = dnf({"seed": (seed.folder, 90)}, "install", "--assumeno", *BASE)
    installed = {line.split()[0] for line in done.stdout.splitlines() if " noarch " in line}
    assert base.names == installed == {"shell", "libbase", "tool"}
    assert base.rpms == ("libbase-1.0-1.noarch", "shell-1.0-1.noarch", "tool-1.0-1.noarch")
    assert base.problems == ()


def test_the_bases_key_follows_the_list_and_the_repositories_that_matter(
    universe: Universe, seed: PinnedRepository, new_zlib: PinnedRepository
):
    key = universe.base(BASE).key
    assert universe.base(tuple(reversed(BASE))).key == key
    assert LibsolvSolver().open([new_zlib, seed], "x86_64").base(BASE).key == key
    assert universe.base(("shell",)).key != key


def test_the_bases_key_follows_the_content_of_its_rpms(
    universe: Universe, rpms: dict[str, Path], make_rpm: Callable[[str], Path], tmp_path: Path
):
    changed = make_rpm(SPECS["libbase"] + "\n%changelog\n")
    others = [rpm for name, rpm in rpms.items() if name != "libbase"]
    RepositoryWriter(tmp_path / "cache", tmp_path / ".pool").write(
        tmp_path / "repo", [Rpm.of(rpm) for rpm in [*others, changed]]
    )
    same_nevra = PinnedRepository(id="seed", folder=tmp_path / "repo", priority=90)
    assert LibsolvSolver().open([same_nevra], "x86_64").base(BASE).key != universe.base(BASE).key


def test_a_base_that_cannot_be_made_says_why(universe: Universe):
    assert universe.base(("shell", "tol")).problems == ("nothing provides tol (nearest: tool)",)
    answer = universe.resolve([], ("shell", "tol"), ())
    assert answer.problems == ("buildroot: nothing provides tol (nearest: tool)",)
    assert universe.base(("hungry",)).problems == (
        "nothing provides nowhere >= 3, needed by hungry-1.0-1.noarch",
    )


def test_every_missing_dependency_is_named_with_what_is_near(universe: Universe):
    answer = universe.resolve(["zlib-devel >= 2", "pkgconfig(zlbi)", "nowhere", "gcc"], BASE, ())
    assert answer.problems == (
        "nothing provides zlib-devel >= 2 (nearest: zlib-devel-1.0-1.noarch in seed)",
        "nothing provides pkgconfig(zlbi) (nearest: pkgconfig(zlib))",
        "nothing provides nowhere",
    )


def test_what_is_near_is_what_somebody_may_have_meant(universe: Universe):
    said = {
        "Zlib-devel": "zlib-devel", "libgcc-devel": "gcc", "/usr/sbin/shell": "/usr/bin/shell", "/usr/bin/shel": "/usr/bin/shell",
        "zlib-devle": "zlib-devel",
    }  # fmt: skip
    for asked, meant in said.items():
        (problem,) = universe.resolve([asked], BASE, ()).problems
        assert problem.startswith(f"nothing provides {asked} (nearest: {meant}"), problem


def test_an_rpm_of_another_arch_is_named_as_such(make_rpm: Callable[[str], Path], tmp_path: Path):
    other = make_rpm(SPECS["zlib"].replace("zlib", "firmware").replace("BuildArch: noarch\n", ""))
    RepositoryWriter(tmp_path / "cache", tmp_path / ".pool").write(
        tmp_path / "repo", [Rpm.of(other)]
    )
    universe = LibsolvSolver().open(
        [PinnedRepository(id="seed", folder=tmp_path / "repo", priority=90)], "aarch64"
    )
    (problem,) = universe.resolve(["firmware"], (), ()).problems
    assert problem == (
        "nothing provides firmware (nearest: firmware-1.0-1.x86_64 in seed, which is for another arch)"
    )


def test_a_file_that_only_the_drop_makes_is_waited_for(universe: Universe):
    drop = [
        coming("b-awk", "mawk", "/usr/bin/awk")
    ]  # as the plan gives an RPM's files: beside its Provides
    assert universe.resolve(["/usr/bin/awk"], BASE, drop).taken == {"b-awk": "/usr/bin/awk"}
    assert universe.resolve(["(/usr/bin/awk or nowhere)"], BASE, drop).taken == {
        "b-awk": "(/usr/bin/awk or nowhere)"
    }


def test_a_dependency_of_a_dependency_is_named_with_who_needs_it(universe: Universe):
    assert universe.resolve(["hungry"], BASE, ()).problems == (
        "nothing provides nowhere >= 3, needed by hungry-1.0-1.noarch",
    )


def test_a_conflict_names_both(universe: Universe):
    (problem,) = universe.resolve(["fighter", "zlib"], BASE, ()).problems
    assert (
        problem == "package fighter-1.0-1.noarch conflicts with zlib provided by zlib-1.0-1.noarch"
    )


def test_weak_dependencies_are_not_followed(universe: Universe):
    assert "weak" not in universe.base(BASE).names


def test_the_drops_version_is_waited_for_rather_than_taking_the_seeds(universe: Universe):
    answer = universe.resolve(["zlib-devel"], BASE, DROP)
    assert answer.taken == {"b-zlib": "zlib-devel"}
    assert answer.chosen == (
        ("zlib-2.0-1.noarch", "expected"),
        ("zlib-devel-2.0-1.noarch", "expected"),
    )


def test_our_own_generation_is_preferred_to_what_is_expected(
    new_zlib: PinnedRepository, seed: PinnedRepository
):
    universe = LibsolvSolver().open([seed, new_zlib], "x86_64")
    answer = universe.resolve(["zlib-devel"], BASE, DROP)
    assert answer.taken == {}
    assert answer.chosen == (("zlib-0.9-1.noarch", "own"), ("zlib-devel-0.9-1.noarch", "own"))
    assert universe.resolve(["zlib-devel >= 2"], BASE, DROP).taken == {"b-zlib": "zlib-devel >= 2"}


def test_a_chain_through_the_drop_takes_from_every_link(universe: Universe):
    answer = universe.resolve(["libpng-devel"], BASE, DROP)
    assert answer.taken == {"b-png": "libpng-devel", "b-zlib": "zlib-devel"} | {
        "b-zlib": answer.taken["b-zlib"]
    }
    assert answer.taken["b-zlib"] in ("zlib", "zlib-devel")


def test_what_is_not_offered_is_not_taken_and_not_near_enough_to_satisfy(universe: Universe):
    universe.resolve(["libpng-devel"], BASE, DROP)
    answer = universe.resolve(["libpng-devel"], BASE, DROP[:2])
    assert answer.taken == {}
    assert answer.problems[0].startswith("nothing provides libpng-devel")
    without_zlib = universe.resolve(["libpng-devel"], BASE, DROP[2:])
    assert without_zlib.problems
    assert universe.resolve(["zlib-devel"], BASE, ()).chosen == (
        ("zlib-1.0-1.noarch", "seed"),
        ("zlib-devel-1.0-1.noarch", "seed"),
    )


def test_the_base_is_not_replaced_by_the_drops_version(universe: Universe):
    assert universe.resolve(["shell", "sh"], BASE, DROP).taken == {}


def test_the_base_is_replaced_where_nothing_else_will_do(universe: Universe):
    assert universe.resolve(["sh >= 6"], BASE, DROP).taken == {"b-shell": "sh >= 6"}


def test_asking_changes_no_later_answer(universe: Universe):
    first = universe.resolve(["zlib-devel", "cc"], BASE, ())
    key = universe.base(BASE).key
    universe.resolve(["libpng-devel", "/opt/tool/bin/tool"], BASE, DROP)
    universe.resolve(["nowhere"], BASE, DROP)
    assert universe.resolve(["zlib-devel", "cc"], BASE, ()) == first
    assert universe.base(BASE).key == key


def test_many_rounds_of_planning_do_not_pile_up(universe: Universe):
    for number in range(30):
        drop = [coming("b", f"new{number}-{which}") for which in range(100)]
        assert universe.resolve([f"new{number}-7"], BASE, drop).taken == {"b": f"new{number}-7"}
    assert len(universe._expected.ids) <= 1300


def test_a_repository_is_read_again_only_when_it_changed(
    seed: PinnedRepository, rpms: dict[str, Path], tmp_path: Path
):
    writer = RepositoryWriter(tmp_path / "cache", tmp_path / ".pool")
    writer.write(tmp_path / "1", [Rpm.of(rpms["shell"])])
    link = tmp_path / "current"
    link.symlink_to("1")
    solver = LibsolvSolver()
    pinned = PinnedRepository(id="own", folder=link, priority=10)
    first = solver.open([pinned, seed], "x86_64")
    assert solver.open([pinned, seed], "x86_64") is first
    writer.write(tmp_path / "2", [Rpm.of(rpms["zlib"])])
    link.unlink()
    link.symlink_to("2")
    assert solver.open([pinned, seed], "x86_64") is not first


def test_a_repository_that_cannot_be_read_is_named(tmp_path: Path, rpms: dict[str, Path]):
    with pytest.raises(InfraError, match="absent"):
        LibsolvSolver().open(
            [PinnedRepository(id="x", folder=tmp_path / "absent", priority=1)], "x86_64"
        )
    RepositoryWriter(tmp_path / "cache", tmp_path / ".pool").write(
        tmp_path / "torn", [Rpm.of(rpms["shell"])]
    )
    pinned = PinnedRepository(id="x", folder=tmp_path / "torn", priority=1)
    for file in (tmp_path / "torn" / "repodata").glob("*-primary.xml.gz"):
        file.unlink()
    with pytest.raises(InfraError, match="primary"):
        LibsolvSolver().open([pinned], "x86_64")
    (tmp_path / "torn" / "repodata" / "repomd.xml").write_text("<nonsense")
    with pytest.raises(InfraError, match="torn"):
        LibsolvSolver().open([pinned], "x86_64")


def test_another_arch_is_not_installed(universe: Universe):
    foreign = Expected(build="b", name="foreign", evr="1-1", arch="s390x")
    assert universe.resolve(["foreign"], BASE, [foreign]).problems


def test_requirements_of_a_real_srpm_are_understood(
    universe: Universe, make_rpms: Callable[[str], list[Path]]
):
    text = spec(
        "needy", "BuildRequires: zlib-devel >= 1.0, (gcc or clang), /usr/bin/shell, (zlib if shell)"
    )
    srpm = make_rpms(text)[0]
    argv = ["rpm", "-qp", "--nosignature", "--requires", srpm]
    requires = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    answer = universe.resolve(
        [line for line in requires if not line.startswith("rpmlib(")], BASE, ()
    )
    assert answer.problems == ()
    assert {name for name, _ in answer.chosen} >= {"zlib-1.0-1.noarch", "zlib-devel-1.0-1.noarch"}
