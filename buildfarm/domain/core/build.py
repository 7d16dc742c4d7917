"""Builds: an SRPM on its way through the pipeline for one target.

Owns the states, their order, and the reasons why a build waits or failed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime

from buildfarm.domain.core.nevra import EVR, NEVRA
from buildfarm.errors import IllegalTransition


class BuildState(enum.StrEnum):
    """State of a build. ``refused``: compared, and the gate keeps it from users.

    ``waiting``, ``on_hold``, ``failed`` and ``excluded`` always carry a reason.
    """

    INGESTED = "ingested"
    DEBRANDED = "debranded"
    WAITING = "waiting"
    QUEUED = "queued"
    BUILDING = "building"
    BUILT = "built"
    COMPARING = "comparing"
    COMPARED = "compared"
    REFUSED = "refused"
    PUBLISHED = "published"
    ON_HOLD = "on_hold"
    FAILED = "failed"
    CANCELED = "canceled"
    EXCLUDED = "excluded"


_S = BuildState
_STOP = frozenset({_S.ON_HOLD, _S.FAILED, _S.CANCELED})
_FOLLOWS: dict[BuildState, frozenset[BuildState]] = {
    _S.INGESTED: frozenset({_S.DEBRANDED, _S.EXCLUDED}) | _STOP,
    _S.DEBRANDED: frozenset({_S.WAITING, _S.EXCLUDED}) | _STOP,
    _S.WAITING: frozenset({_S.QUEUED, _S.EXCLUDED}) | _STOP,
    _S.QUEUED: frozenset({_S.BUILDING, _S.WAITING}) | _STOP,
    _S.BUILDING: frozenset({_S.BUILT, _S.QUEUED, _S.WAITING})
    | _STOP,  # waiting: it asked for more than its header names
    _S.BUILT: frozenset({_S.COMPARING}) | _STOP,
    _S.COMPARING: frozenset({_S.COMPARED, _S.REFUSED, _S.BUILT}) | _STOP,
    _S.COMPARED: frozenset({_S.PUBLISHED, _S.REFUSED, _S.BUILT}) | _STOP,
    _S.REFUSED: frozenset({_S.COMPARED, _S.PUBLISHED, _S.BUILT}) | _STOP,
    _S.PUBLISHED: frozenset(
        {_S.BUILT, _S.COMPARED, _S.REFUSED}
    ),  # vendor binaries came later; a waiver that had lifted it ended
    _S.ON_HOLD: frozenset({_S.INGESTED, _S.CANCELED}),
    _S.FAILED: frozenset({_S.INGESTED, _S.CANCELED}),
    _S.CANCELED: frozenset({_S.INGESTED}),
    _S.EXCLUDED: frozenset({_S.INGESTED, _S.CANCELED}),
}

NEEDS_NOTHING = frozenset({_S.PUBLISHED, _S.ON_HOLD, _S.FAILED, _S.CANCELED, _S.EXCLUDED})
"""States a build stays in until a person, an upload or a rule changes something."""


SETTLED = (_S.COMPARED, _S.REFUSED, _S.PUBLISHED, _S.ON_HOLD, _S.FAILED, _S.CANCELED, _S.EXCLUDED)
"""States in which a build can be superseded: nothing is under way."""

JUDGED = (_S.COMPARED, _S.REFUSED)
"""States of a build whose RPMs were compared and that users do not have."""

TO_BUILD = (_S.INGESTED, _S.DEBRANDED, _S.WAITING, _S.QUEUED, _S.BUILDING)
"""States of a build that is not built yet and goes on by itself."""


def check_transition(build: str, old: BuildState, new: BuildState) -> None:
    """Let only what follows follow.

    :raises IllegalTransition: ``new`` does not follow ``old``.
    """
    if new not in _FOLLOWS[old]:
        allowed = ", ".join(sorted(_FOLLOWS[old])) or "nothing"
        raise IllegalTransition(
            f"build {build} is {old}, it cannot become {new}", hint=f"from here: {allowed}"
        )


class FailureKind(enum.StrEnum):
    """Kinds of failure. The numbers are mock's exit codes (mockbuild/exception.py)."""

    BUILD = "build"  # 10 (and 1): the SRPM's own build ended with an error
    TIMEOUT = "timeout"  # 11
    CHROOT = "chroot"  # 20: the buildroot could not be set up
    DEPENDENCIES = "dependencies"  # 30: a BuildRequires cannot be installed
    BAD_SRPM = "bad_srpm"  # 40
    INFRASTRUCTURE = "infrastructure"  # everything that is not the SRPM's fault

    @property
    def is_infrastructure(self) -> bool:
        """Return whether the task may be retried, a counted number of times."""
        return self in (FailureKind.INFRASTRUCTURE, FailureKind.CHROOT)


MOCK_EXIT_CODES: dict[int, FailureKind] = {
    1: FailureKind.BUILD,
    10: FailureKind.BUILD,
    11: FailureKind.TIMEOUT,
    20: FailureKind.CHROOT,
    30: FailureKind.DEPENDENCIES,
    40: FailureKind.BAD_SRPM,
}


def failure_of_mock(exit_code: int) -> FailureKind:
    """Translate mock's exit code; a failure that mock does not blame on the SRPM is infrastructure.

    >>> failure_of_mock(30)
    <FailureKind.DEPENDENCIES: 'dependencies'>
    >>> failure_of_mock(60)
    <FailureKind.INFRASTRUCTURE: 'infrastructure'>
    """
    return MOCK_EXIT_CODES.get(exit_code, FailureKind.INFRASTRUCTURE)


class WaitKind(enum.StrEnum):
    """Kinds of reasons for ``waiting``."""

    PLANNING = "planning"
    UNRESOLVABLE = "unresolvable"
    BLOCKED = "blocked"
    CYCLE = "cycle"
    CAPACITY = "capacity"
    PAUSED = "paused"
    APPROVAL = "approval"


class Gate(enum.StrEnum):
    """Answers of the destination tag to a compared build."""

    NONE = ""
    PASSED = "passed"
    REFUSED = "refused"


def judged_state(gate: Gate, *, scratch: bool) -> BuildState:
    """Return the state of a compared build; a scratch build is never published, so none is refused.

    >>> judged_state(Gate.REFUSED, scratch=False), judged_state(Gate.REFUSED, scratch=True)
    (<BuildState.REFUSED: 'refused'>, <BuildState.COMPARED: 'compared'>)
    """
    return BuildState.REFUSED if gate is Gate.REFUSED and not scratch else BuildState.COMPARED


NVR_FIELDS = (
    "srpm_filename",
    "source",
    "debranded_name",
    "version",
    "release",
    "debranded_release",
)
"""Arguments of :func:`nvr_of`, as a build names them."""


def nvr_of(
    srpm: str, source: str, new_source: str, version: str, release: str, new_release: str
) -> str:
    """Return name, version and release of the source as built, with the values of debranding where
    there are such.

    >>> nvr_of("bash-5-1.src.rpm", "bash", "", "5", "1", "1.reef")
    'bash-5-1.reef'
    """
    if not version:  # on hold from the start: nothing but its file name is known
        return srpm.removesuffix(".src.rpm")
    return f"{new_source or source}-{version}-{new_release or release}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One SRPM for one target.

    Digests are SHA-256 in hex; empty text means "not yet" or "does not apply".

    ``requires`` and ``provides`` come from the header of the SRPM that will be built; ``tags`` are
    those that carry it. ``signed_by`` is the id of the vendor's key that was verified at intake;
    empty where a person released the SRPM.

    ``round`` counts how often the SRPM was built to get its cycle off the seed, ``cycle`` are the
    sources it needs and is needed by, ``seeded`` the RPMs of that cycle that its buildroot took
    from a seed; ``successor`` is the build of the next round. ``lock_ours`` of the ``lock_rpms`` in
    its buildroots are RPMs that we built. See :mod:`buildfarm.domain.selfhosting.seeds`.

    ``finding`` is the line that decided its verdict, in plain words; ``brand_hits`` and
    ``source_brand_hits`` count what the scan found in its RPMs and in its SRPM: copies of the
    comparison in force, so that a list need not read reports. ``superseded``: every tag of its
    target carries a newer build of its source, this one is history. ``bootstrap`` is the condition
    it is built under, should its cycle have no other way out
    (:mod:`buildfarm.domain.selfhosting.bootstrap_condition`). ``found_requires`` are BuildRequires
    that its header does not name and its build asked for (``%generate_buildrequires``); ``replans``
    counts how often that sent it back to the plan. ``shipped`` is when the vendor built the SRPM,
    by its header; ``spent`` the seconds in each stage the build has left, and ``stage_since`` when
    the present one began (``None``: with its state). See :mod:`buildfarm.domain.core.lag`.
    """

    id: str
    target: str
    drop_id: str
    source: str
    epoch: int
    version: str
    release: str
    dist: str
    srpm: str
    srpm_filename: str
    signed_by: str = ""
    debranded_srpm: str = ""
    debranded_tree: str = ""
    debranded_release: str = ""
    debranded_name: str = ""
    rule_digest: str = ""
    rule_date: str = ""
    audit: str = ""
    state: BuildState
    state_since: datetime
    wait_kind: str = ""
    reason: str = ""
    failure_kind: str = ""
    verdict: str = ""
    gate: Gate = Gate.NONE
    gate_reason: str = ""
    scratch: bool = False
    priority: int = 0
    attempt: int = 1
    owner: str
    arches: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    override: dict[str, object] = field(default_factory=dict)
    round: int = 1
    cycle: tuple[str, ...] = ()
    seeded: tuple[str, ...] = ()
    successor: str = ""
    lock_ours: int = 0
    lock_rpms: int = 0
    finding: str = ""
    brand_hits: int = 0
    source_brand_hits: int = 0
    superseded: bool = False
    bootstrap: str = ""
    found_requires: tuple[str, ...] = ()
    replans: int = 0
    shipped: datetime | None = None
    stage_since: datetime | None = None
    spent: dict[str, float] = field(default_factory=dict)
    created: datetime
    finished: datetime | None = None

    @property
    def nevra(self) -> NEVRA:
        """The SRPM's name as ingested."""
        return NEVRA(
            name=self.source,
            evr=EVR(epoch=self.epoch, version=self.version, release=self.release),
            arch="src",
        )

    @property
    def nvr(self) -> str:
        """Return name, version and release of the source as built, with the values of debranding
        where there are such.
        """
        return nvr_of(*(getattr(self, name) for name in NVR_FIELDS))

    @property
    def srpm_to_build(self) -> str:
        """Return the digest of the SRPM that the build starts from."""
        return self.debranded_srpm or self.srpm
