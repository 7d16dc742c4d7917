"""libsolv: what a build would install, from which repository; and what nothing provides.

The same solver dnf uses, over the same metadata: weak dependencies ignored as with ``install_weak_deps=0``, a repository
with a better (lower) dnf priority wins. RPMs that the drop itself will provide stand in a repository of their own,
between our generation and the seeds, except for names the base already installs: the base is not waited for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import createrepo_c as cr
import solv

from buildfarm.errors import InfraError
from buildfarm.services.planning import BaseResolution, Expected, PinnedRepository, Resolution

_RELATIONS = {
    "<": solv.REL_LT, "<=": solv.REL_LT | solv.REL_EQ, "=": solv.REL_EQ, "==": solv.REL_EQ,
    ">=": solv.REL_GT | solv.REL_EQ, ">": solv.REL_GT,
}  # fmt: skip
_DEPENDENCY = re.compile(r"^(\S+)\s+(<=|>=|==|=|<|>)\s+(\S+)$")
_EXPECTED = "expected"
_EXPECTED_PRIORITY = -50
_KEPT_UNIVERSES = 8


class LibsolvSolver:
    """Opens universes and keeps the last few: a generation never changes."""

    def __init__(self) -> None:
        self._open: dict[tuple[object, ...], Universe] = {}

    def open(self, repositories: Sequence[PinnedRepository], arch: str) -> Universe:
        """The RPMs of ``repositories`` for one arch. :raises InfraError: metadata is missing or unreadable."""
        key = (arch, *((repo.id, str(repo.folder), repo.priority, _stamp(repo.folder)) for repo in repositories))
        if key not in self._open:
            while len(self._open) >= _KEPT_UNIVERSES:
                self._open.pop(next(iter(self._open)))
            self._open[key] = Universe(repositories, arch)
        return self._open[key]


def _stamp(folder: Path) -> str:
    try:
        return hashlib.sha256((folder / "repodata" / "repomd.xml").read_bytes()).hexdigest()
    except OSError as error:
        raise InfraError(f"repository {folder}: {error.strerror}", hint="is the seed made, does its path fit?") from error


@dataclass(slots=True)
class _Chosen:
    solvables: list[solv.Solvable]
    problems: list[str]


class Universe:
    """One pool: pinned repositories, and an ``expected`` repository that each question fills anew."""

    def __init__(self, repositories: Sequence[PinnedRepository], arch: str) -> None:
        self._pool = solv.Pool()
        self._pool.setdisttype(solv.Pool.DISTTYPE_RPM)
        self._pool.setarch(arch)
        for repository in repositories:
            self._load(repository)
        self._expected: solv.Repo = self._pool.add_repo(_EXPECTED)
        self._expected.priority = _EXPECTED_PRIORITY
        self._asked: tuple[Expected, ...] | None = None
        self._owner: dict[int, Expected] = {}
        self._pool.addfileprovides()
        self._pool.createwhatprovides()

    def _load(self, repository: PinnedRepository) -> None:
        repo = self._pool.add_repo(repository.id)
        repo.priority = -repository.priority
        repomd = cr.Repomd(str(repository.folder / "repodata" / "repomd.xml"))
        for kind, language, flags in (
            ("primary", None, 0),
            ("filelists", "FL", solv.Repo.REPO_EXTEND_SOLVABLES | solv.Repo.REPO_LOCALPOOL),
        ):
            record = repomd[kind]
            file = solv.xfopen(str(repository.folder / record.location_href))
            if file is None or not repo.add_rpmmd(file, language, flags):
                raise InfraError(f"repository {repository.folder}: {kind} metadata cannot be read")

    def base(self, packages: Sequence[str]) -> BaseResolution:
        """What the base packages of a buildroot resolve to, from the pinned repositories alone."""
        self._expect(())
        chosen = self._solve(packages)
        lines = sorted(
            f"{s} {s.repo.name} {s.lookup_checksum(solv.SOLVABLE_CHECKSUM) or ''}" for s in chosen.solvables
        )
        digest = hashlib.sha256("\n".join([*sorted(packages), "--", *lines]).encode()).hexdigest()
        return BaseResolution(
            names=frozenset(s.name for s in chosen.solvables), key=digest, problems=tuple(chosen.problems)
        )

    def resolve(self, requires: Sequence[str], base: Sequence[str], expected: Sequence[Expected]) -> Resolution:
        """Base packages and BuildRequires together: what would come out of ``expected``, or what nothing provides."""
        self._expect(tuple(expected))
        chosen = self._solve([*base, *requires])
        taken: dict[str, str] = {}
        for solvable in chosen.solvables:
            if solvable.repo.name == _EXPECTED:
                taken.setdefault(self._owner[solvable.id].build, solvable.name)
        return Resolution(problems=tuple(chosen.problems), taken=taken)

    def _expect(self, expected: tuple[Expected, ...]) -> None:
        if expected == self._asked:
            return
        self._expected.empty(True)
        self._owner.clear()
        for rpm in expected:
            solvable = self._expected.add_solvable()
            solvable.name, solvable.evr, solvable.arch = rpm.name, rpm.evr, rpm.arch
            own = self._pool.rel2id(solvable.nameid, solvable.evrid, solv.REL_EQ)
            solvable.add_deparray(solv.SOLVABLE_PROVIDES, own)
            for key, dependencies in ((solv.SOLVABLE_PROVIDES, rpm.provides), (solv.SOLVABLE_REQUIRES, rpm.requires)):
                for dependency in dependencies:
                    solvable.add_deparray(key, self._dependency(dependency))
            self._owner[solvable.id] = rpm
        self._asked = expected
        self._pool.addfileprovides()
        self._pool.createwhatprovides()

    def _dependency(self, text: str) -> int:
        if text.startswith("("):
            rich = self._pool.parserpmrichdep(text)
            if rich is not None:
                return int(rich.id)
        if match := _DEPENDENCY.match(text):
            name, relation, evr = match.groups()
            return int(self._pool.rel2id(self._pool.str2id(name), self._pool.str2id(evr), _RELATIONS[relation]))
        return int(self._pool.str2id(text))

    def _solve(self, wanted: Sequence[str]) -> _Chosen:
        jobs = [
            self._pool.Job(solv.Job.SOLVER_SOLVABLE_PROVIDES | solv.Job.SOLVER_INSTALL, self._dependency(text))
            for text in dict.fromkeys(wanted)
        ]
        solver = self._pool.Solver()
        solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
        problems = solver.solve(jobs)
        if problems:
            return _Chosen(solvables=[], problems=sorted({self._explain(problem) for problem in problems}))
        return _Chosen(solvables=solver.transaction().newsolvables(), problems=[])

    @staticmethod
    def _explain(problem: solv.Problem) -> str:
        """The rule that makes it impossible, in libsolv's own words."""
        return str(problem.findproblemrule().info().problemstr())
