"""Actions that a page offers: each with its form, or why not and who may."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from buildfarm.api.responses.build.builds import BuildPage
from buildfarm.api.responses.build.waivers import WaiverRequest
from buildfarm.api.responses.intake.drops import DropPage
from buildfarm.api.responses.overview.workers import Worker
from buildfarm.api.responses.publish.composes import Compose
from buildfarm.api.responses.target.generations import Generation
from buildfarm.api.responses.target.targets import TargetPage
from buildfarm.domain.auth.permissions import Action, Principal, Scope, refusal
from buildfarm.domain.build.waiver import WaiverRecord
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.core.worker import WorkerState
from buildfarm.domain.intake.drop import Approval, DropState
from buildfarm.domain.publish.compose import ComposeState
from buildfarm.domain.publish.repository import GenerationState
from buildfarm.services.build import waivers
from buildfarm.services.core.hub import Hub

_ENDED = (BuildState.FAILED, BuildState.CANCELED, BuildState.EXCLUDED)
_TO_BUILD = (
    BuildState.INGESTED,
    BuildState.DEBRANDED,
    BuildState.WAITING,
    BuildState.QUEUED,
    BuildState.BUILDING,
)
_STARTED = (*_TO_BUILD, BuildState.ON_HOLD, BuildState.BUILT, BuildState.COMPARING)
_NAMEABLE = (GenerationState.READY, GenerationState.COLLECTED)
_MOST_FINDINGS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One choice of a field."""

    value: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a form; ``options`` are those of a ``select``."""

    name: str
    label: str
    kind: str
    value: str | int = ""
    options: Sequence[Option] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One action: ``path`` takes the form; ``refused`` says why this one may not, ``next`` who may.

    With ``reason`` a reason is due.
    """

    path: str
    title: str
    refused: str
    next: str
    reason: bool
    warn: bool
    fields: Sequence[Field]

    @property
    def verb(self) -> str:
        """Last part of the path."""
        return self.path.rpartition("/")[2]


def _offer(
    asker: Principal, scopes: Sequence[Scope], path: str, action: Action, title: str, *, reason: bool = True, warn: bool = False,
    fields: Sequence[Field] = (),
) -> Offer:  # fmt: skip
    refused = refusal(asker, action, *scopes)
    return Offer(
        path=path, title=title, refused=refused.why if refused else "", next=refused.next_step if refused else "",
        reason=reason, warn=warn, fields=fields,
    )  # fmt: skip


def of_build(hub: Hub, asker: Principal, build: BuildPage) -> list[Offer]:
    """Return what may be done to a build in its state."""
    scope = [hub.config.scope(build.target, build.source)]
    path, state = f"/builds/{quote(build.id, safe='')}", build.state
    made: list[Offer] = []
    if state in _ENDED:
        made.append(_offer(asker, scope, f"{path}/retry", Action.RETRY, "Retry", reason=False))
    if state is BuildState.ON_HOLD and build.act:
        made.append(
            _offer(asker, scope, f"{path}/release-hold", Action.RELEASE_HOLD, "Release from hold")
        )
    if state in _TO_BUILD:
        fields = [
            Field(
                name="priority", label="Priority, −100 to 100", kind="number", value=build.priority
            )
        ]
        title = "Change its priority"
        made.append(_offer(asker, scope, f"{path}/priority", Action.PRIORITY, title, fields=fields))
    made += _waiving(asker, scope, path, _to_waive(build))
    if state in _STARTED:
        made.append(_offer(asker, scope, f"{path}/cancel", Action.CANCEL, "Cancel", warn=True))
    return made


def _waiving(
    asker: Principal, scope: Sequence[Scope], path: str, findings: Sequence[Option]
) -> list[Offer]:
    """Waiving one of the findings that hold a build up, and asking for it."""
    if not findings:
        return []
    finding = Field(
        name="finding", label="Finding", kind="select", options=findings[:_MOST_FINDINGS]
    )
    fields = [finding, *_owner_and_last_day(asker)]
    is_authority = refusal(asker, Action.WAIVE_SECURITY) is None
    if is_authority:
        fields.append(Field(name="security", label="For the security authority", kind="checkbox"))
    made = [_offer(asker, scope, f"{path}/waive", Action.WAIVE, "Waive a finding", fields=fields)]
    if refusal(asker, Action.WAIVE, *scope) or not is_authority:
        asking, title = f"{path}/request-waiver", "Ask for a waiver"
        made.append(_offer(asker, scope, asking, Action.REQUEST_WAIVER, title, fields=[finding]))
    return made


def _owner_and_last_day(asker: Principal) -> list[Field]:
    """The fields that every waiver has."""
    return [
        Field(name="owner", label="Who answers for it", kind="text", value=asker.name),
        Field(name="expires", label="Its last day", kind="date"),
    ]


def of_waiver_requests(
    hub: Hub, asker: Principal, asks: Iterable[WaiverRequest]
) -> dict[str, list[Offer]]:
    """Granting and declining, for each waiver that somebody asked for."""
    fields = _owner_and_last_day(asker)
    made: dict[str, list[Offer]] = {}
    for one in asks:
        scope = [hub.config.scope(one.target, one.source)]
        path = f"/waiver-requests/{quote(one.id, safe='')}"
        offers = [_offer(asker, scope, f"{path}/decline", Action.WAIVE, "Decline", warn=True)]
        if not one.security or refusal(asker, Action.WAIVE_SECURITY) is None:
            granting = f"{path}/grant"
            offers.insert(
                0,
                _offer(asker, scope, granting, Action.WAIVE, "Grant", reason=False, fields=fields),
            )
        made[one.id] = offers
    return made


def _to_waive(build: BuildPage) -> list[Option]:
    """The findings that hold a build up, once each."""
    known: dict[str, str] = {}
    for pair in build.comparison.pairs if build.comparison else ():
        for item in pair.findings:
            if not item.verdict.is_compatible and item.verdict is not Verdict.ERROR:
                value = json.dumps([item.kind, item.path, item.subject, pair.new or pair.old])
                where = " ".join(word for word in (item.path, item.subject) if word)
                known.setdefault(value, f"{item.kind} {where} ({item.verdict})")
    for missing in build.comparison.missing if build.comparison else ():
        if not missing.waived:
            known.setdefault(
                json.dumps(["rpm-missing", "", "", missing.rpm]),
                f"rpm-missing {missing.rpm} (MISSING)",
            )
    return [Option(value=value, text=text) for value, text in known.items()]


def _pausing(
    asker: Principal, scope: Sequence[Scope], path: str, *, paused: str, what: str
) -> Offer:
    if not paused:
        return _offer(asker, scope, f"{path}/pause", Action.PAUSE, f"Pause {what}")
    fields = [
        Field(name="drop_waiting", label="Cancel what has not begun instead", kind="checkbox")
    ]
    return _offer(
        asker, scope, f"{path}/resume", Action.PAUSE, f"Resume {what}", reason=False, fields=fields
    )


def of_drops(hub: Hub, asker: Principal) -> list[str]:
    """The targets that a drop may be submitted to."""
    names = sorted(hub.config.targets)
    return [name for name in names if refusal(asker, Action.SUBMIT, hub.config.scope(name)) is None]


def of_drop(hub: Hub, asker: Principal, drop: DropPage) -> list[Offer]:
    """Return what may be done to a drop."""
    scope, path = [hub.config.scope(drop.target)], f"/drops/{quote(drop.id, safe='')}"
    made: list[Offer] = []
    if drop.state is DropState.ON_HOLD:
        made.append(
            _offer(asker, scope, f"{path}/release-hold", Action.RELEASE_HOLD, "Release from hold")
        )
    if drop.approval is Approval.AWAITED:
        made.append(_offer(asker, scope, f"{path}/approve", Action.APPROVE, "Approve the plan"))
        made.append(
            _offer(asker, scope, f"{path}/refuse", Action.APPROVE, "Refuse the plan", warn=True)
        )
    paused = drop.outlook.paused
    if drop.moving or paused:
        made.append(_pausing(asker, scope, path, paused=paused, what="this drop"))
    return made


def of_target(hub: Hub, asker: Principal, target: TargetPage) -> list[Offer]:
    """Return what may be done to a target."""
    scope, path = [hub.config.scope(target.name)], f"/targets/{quote(target.name, safe='')}"
    made = [_pausing(asker, scope, path, paused=target.outlook.paused, what="this target")]
    if any(head.role == "destination" for head in target.heads):
        title = "Make a compose of what is in force"
        made.append(_offer(asker, scope, f"{path}/compose", Action.PROMOTE, title, reason=False))
    return made


def of_generation(hub: Hub, asker: Principal, generation: Generation) -> list[Offer]:
    """Naming a generation of a destination tag that came into force."""
    target = hub.config.targets.get(generation.target)
    if (
        target is None
        or generation.tag != target.tags.destination
        or generation.state not in _NAMEABLE
    ):
        return []
    fields = [Field(name="generation", label="Generation", kind="text", value=generation.number)]
    path, scope = f"/targets/{quote(target.name, safe='')}/compose", [hub.config.scope(target.name)]
    return [
        _offer(
            asker, scope, path, Action.PROMOTE, "Make a compose of it", reason=False, fields=fields
        )
    ]


def of_compose(hub: Hub, asker: Principal, compose: Compose) -> list[Offer]:
    """Promoting a compose in testing, retiring one that users can do without."""
    scope, path = [hub.config.scope(compose.target)], f"/composes/{quote(compose.id, safe='')}"
    made: list[Offer] = []
    if compose.state is ComposeState.TESTING:
        made.append(
            _offer(asker, scope, f"{path}/promote", Action.PROMOTE, "Promote: let users have it")
        )
    if compose.state is not ComposeState.RETIRED:
        made.append(_offer(asker, scope, f"{path}/retire", Action.PROMOTE, "Retire", warn=True))
    return made


def of_workers(asker: Principal, workers: Sequence[Worker]) -> dict[str, list[Offer]]:
    """Draining and taking back, for each worker that is no guest."""
    made: dict[str, list[Offer]] = {}
    for worker in workers:
        path = f"/workers/{quote(worker.id, safe='')}"
        is_drained = worker.state is WorkerState.DRAINED
        word, title = ("resume", "Take back") if is_drained else ("drain", "Drain")
        if not worker.host:
            made[worker.id] = [_offer(asker, (), f"{path}/{word}", Action.DRAIN, title)]
    return made


def of_waivers(
    hub: Hub, asker: Principal, records: Iterable[WaiverRecord]
) -> dict[str, list[Offer]]:
    """Revoking, for each waiver in force."""
    made: dict[str, list[Offer]] = {}
    for record in records:
        path = f"/waivers/{quote(record.id, safe='')}/revoke"
        scopes = waivers.scopes(hub.config, record.waiver)
        made[record.id] = [_offer(asker, scopes, path, Action.REVOKE, "Revoke", warn=True)]
    return made
