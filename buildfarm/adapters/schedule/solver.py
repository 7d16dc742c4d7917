"""libsolv: resolve what a build would install, from which repository, and what nothing provides.

It is dnf's solver over the same metadata: weak dependencies are ignored as with
``install_weak_deps=0``, and a repository with a better (lower) dnf priority wins. A buildroot's
base is there first, as in mock: BuildRequires are resolved on top of it and replace an RPM of it
only if nothing else is possible. RPMs that the drop itself will provide are in a repository of
their own, better than the seeds and worse than our generation, so that an SRPM waits for the drop's
new ``-devel`` and not for RPMs that are built already.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import createrepo_c as cr
import solv

from buildfarm.adapters.schedule.modulemd_reader import read_modules
from buildfarm.domain.publish.modules import unknown_streams, visibility
from buildfarm.domain.schedule.plan import BaseResolution, Expected, PinnedRepository, Resolution
from buildfarm.errors import InfraError

_RELATIONS = {
    "<": solv.REL_LT, "<=": solv.REL_LT | solv.REL_EQ, "=": solv.REL_EQ, "==": solv.REL_EQ,
    ">=": solv.REL_GT | solv.REL_EQ, ">": solv.REL_GT,
}  # fmt: skip
_DEPENDENCY = re.compile(r"^(\S+)\s+(<=|>=|==|=|<|>)\s+(\S+)$")
_FILE = re.compile(r"(?:^|(?<=[\s(]))/[^\s()]+")
_AS_DNF_INSTALL = (
    solv.Selection.SELECTION_NAME
    | solv.Selection.SELECTION_PROVIDES
    | solv.Selection.SELECTION_GLOB
    | solv.Selection.SELECTION_CANON
    | solv.Selection.SELECTION_DOTARCH
    | solv.Selection.SELECTION_REL
    | solv.Selection.SELECTION_FILELIST
)
_FLAGS = (
    solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, solv.Solver.SOLVER_FLAG_BEST_OBEY_POLICY,
    solv.Solver.SOLVER_FLAG_YUM_OBSOLETES, solv.Solver.SOLVER_FLAG_ALLOW_VENDORCHANGE,
)  # fmt: skip
_CLASHES = frozenset({
    solv.Solver.SOLVER_RULE_PKG_CONFLICTS, solv.Solver.SOLVER_RULE_PKG_OBSOLETES,
    solv.Solver.SOLVER_RULE_PKG_SAME_NAME,
})  # fmt: skip
_PROGRAMS = ("*bin/*", "/etc/*")
_GLOB = (
    solv.Dataiterator.SEARCH_GLOB
    | solv.Dataiterator.SEARCH_FILES
    | solv.Dataiterator.SEARCH_COMPLETE_FILELIST
)
_THIS = solv.Job.SOLVER_SOLVABLE
_HIDDEN = "hidden"
_EXPECTED = "expected"
_EXPECTED_PRIORITY = -50  # libsolv's order: the higher one wins, so the negative of dnf's
_BUILD = "build"
_KEPT_UNIVERSES = 8
_STALE_RPMS = 1000


class LibsolvSolver:
    """Opens universes and caches the last few, because a generation never changes."""

    def __init__(self) -> None:
        self._open: dict[tuple[object, ...], Universe] = {}

    def open(
        self,
        repositories: Sequence[PinnedRepository],
        arch: str,
        *,
        modules: Sequence[str] = (),
        releasever: str = "",
    ) -> Universe:
        """Return the RPMs of ``repositories`` for one arch, with these module streams enabled.

        :raises InfraError: metadata is missing or unreadable, or no repository has one of the
            streams.
        """
        key = (
            arch,
            tuple(modules),
            releasever,
            *(
                (repo.id, str(repo.folder), repo.priority, _stamp(repo.folder))
                for repo in repositories
            ),
        )
        universe = self._open.pop(key, None) or Universe(
            repositories, arch, modules=modules, releasever=releasever
        )
        self._open[key] = universe  # dictionaries keep order: the most recent is last
        while len(self._open) > _KEPT_UNIVERSES:
            del self._open[next(iter(self._open))]
        return universe


def _stamp(folder: Path) -> str:
    try:
        return hashlib.sha256((folder / "repodata" / "repomd.xml").read_bytes()).hexdigest()
    except OSError as error:
        hint = "is the seed made, does its path fit?"
        raise InfraError(f"repository {folder}: {error.strerror}", hint=hint) from error


@dataclass(slots=True, kw_only=True)
class _Answer:
    """The RPMs that libsolv would install, or the reason it cannot."""

    solvables: list[solv.XSolvable]
    problems: list[str]


class Universe:
    """One libsolv pool: pinned repositories, one of expected RPMs, and one with the build."""

    def __init__(
        self,
        repositories: Sequence[PinnedRepository],
        arch: str,
        *,
        modules: Sequence[str] = (),
        releasever: str = "",
    ) -> None:
        self._pool = solv.Pool()
        self._pool.setdisttype(solv.Pool.DISTTYPE_RPM)
        self._pool.setarch(arch)
        loaded = [_load(self._pool, repository) for repository in repositories]
        self._modules = tuple(sorted(modules))
        self._hidden = _hide_modules(
            self._pool, [file for file in loaded if file], self._modules, releasever
        )
        self._expected = _Expectations(self._pool)
        self._build = self._pool.add_repo(_BUILD).add_solvable()
        self._build.name, self._build.evr, self._build.arch = _BUILD, "0-0", "noarch"
        self._bases: dict[tuple[str, ...], _Answer] = {}
        self._files: set[str] = set()
        _index(self._pool)

    def base(self, packages: Sequence[str]) -> BaseResolution:
        """Resolve the base packages of a buildroot, from the pinned repositories only."""
        answer = self._base(tuple(packages))
        lines = sorted(f"{rpm} {rpm.repo.name} {_checksum(rpm)}" for rpm in answer.solvables)
        streams = [f"module {stream}" for stream in self._modules]
        digest = hashlib.sha256(
            "\n".join([*sorted(set(packages)), "--", *lines, *streams]).encode()
        ).hexdigest()
        return BaseResolution(
            names=frozenset(rpm.name for rpm in answer.solvables),
            key=digest,
            problems=tuple(answer.problems),
            rpms=tuple(sorted(str(rpm) for rpm in answer.solvables)),
        )

    def resolve(
        self, requires: Sequence[str], base: Sequence[str], expected: Sequence[Expected]
    ) -> Resolution:
        """Resolve BuildRequires on top of the base.

        The result names the RPMs of ``expected`` that it needs, or what nothing provides.
        """
        root = self._base(tuple(base))
        if root.problems:
            return Resolution(
                problems=tuple(f"buildroot: {problem}" for problem in root.problems), taken={}
            )
        offered = self._expected.offer(expected)
        wanted = {text: _dependency(self._pool, text) for text in dict.fromkeys(requires)}
        self._build.unset(solv.SOLVABLE_REQUIRES)
        for dependency in wanted.values():
            self._build.add_deparray(solv.SOLVABLE_REQUIRES, dependency)
        self._find_files(wanted)
        jobs = [*self._keep(root), self._pool.Job(_THIS | solv.Job.SOLVER_INSTALL, self._build.id)]
        missing = [
            self._unprovided(text)
            for text, dep in wanted.items()
            if not self._has_provider(text, dep, offered)
        ]
        answer = _Answer(solvables=[], problems=missing) if missing else self._solve(jobs, offered)
        there = {rpm.id for rpm in root.solvables} | {self._build.id}
        chosen = [rpm for rpm in answer.solvables if rpm.id not in there]
        return Resolution(
            problems=tuple(answer.problems),
            taken=self._taken(chosen, wanted),
            chosen=tuple(sorted((str(rpm), rpm.repo.name) for rpm in chosen)),
        )

    def _keep(self, root: _Answer) -> list[solv.Job]:
        """Keep every name of the base provided, and by the base's own RPM if possible."""
        named = solv.Job.SOLVER_SOLVABLE_PROVIDES | solv.Job.SOLVER_INSTALL
        same = _THIS | solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_WEAK
        names = [self._pool.Job(named, rpm.nameid) for rpm in root.solvables]
        return names + [self._pool.Job(same, rpm.id) for rpm in root.solvables]

    def _find_files(self, requires: Iterable[str]) -> None:
        """Index files that are required for the first time: libsolv knows those that RPMs
        require.
        """
        files = {file for text in requires for file in _FILE.findall(text)}
        if not files <= self._files:
            self._files |= files
            _index(self._pool)

    def _base(self, packages: tuple[str, ...]) -> _Answer:
        if packages not in self._bases:
            jobs, unknown = [], []
            for text in packages:
                selection = self._pool.select(text, _AS_DNF_INSTALL)
                if selection.isempty():
                    unknown.append(self._unprovided(text))
                jobs += selection.jobs(solv.Job.SOLVER_INSTALL)
            none: frozenset[int] = frozenset()
            self._bases[packages] = (
                _Answer(solvables=[], problems=unknown) if unknown else self._solve(jobs, none)
            )
        return self._bases[packages]

    def _solve(self, jobs: list[solv.Job], offered: frozenset[int]) -> _Answer:
        if others := self._expected.ids - offered:
            # What is not installed stays uninstalled.
            lock = solv.Job.SOLVER_SOLVABLE_ONE_OF | solv.Job.SOLVER_LOCK
            jobs = [*jobs, self._pool.Job(lock, self._pool.towhatprovides(sorted(others)))]
        solver = self._pool.Solver()
        for flag in _FLAGS:
            solver.set_flag(flag, 1)
        if problems := solver.solve(jobs):
            return _Answer(
                solvables=[], problems=sorted({self._explain(problem) for problem in problems})
            )
        return _Answer(solvables=solver.transaction().newsolvables(), problems=[])

    def _taken(self, chosen: Iterable[solv.XSolvable], wanted: dict[str, int]) -> dict[str, str]:
        direct: dict[str, str] = {}
        through: dict[str, str] = {}
        for rpm in chosen:
            if (build := self._expected.build_of(rpm)) is None:
                continue
            through.setdefault(build, rpm.name)
            for text, dependency in wanted.items():
                if build not in direct and any(
                    rpm.id == one.id for one in self._pool.whatprovides(dependency)
                ):
                    direct[build] = text
        return through | direct

    def _has_provider(self, text: str, dependency: int, offered: frozenset[int]) -> bool:
        """Return False for a plain dependency that nothing provides, so that all of them are
        reported.
        """
        if text.startswith("("):
            return True
        hidden = self._expected.ids - offered
        return any(rpm.id not in hidden for rpm in self._pool.whatprovides(dependency))

    def _explain(self, problem: solv.Problem) -> str:
        """Return one line: the dependency that nothing provides, else the rule in libsolv's own
        words.
        """
        infos = [info for rule in problem.findallproblemrules() for info in rule.allinfos()]
        for info in infos:
            if info.type == solv.Solver.SOLVER_RULE_PKG_NOTHING_PROVIDES_DEP:
                by = "" if info.solvable.id == self._build.id else f", needed by {info.solvable}"
                return f"{self._unprovided(str(info.dep))}{by}"
        clash = next((info for info in infos if info.type in _CLASHES), None)
        why = clash or problem.findproblemrule().info()
        return str(why.problemstr()).replace(f"package {self._build}", "the build")

    def _unprovided(self, text: str) -> str:
        name = text.split(maxsplit=1)[0]
        near = sorted(
            f"{rpm} in {rpm.repo.name}" for rpm in self._pool.whatprovides(self._pool.str2id(name))
        )
        near = near or self._elsewhere(name) or self._alike(name)
        return f"nothing provides {text}" + (f" (nearest: {', '.join(near[:2])})" if near else "")

    def _elsewhere(self, name: str) -> list[str]:
        """Return RPMs that would provide ``name`` for another arch, or in another module stream."""
        return sorted(
            f"{self._hidden[rpm.id]} in {rpm.repo.name}, of a module stream that is not enabled"
            if rpm.id in self._hidden
            else f"{rpm} in {rpm.repo.name}, which is for another arch"
            for rpm in self._pool.solvables
            if rpm.name == name and not rpm.installable()
        )

    def _alike(self, name: str) -> list[str]:
        """Return similar names: a typing error, another case, or a ``-devel`` or ``lib`` more or
        less.
        """
        names = (*self._names, *self._expected.names) if name[0] != "/" else self._programs
        plain = _plain(name)
        same = {one for one in names if _plain(one) == plain and one != name}
        if same:
            return sorted(
                same, key=lambda one: (one.lower() != name.lower(), abs(len(one) - len(name)), one)
            )
        return difflib.get_close_matches(
            name, [one for one in names if one[:1] == name[:1]], n=2, cutoff=0.8
        )

    @cached_property
    def _programs(self) -> list[str]:
        """The files of the pinned repositories in folders of programs or in /etc, for
        suggestions.
        """
        return sorted(
            {
                match.str
                for glob in _PROGRAMS
                for match in self._pool.Dataiterator(solv.SOLVABLE_FILELIST, glob, _GLOB)
            }
        )

    @cached_property
    def _names(self) -> list[str]:
        """The names that the pinned repositories provide, without sonames and files, for
        suggestions.
        """
        names = {
            str(provided).split()[0]
            for rpm in self._pool.solvables
            if rpm.repo.name != _EXPECTED
            for provided in rpm.lookup_deparray(solv.SOLVABLE_PROVIDES)
        }
        return sorted(name for name in names if ".so" not in name and name[0] != "/")


def _plain(name: str) -> str:
    """Return a name without the parts that are easily confused.

    >>> _plain("libFoo-devel") == _plain("foo"), _plain("/usr/sbin/foo") == _plain("/usr/bin/foo")
    (True, True)
    """
    if name.startswith("/"):
        return name.rpartition("/")[2]
    return name.lower().removeprefix("lib").removesuffix("-devel").replace("_", "-")


class _Expectations:
    """The repository of RPMs that do not exist yet.

    It only grows; each resolution is offered some of them and the rest is locked.
    """

    def __init__(self, pool: solv.Pool) -> None:
        self._pool = pool
        self._repo: solv.Repo = pool.add_repo(_EXPECTED)
        self._repo.priority = _EXPECTED_PRIORITY
        self._clear()

    def _clear(self) -> None:
        self._repo.empty(True)  # noqa: FBT003  # libsolv's "reuse ids"
        self._by_value: dict[Expected, int] = {}
        # The values hold the objects, so that their id() is not reused.
        self._by_identity: dict[int, tuple[Expected, int]] = {}
        self._builds: dict[int, str] = {}

    @property
    def ids(self) -> frozenset[int]:
        """All solvables of the repository."""
        return frozenset(self._builds)

    @property
    def names(self) -> frozenset[str]:
        """All names of RPMs."""
        return frozenset(rpm.name for rpm in self._by_value)

    def build_of(self, rpm: solv.XSolvable) -> str | None:
        """Return the build that will make an RPM; ``None`` for an RPM that exists."""
        return self._builds.get(rpm.id)

    def offer(self, expected: Sequence[Expected]) -> frozenset[int]:
        """Return the solvables of these RPMs; new ones are made."""
        if any(id(rpm) not in self._by_identity for rpm in expected):
            if len(self._builds) > len(expected) + _STALE_RPMS:
                self._clear()
            self._add(expected)
        return frozenset(self._by_identity[id(rpm)][1] for rpm in expected)

    def _add(self, expected: Sequence[Expected]) -> None:
        before = len(self._builds)
        for rpm in expected:
            if rpm not in self._by_value:
                self._by_value[rpm] = self._make(rpm)
            self._by_identity[id(rpm)] = (rpm, self._by_value[rpm])
        if len(self._builds) != before:
            _index(self._pool)

    def _make(self, rpm: Expected) -> int:
        solvable = self._repo.add_solvable()
        solvable.name, solvable.evr, solvable.arch = rpm.name, rpm.evr, rpm.arch
        own = self._pool.rel2id(solvable.nameid, solvable.evrid, solv.REL_EQ)
        solvable.add_deparray(solv.SOLVABLE_PROVIDES, own)
        for key, texts in (
            (solv.SOLVABLE_PROVIDES, rpm.provides),
            (solv.SOLVABLE_REQUIRES, rpm.requires),
        ):
            for text in texts:
                solvable.add_deparray(key, _dependency(self._pool, text))
        self._builds[solvable.id] = rpm.build
        return int(solvable.id)


def _load(pool: solv.Pool, repository: PinnedRepository) -> Path | None:
    """Read a repository into the pool; return the path of its modules, if it has any."""
    repo = pool.add_repo(repository.id)
    repo.priority = -repository.priority
    try:
        repomd = cr.Repomd(str(repository.folder / "repodata" / "repomd.xml"))
    except cr.CreaterepoCError as error:
        raise InfraError(
            f"repository {repository.folder}: {error}", hint="make its repodata again"
        ) from error
    for kind, language, flags in (
        ("primary", None, 0),
        ("filelists", "FL", solv.Repo.REPO_EXTEND_SOLVABLES | solv.Repo.REPO_LOCALPOOL),
    ):
        href = next(
            (record.location_href for record in repomd.records if record.type == kind), None
        )
        file = solv.xfopen(str(repository.folder / href)) if href else None
        if file is None or not repo.add_rpmmd(file, language, flags):
            problem = f"{kind} metadata cannot be read {pool.errstr}".strip()
            raise InfraError(
                f"repository {repository.folder}: {problem}", hint="make its repodata again"
            )
        file.close()
    modules = next(
        (record.location_href for record in repomd.records if record.type == "modules"), None
    )
    return repository.folder / modules if modules else None


def _hide_modules(
    pool: solv.Pool, files: Sequence[Path], enabled: Sequence[str], releasever: str
) -> dict[int, str]:
    """Hide the RPMs that dnf would hide; return their real names by id.

    See :mod:`buildfarm.domain.publish.modules`.
    """
    found = read_modules(files)
    if unknown := unknown_streams(found, enabled):
        raise InfraError(
            f"no repository has the module stream {', '.join(unknown)}",
            hint="see `modules` of the target",
        )
    if not found.streams:
        return {}
    seen = visibility(found, enabled, f"el{releasever.partition('.')[0]}")
    hidden: dict[int, str] = {}
    for rpm in pool.solvables:
        nevra = f"{rpm.name}-{rpm.evr if ':' in rpm.evr else f'0:{rpm.evr}'}.{rpm.arch}"
        if nevra in seen.hidden or (nevra not in seen.shown and _names(rpm) & seen.names):
            hidden[rpm.id] = str(rpm)
    for identity in hidden:
        # libsolv ignores an arch that no machine has.
        pool.id2solvable(identity).arch = _HIDDEN
    return hidden


def _names(rpm: solv.XSolvable) -> set[str]:
    return {
        rpm.name,
        *(str(one).split(maxsplit=1)[0] for one in rpm.lookup_deparray(solv.SOLVABLE_PROVIDES)),
    }


def _index(pool: solv.Pool) -> None:
    pool.addfileprovides()
    pool.createwhatprovides()


def _dependency(pool: solv.Pool, text: str) -> int:
    """Return the id of a dependency in rpm's notation, including rich ones."""
    if text.startswith("("):
        rich = pool.parserpmrichdep(text)
        if rich is not None:
            return int(rich.id)
    if match := _DEPENDENCY.match(text):
        name, relation, evr = match.groups()
        return int(pool.rel2id(pool.str2id(name), pool.str2id(evr), _RELATIONS[relation]))
    return int(pool.str2id(text))


def _checksum(rpm: solv.XSolvable) -> str:
    found = rpm.lookup_checksum(solv.SOLVABLE_CHECKSUM)
    return found.hex() if found else ""
