"""Every route under ``/api/v1``, by its endpoint: a test asserts that all are here and nothing else
is.

A new route is one line here, with the model of its answer in :mod:`buildfarm.api.responses`;
summary and problems come from the view's docstring.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from buildfarm.api.requests import (
    AccountRequest,
    ComposeRequest,
    DropRequest,
    DuePriority,
    DueReason,
    DueReserve,
    DueRights,
    GrantRequest,
    OverrideRequest,
    PasswordRequest,
    ReasonRequest,
    ReferenceRequest,
    ResumeRequest,
    SubscriptionRequest,
    TokenRequest,
    WaiverBody,
    WaiverRequestBody,
)
from buildfarm.api.responses.auth.accounts import (
    Account,
    AccountList,
    IssuedToken,
    OwnAccount,
    PasswordChanged,
    Token,
    TokenList,
    WaysIn,
)
from buildfarm.api.responses.auth.audit_log import ActList
from buildfarm.api.responses.build.buildroots import BuildrootPage
from buildfarm.api.responses.build.builds import (
    Audit,
    Build,
    BuildList,
    BuildLocks,
    BuildOrder,
    BuildPage,
)
from buildfarm.api.responses.build.clusters import ClusterPage
from buildfarm.api.responses.build.findings import Findings
from buildfarm.api.responses.build.logs import LogHits, LogLines
from buildfarm.api.responses.build.overrides import OverrideList, SourceOverride
from buildfarm.api.responses.build.parity import AttachedReference, BuildParity
from buildfarm.api.responses.build.tasks import TaskList
from buildfarm.api.responses.build.waivers import Waiver, WaiverList, WaiverRequest
from buildfarm.api.responses.core.decisions import (
    DropPaused,
    DropResumed,
    StoredBlob,
    TargetPaused,
    TargetResumed,
)
from buildfarm.api.responses.core.events import EventList
from buildfarm.api.responses.intake.drops import Drop, DropList, DropPage, ReceivedDrop
from buildfarm.api.responses.intake.triggers import NothingToDo, TriggerList, WebhookDrop
from buildfarm.api.responses.notify.subscriptions import (
    Delivery,
    DeliveryList,
    NewSubscription,
    Subscription,
    SubscriptionList,
)
from buildfarm.api.responses.overview.action_required import ActionRequired
from buildfarm.api.responses.overview.farm import Health, Overview
from buildfarm.api.responses.overview.machines import Machines
from buildfarm.api.responses.overview.search import SearchResult
from buildfarm.api.responses.overview.workers import WorkerChanged, WorkerList, WorkerReserved
from buildfarm.api.responses.publish.composes import Compose, ComposeList, ComposePage
from buildfarm.api.responses.schedule.forecast import DropPlan, TargetOutlook, Why
from buildfarm.api.responses.target.generations import GenerationList, GenerationPage
from buildfarm.api.responses.target.lag import Lag
from buildfarm.api.responses.target.sigs import SigList, SigPage
from buildfarm.api.responses.target.sources import SourceList, SourcePage
from buildfarm.api.responses.target.targets import Failures, Seeds, TargetList, TargetPage
from buildfarm_web.api.openapi.operation import BYTES, HTML, JSON, TEXT, Operation, read, write
from buildfarm_web.api.openapi.queries import (
    ActionRequiredQuery,
    ActsQuery,
    BuildFilters,
    BuildsQuery,
    DeliveriesQuery,
    DropsQuery,
    EventsQuery,
    GenerationsQuery,
    LagQuery,
    LoginQuery,
    LogLinesQuery,
    LogQuery,
    LogSearchQuery,
    OrderQuery,
    OverridesQuery,
    SearchQuery,
    SourcesQuery,
    SubscriptionsQuery,
    TargetQuery,
    TasksQuery,
    TokensQuery,
    WaiversQuery,
)

_OK, _CREATED, _ACCEPTED = HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED
_NOT_FOUND, _CONFLICT = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

_LOG_HEADERS = ("X-Log-Task", "X-Log-Offset", "X-Log-Growing")

READS: Mapping[str, Operation] = {
    "api.overview": read("farm", Overview, BuildFilters, problems=(_NOT_FOUND,)),
    "api.health": read("farm", Health),
    "api.list_drops": read("drops", DropList, DropsQuery),
    "api.show_drop": read("drops", DropPage),
    "api.show_drop_plan": read("drops", DropPlan),
    "api.list_builds": read("builds", BuildList, BuildsQuery, problems=(_NOT_FOUND,)),
    "api.show_build": read("builds", BuildPage),
    "api.show_findings": read("builds", Findings),
    "api.show_why": read("builds", Why),
    "api.show_audit": read("builds", Audit),
    "api.show_parity": read("builds", BuildParity),
    "api_views.show_buildroot": read("builds", BuildrootPage),
    "api.show_lock": read("builds", BuildLocks),
    "api.show_log": read("builds", TEXT, LogQuery, headers=_LOG_HEADERS),
    "log_pages.show_lines": read("builds", LogLines, LogLinesQuery),
    "log_pages.search": read("builds", LogHits, LogSearchQuery),
    "api_views.list_sources": read("sources", SourceList, SourcesQuery, problems=(_NOT_FOUND,)),
    "api_views.show_source": read("sources", SourcePage),
    "api_views.list_sigs": read("sigs", SigList),
    "api_views.show_sig": read("sigs", SigPage),
    "api.list_targets": read("targets", TargetList),
    "api.show_target": read("targets", TargetPage),
    "api.show_plan": read("targets", TargetOutlook),
    "api.show_seeds": read("targets", Seeds),
    "api.show_failures": read("targets", Failures),
    "api_views.show_cluster": read("targets", ClusterPage),
    "api_views.show_generation": read("targets", GenerationPage),
    "api.list_generations": read("targets", GenerationList, GenerationsQuery),
    "api_composes.list_composes": read("targets", ComposeList, DropsQuery),
    "api_composes.show_compose": read("targets", ComposePage),
    "api.list_overrides": read("overrides", OverrideList, OverridesQuery),
    "api.list_waivers": read("waivers", WaiverList, WaiversQuery),
    "api.list_tasks": read("workers", TaskList, TasksQuery),
    "api.list_workers": read("workers", WorkerList),
    "api_views.list_machines": read("workers", Machines),
    "api.list_events": read("farm", EventList, EventsQuery),
    "api.show_search": read("farm", SearchResult, SearchQuery),
    "api.list_triggers": read("farm", TriggerList, TargetQuery),
    "api_views.list_action_required": read(
        "farm", ActionRequired, ActionRequiredQuery, problems=(_NOT_FOUND,)
    ),
    "api_views.show_lag": read("farm", Lag, LagQuery, problems=(_NOT_FOUND,)),
    "notifications_api.list_subscriptions": read(
        "notifications", SubscriptionList, SubscriptionsQuery
    ),
    "notifications_api.list_deliveries": read(
        "notifications", DeliveryList, DeliveriesQuery, secured=True
    ),
    "api_people.audit": read("people", ActList, ActsQuery),
    "api_people.ways_in": read("people", WaysIn, LoginQuery),
    "api_people.own_account": read("people", OwnAccount, secured=True),
    "api_people.list_tokens": read("people", TokenList, TokensQuery, secured=True),
    "api_people.list_accounts": read("people", AccountList, secured=True),
    "api_writes.show_order": read("builds", BuildOrder, OrderQuery, secured=True),
    "api_writes.get_file": read("builds", BYTES, secured=True),
    "api_docs.show_document": read("farm", JSON),
    "api_docs.show_docs": read("farm", HTML),
}

WRITES: Mapping[str, Operation] = {
    "api_writes.put_blob": write("drops", BYTES, {_OK: StoredBlob, _CREATED: StoredBlob}, _TOO_LARGE),
    "api_writes.post_drop": write("drops", DropRequest, {_ACCEPTED: ReceivedDrop, _OK: ReceivedDrop}, _NOT_FOUND, _CONFLICT),
    "api_writes.release_drop": write("drops", DueReason, Drop, _CONFLICT),
    "api_decisions.pause_drop": write("drops", DueReason, DropPaused, _CONFLICT, guarded=True),
    "api_decisions.resume_drop": write("drops", ResumeRequest, DropResumed, _CONFLICT, guarded=True),
    "api_decisions.approve_drop": write("drops", DueReason, Drop, _CONFLICT, guarded=True),
    "api_decisions.refuse_drop": write("drops", DueReason, Drop, _CONFLICT, guarded=True),
    "api_writes.cancel_build": write("builds", DueReason, Build, _CONFLICT, guarded=True),
    "api_writes.prioritise_build": write("builds", DuePriority, Build, _CONFLICT, guarded=True),
    "api_writes.retry_build": write("builds", ReasonRequest, Build, _CONFLICT, guarded=True),
    "api_writes.release_build": write("builds", DueReason, Build, _CONFLICT, guarded=True),
    "api_decisions.pause_target": write("targets", DueReason, TargetPaused, _CONFLICT),
    "api_decisions.resume_target": write("targets", ResumeRequest, TargetResumed, _CONFLICT),
    "api_writes.post_override": write("overrides", OverrideRequest, {_CREATED: SourceOverride, _OK: SourceOverride}, _NOT_FOUND),
    "api_writes.post_waiver": write("waivers", WaiverBody, {_CREATED: Waiver}, _CONFLICT),
    "api_writes.revoke_waiver": write("waivers", DueReason, Waiver, _CONFLICT),
    "api_asks.request_waiver": write("waivers", WaiverRequestBody, {_CREATED: WaiverRequest}, _CONFLICT),
    "api_asks.grant_waiver": write("waivers", GrantRequest, WaiverRequest, _CONFLICT),
    "api_asks.decline_waiver": write("waivers", DueReason, WaiverRequest, _CONFLICT),
    "api_composes.post_compose": write("targets", ComposeRequest, {_CREATED: Compose}, _NOT_FOUND, _CONFLICT),
    "api_composes.promote_compose": write("targets", DueReason, Compose, _CONFLICT),
    "api_composes.retire_compose": write("targets", DueReason, Compose, _CONFLICT),
    "api_decisions.drain_worker": write("workers", DueReason, WorkerChanged, _CONFLICT),
    "api_decisions.resume_worker": write("workers", DueReason, WorkerChanged, _CONFLICT),
    "api_decisions.reserve_worker": write("workers", DueReserve, WorkerReserved, _CONFLICT),
    "api_writes.post_reference": write("builds", ReferenceRequest, {_CREATED: AttachedReference}, _CONFLICT),
    "api_writes.post_target_reference": write("targets", ReferenceRequest, {_CREATED: AttachedReference}, _CONFLICT),
    "notifications_api.post_subscription": write("notifications", SubscriptionRequest, {_CREATED: NewSubscription}, _CONFLICT),
    "notifications_api.delete_subscription": write("notifications", ReasonRequest, Subscription, _CONFLICT),
    "notifications_api.redeliver": write("notifications", "", Delivery, _CONFLICT),
    "api_people.post_account": write("people", AccountRequest, {_CREATED: Account}, _CONFLICT),
    "api_people.post_rights": write("people", DueRights, Account, _CONFLICT),
    "api_people.post_password": write("people", PasswordRequest, Account, _CONFLICT),
    "api_people.own_password": write("people", PasswordRequest, PasswordChanged, _CONFLICT),
    "api_people.disable": write("people", DueReason, Account, _CONFLICT),
    "api_people.enable": write("people", DueReason, Account, _CONFLICT),
    "api_people.post_token": write("people", TokenRequest, {_CREATED: IssuedToken}, _NOT_FOUND, _CONFLICT),
    "api_people.revoke_token": write("people", ReasonRequest, Token, _CONFLICT),
    "hooks_api.post_hook": Operation(
        tag="drops",
        body=JSON,
        answers={_ACCEPTED: WebhookDrop, _OK: WebhookDrop | NothingToDo},
        problems=frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, _CONFLICT, _TOO_LARGE}),
    ),
}  # fmt: skip

OPERATIONS: Mapping[str, Operation] = {**READS, **WRITES}
