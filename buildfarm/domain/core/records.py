"""Records that the store keeps beside builds, tasks and drops: events, comparisons, overrides,
tokens, leases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from buildfarm.domain.core.build import Build


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the append-only history: who did what to which thing, when and why (Koji's event
    id).

    ``person``: it was a person's act (see :func:`buildfarm.domain.auth.permissions.is_person`), so
    the audit log has it.
    """

    id: int | None = None
    at: datetime
    actor: str
    kind: str
    subject: str
    why: str = ""
    data: dict[str, object] = field(default_factory=dict)
    person: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The stored report of one build's comparison, in the JSON form compare prints; findings are
    never thrown away.
    """

    id: str
    build: str
    verdict: str
    report: dict[str, object]
    brand_hits: tuple[dict[str, object], ...] = ()
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRecord:
    """One finding of a comparison in force, stored so that findings can be searched over the
    distribution; the report is the evidence.

    ``rpm`` is the file it is in, ``name`` the last part of ``path``; ``superseded`` follows the
    build's.
    """

    id: int | None = None
    build: str
    target: str
    source: str
    rpm: str
    kind: str
    path: str
    name: str
    subject: str
    verdict: str
    superseded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEntry:
    """A name that the search finds by its beginnings; ``token`` is one of them, in lower case.

    ``label`` is shown, ``detail`` says where it belongs; ``source`` and ``target`` are where it
    leads. ``id`` is :func:`buildfarm.domain.core.search.entry_id`, so that noting it twice is
    noting it once.
    """

    id: str
    kind: str
    token: str
    label: str
    detail: str = ""
    source: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOverride:
    """An engineer's exception for one source of one target, in force until it is replaced;
    ``reason`` is never empty.
    """

    id: str
    target: str
    source: str
    settings: dict[str, object]
    reason: str
    actor: str
    active: bool = True
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """An API token; ``id`` is its SHA-256, ``role`` and ``sigs`` what its holder may do
    (:mod:`buildfarm.domain.auth.permissions`).

    ``name`` says what it is for. It never has more rights than its ``account`` has now; the farm's
    own (``secrets/admin.token``) belong to none, and act under their ``name``. ``actions`` cuts it
    down to some.
    """

    id: str
    name: str
    role: str
    account: str = ""
    sigs: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    used: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRecord:
    """The newest forecast of a target (``id``), in the JSON form of
    :class:`buildfarm.domain.schedule.forecast.Forecast`.
    """

    id: str
    forecast: dict[str, object]
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The last pause of a target (``id``); ``active`` while it holds."""

    id: str
    active: bool
    actor: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The database lease that makes one process (``id``: ``scheduler``, ``notifier``) the leader
    among its kind.
    """

    id: str
    owner: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSurvey:
    """The result of reading an SRPM as text (``id`` is its SHA-256): the bootstrap condition of its
    spec, and brand words in spec, patches and names.

    ``policy`` is the digest of the brand policy it was read with. ``hits`` are the first of the
    ``found`` there are; ``problem`` says why it could not be read.
    """

    id: str
    policy: str
    condition: str = ""
    found: int = 0
    hits: tuple[dict[str, object], ...] = ()
    problem: str = ""
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapVariant:
    """A build (``id``) under the bootstrap ``condition`` of its spec, should its cycle have no
    other way out.

    ``srpm`` is what a worker made under the condition and ``requires`` what its header says;
    ``problem`` why there is none.
    """

    id: str
    target: str
    condition: str
    srpm: str = ""
    requires: tuple[str, ...] = ()
    problem: str = ""
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedRequires:
    """BuildRequires beyond the SRPM's header that the last good build of a source asked for (``id``
    is ``TARGET/SOURCE``).
    """

    id: str
    target: str
    build: str
    requires: tuple[str, ...]
    created: datetime

    @staticmethod
    def id_of(build: Build) -> str:
        """Return the id of the record of a build's source."""
        return f"{build.target}/{build.source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLock:
    """The vendor's buildroot of a build or target (``id`` is ``SUBJECT/ARCH``): ``rpms`` are
    NEVRAs, ``form`` the kind of file.
    """

    id: str
    subject: str
    arch: str
    form: str
    digest: str
    rpms: tuple[str, ...]
    actor: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventConsumer:
    """The position of an event consumer: ``event`` is the last it has handled; ``length`` is that
    of the stream.
    """

    id: str
    event: int = 0
    length: int = 0
    moved: datetime
