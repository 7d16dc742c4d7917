"""Actions that a page offers: each with its form, or why not and who may."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from buildfarm.domain.auth.permissions import Action, Principal, Scope, refusal
from buildfarm.domain.build.waiver import WaiverRecord
from buildfarm.domain.core.verdict import Verdict
from buildfarm.services.build import waivers
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.core.convert import Json

_ENDED = ("failed", "canceled", "excluded")
_STARTED = (
    "ingested",
    "debranded",
    "waiting",
    "queued",
    "building",
    "on_hold",
    "built",
    "comparing",
)
_TO_BUILD = ("ingested", "debranded", "waiting", "queued", "building")
_NAMEABLE = ("ready", "collected")
_MOST_FINDINGS = 100


def _offer(
    asker: Principal, scopes: Sequence[Scope], path: str, action: Action, title: str, **form: object
) -> Json:
    """One act: ``path`` takes the form; ``refused`` says why this one may not, ``next`` who may."""
    refused = refusal(asker, action, *scopes)
    return {
        "path": path, "title": title, "verb": path.rpartition("/")[2], "reason": True, "warn": False, "fields": [], **form,
        "refused": refused.why if refused else "", "next": refused.next_step if refused else "",
    }  # fmt: skip


def of_build(hub: Hub, asker: Principal, build: Json) -> list[Json]:
    """Return what may be done to a build in its state."""
    scope = [hub.config.scope(build["target"], build["source"])]
    path, state = f"/builds/{quote(build['id'], safe='')}", build["state"]
    made: list[Json] = []
    if state in _ENDED:
        made.append(_offer(asker, scope, f"{path}/retry", Action.RETRY, "Retry", reason=False))
    if state == "on_hold" and build["act"]:
        made.append(
            _offer(asker, scope, f"{path}/release-hold", Action.RELEASE_HOLD, "Release from hold")
        )
    if state in _TO_BUILD:
        fields = [
            {
                "name": "priority",
                "label": "Priority, −100 to 100",
                "kind": "number",
                "value": build["priority"],
            }
        ]
        made.append(
            _offer(
                asker,
                scope,
                f"{path}/priority",
                Action.PRIORITY,
                "Change its priority",
                fields=fields,
            )
        )
    if findings := list(_to_waive(build)):
        fields = [
            {
                "name": "finding",
                "label": "Finding",
                "kind": "select",
                "options": findings[:_MOST_FINDINGS],
            },
            {"name": "owner", "label": "Who answers for it", "kind": "text", "value": asker.name},
            {"name": "expires", "label": "Its last day", "kind": "date"},
        ]
        if refusal(asker, Action.WAIVE_SECURITY) is None:
            fields.append(
                {"name": "security", "label": "For the security authority", "kind": "checkbox"}
            )
        made.append(
            _offer(asker, scope, f"{path}/waive", Action.WAIVE, "Waive a finding", fields=fields)
        )
        if refusal(asker, Action.WAIVE, *scope) or refusal(asker, Action.WAIVE_SECURITY):
            made.append(
                _offer(
                    asker,
                    scope,
                    f"{path}/request-waiver",
                    Action.REQUEST_WAIVER,
                    "Ask for a waiver",
                    fields=fields[:1],
                )
            )
    if state in _STARTED:
        made.append(_offer(asker, scope, f"{path}/cancel", Action.CANCEL, "Cancel", warn=True))
    return made


def of_waiver_requests(hub: Hub, asker: Principal, asks: Iterable[Json]) -> dict[str, list[Json]]:
    """Granting and declining, for each waiver that somebody asked for."""
    made: dict[str, list[Json]] = {}
    for one in asks:
        scope, path = (
            [hub.config.scope(one["target"], one["source"])],
            f"/waiver-requests/{quote(one['id'], safe='')}",
        )
        fields = [
            {"name": "owner", "label": "Who answers for it", "kind": "text", "value": asker.name},
            {"name": "expires", "label": "Its last day", "kind": "date"},
        ]
        made[one["id"]] = [
            _offer(asker, scope, f"{path}/decline", Action.WAIVE, "Decline", warn=True)
        ]
        if not one["security"] or refusal(asker, Action.WAIVE_SECURITY) is None:
            made[one["id"]].insert(
                0,
                _offer(
                    asker,
                    scope,
                    f"{path}/grant",
                    Action.WAIVE,
                    "Grant",
                    reason=False,
                    fields=fields,
                ),
            )
    return made


def _to_waive(build: Json) -> Iterable[Json]:
    """The findings that hold a build up, once each: ``{value, text}``."""
    comparison = build.get("comparison") or {}
    known: dict[str, str] = {}
    for pair in comparison.get("pairs", ()):
        for item in pair["findings"]:
            if not Verdict(item["verdict"]).is_compatible and item["verdict"] != Verdict.ERROR:
                value = json.dumps(
                    [item["kind"], item["path"], item["subject"], pair["new"] or pair["old"]]
                )
                where = " ".join(word for word in (item["path"], item["subject"]) if word)
                known.setdefault(value, f"{item['kind']} {where} ({item['verdict']})")
    for item in comparison.get("missing", ()):
        if not item.get("waived"):
            known.setdefault(
                json.dumps(["rpm-missing", "", "", item["rpm"]]),
                f"rpm-missing {item['rpm']} (MISSING)",
            )
    return ({"value": value, "text": text} for value, text in known.items())


def _pausing(
    asker: Principal, scope: Sequence[Scope], path: str, *, paused: str, what: str
) -> Json:
    if not paused:
        return _offer(asker, scope, f"{path}/pause", Action.PAUSE, f"Pause {what}")
    fields = [
        {"name": "drop_waiting", "label": "Cancel what has not begun instead", "kind": "checkbox"}
    ]
    return _offer(
        asker, scope, f"{path}/resume", Action.PAUSE, f"Resume {what}", reason=False, fields=fields
    )


def of_drops(hub: Hub, asker: Principal) -> list[str]:
    """The targets that a drop may be submitted to."""
    names = sorted(hub.config.targets)
    return [name for name in names if refusal(asker, Action.SUBMIT, hub.config.scope(name)) is None]


def of_drop(hub: Hub, asker: Principal, drop: Json) -> list[Json]:
    """Return what may be done to a drop."""
    scope, path = [hub.config.scope(drop["target"])], f"/drops/{quote(drop['id'], safe='')}"
    made: list[Json] = []
    if drop["state"] == "on_hold":
        made.append(
            _offer(asker, scope, f"{path}/release-hold", Action.RELEASE_HOLD, "Release from hold")
        )
    if drop["approval"] == "awaited":
        made.append(_offer(asker, scope, f"{path}/approve", Action.APPROVE, "Approve the plan"))
        made.append(
            _offer(asker, scope, f"{path}/refuse", Action.APPROVE, "Refuse the plan", warn=True)
        )
    paused = drop["outlook"]["paused"]
    if drop["moving"] or paused:
        made.append(_pausing(asker, scope, path, paused=paused, what="this drop"))
    return made


def of_target(hub: Hub, asker: Principal, target: Json) -> list[Json]:
    """Return what may be done to a target."""
    scope, path = [hub.config.scope(target["name"])], f"/targets/{quote(target['name'], safe='')}"
    made = [_pausing(asker, scope, path, paused=target["outlook"]["paused"], what="this target")]
    if any(head["role"] == "destination" for head in target["heads"]):
        title = "Make a compose of what is in force"
        made.append(_offer(asker, scope, f"{path}/compose", Action.PROMOTE, title, reason=False))
    return made


def of_generation(hub: Hub, asker: Principal, generation: Json) -> list[Json]:
    """Naming a generation of a destination tag that came into force."""
    target = hub.config.targets.get(generation["target"])
    if (
        target is None
        or generation["tag"] != target.tags.destination
        or generation["state"] not in _NAMEABLE
    ):
        return []
    fields = [
        {
            "name": "generation",
            "label": "Generation",
            "kind": "text",
            "value": str(generation["number"]),
        }
    ]
    path, scope = f"/targets/{quote(target.name, safe='')}/compose", [hub.config.scope(target.name)]
    return [
        _offer(
            asker, scope, path, Action.PROMOTE, "Make a compose of it", reason=False, fields=fields
        )
    ]


def of_compose(hub: Hub, asker: Principal, compose: Json) -> list[Json]:
    """Promoting a compose in testing, retiring one that users can do without."""
    scope, path = (
        [hub.config.scope(compose["target"])],
        f"/composes/{quote(compose['id'], safe='')}",
    )
    made: list[Json] = []
    if compose["state"] == "testing":
        made.append(
            _offer(asker, scope, f"{path}/promote", Action.PROMOTE, "Promote: let users have it")
        )
    if compose["state"] != "retired":
        made.append(_offer(asker, scope, f"{path}/retire", Action.PROMOTE, "Retire", warn=True))
    return made


def of_workers(asker: Principal, workers: Sequence[Json]) -> dict[str, list[Json]]:
    """Draining and taking back, for each worker that is no guest."""
    made: dict[str, list[Json]] = {}
    for worker in workers:
        path = f"/workers/{quote(worker['id'], safe='')}"
        word, title = (
            ("resume", "Take back") if worker["state"] == "drained" else ("drain", "Drain")
        )
        if not worker["host"]:
            made[worker["id"]] = [_offer(asker, (), f"{path}/{word}", Action.DRAIN, title)]
    return made


def of_waivers(
    hub: Hub, asker: Principal, records: Iterable[WaiverRecord]
) -> dict[str, list[Json]]:
    """Revoking, for each waiver in force."""
    made: dict[str, list[Json]] = {}
    for record in records:
        path = f"/waivers/{quote(record.id, safe='')}/revoke"
        scopes = waivers.scopes(hub.config, record.waiver)
        made[record.id] = [_offer(asker, scopes, path, Action.REVOKE, "Revoke", warn=True)]
    return made
