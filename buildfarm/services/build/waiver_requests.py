"""Waiver requests: a person without the permission requests a waiver of a finding, with a reason;
an authorised person grants or declines it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from buildfarm.domain.build.waiver import WaiverRequest, WaiverRequestState
from buildfarm.domain.compare.expect import SECURITY, needs_security
from buildfarm.domain.compare.kinds import NEVER_EXPECTED
from buildfarm.domain.compare.policy import Waiver
from buildfarm.domain.compare.report import Report, from_json
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import Comparison
from buildfarm.domain.core.verdict import Finding
from buildfarm.errors import Conflict, InputError, NotFound
from buildfarm.ports.store import Transaction, matching
from buildfarm.services.build import waivers
from buildfarm.services.core import tasks
from buildfarm.services.core.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A finding as a request names it: as the comparison writes it, without wildcards.

    An empty field matches any.
    """

    kind: str
    path: str = ""
    subject: str = ""
    rpm: str = ""


def create(hub: Hub, build: Build, named: Named, *, actor: str, why: str) -> WaiverRequest:
    """Create the request for a waiver of a finding that holds a build up.

    :raises InputError: no reason. :raises NotFound: the comparison in force has no such finding
        that a waiver could lift.
    :raises Conflict: it has been asked for already.
    """
    with hub.store.begin() as tx:
        rpm, item = _finding(tx, build, named)
        if not why.strip():
            raise InputError(
                f"{build.nvr}: to ask for a waiver needs a reason", hint="--reason TEXT"
            )
        made = WaiverRequest(
            id=f"A-{tasks.new_id()[:8]}", build=build.id, target=build.target, source=build.source,
            kind=item.kind, path=item.path, subject=item.subject, rpm=rpm,
            security=needs_security(item), reason=why, asker=actor, created=tx.now,
        )  # fmt: skip
        same = matching(
            WaiverRequest, kind=item.kind, path=item.path, subject=item.subject, rpm=rpm
        )
        if tx.count(WaiverRequest, build=build.id, answered=None, **same):
            raise Conflict(
                f"{build.nvr}: a waiver of this was asked for already",
                hint="/action-required shows who can act",
            )
        tx.add(made)
        tx.event(
            "build.waiver_asked", build.id, actor=actor, why=why, ask=made.id, finding=_words(made)
        )
    return made


def _finding(tx: Transaction, build: Build, named: Named) -> tuple[str, Finding]:
    """Return the finding that is meant, and the RPM it is in."""
    held = tx.first(Comparison, build=build.id, order_by="created,id", descending=True)
    for rpm, item in _of(from_json(held.report)) if held else ():
        given = (
            named.kind,
            named.path or item.path,
            named.subject or item.subject,
            named.rpm or rpm,
        )
        if given == (item.kind, item.path, item.subject, rpm):
            return rpm, item
    raise NotFound(
        f"{build.nvr} has no finding {named.kind} {named.path} that a waiver could lift",
        hint="its page lists them",
    )


def _of(report: Report) -> list[tuple[str, Finding]]:
    """Return the findings that hold a build up, with the RPM each is in."""
    found = [(pair.new or pair.old, item) for pair in report.pairs for item in pair.findings]
    found += [(one.rpm, one.finding) for one in (*report.missing, *report.extra)]
    return [
        (rpm, item)
        for rpm, item in found
        if not item.verdict.is_compatible and item.kind not in NEVER_EXPECTED
    ]


def _words(asked: WaiverRequest) -> str:
    return " ".join(word for word in (asked.kind, asked.rpm, asked.path, asked.subject) if word)


def find(hub: Hub, identity: str) -> WaiverRequest:
    """Return a request by its id. :raises NotFound: there is none."""
    with hub.store.read() as tx:
        found = tx.first(WaiverRequest, id=identity)
    if found is None:
        raise NotFound(f"there is no waiver request {identity}", hint="/waivers lists them")
    return found


def as_waiver(asked: WaiverRequest, *, owner: str, expires: date, why: str = "") -> Waiver:
    """Return what granting records: the finding in this source and target, whatever version, with
    the asker named.
    """
    said = f"{why.strip()}; " if why.strip() else ""
    return Waiver(
        id=f"W-{tasks.new_id()[:8]}", owner=owner,
        reason=f"{said}asked by {asked.asker}: {asked.reason}", expires=expires, kind=asked.kind,
        source=asked.source, target=asked.target, rpm=rpm_name(asked.rpm), path=literal(asked.path),
        subject=literal(asked.subject) if asked.subject else "*",
        authority=SECURITY if asked.security else "anyone",
    )  # fmt: skip


def literal(text: str) -> str:
    """A glob that means this text (``?`` stands for what a glob would read as its own).

    >>> literal("/usr/bin/[*"), literal("")
    ('/usr/bin/[?', '**')
    """
    return text.replace("*", "?") if text else "**"


def rpm_name(rpm: str) -> str:
    """The name in an RPM's file name, for a waiver outlives this version.

    >>> rpm_name("zlib-devel-1.2-3.el9.x86_64.rpm"), rpm_name("")
    ('zlib-devel', '*')
    """
    return rpm.rsplit("-", 2)[0] or "*"


def grant(
    hub: Hub, asked: WaiverRequest, waiver: Waiver, *, actor: str, role: str
) -> WaiverRequest:
    """Record the waiver that was asked for.

    Errors as :func:`buildfarm.services.build.waivers.record`; :raises Conflict: answered already.
    """
    _open(asked)
    made = waivers.record(hub, waiver, actor=actor, role=role)
    return _answer(
        hub, asked, WaiverRequestState.GRANTED, actor=actor, why=made.reason, waiver=made.id
    )


def decline(hub: Hub, asked: WaiverRequest, *, actor: str, why: str) -> WaiverRequest:
    """Decline a request. :raises InputError: no reason. :raises Conflict: answered already."""
    if not why.strip():
        raise InputError(f"{asked.id}: to decline needs a reason", hint="--reason TEXT")
    return _answer(hub, asked, WaiverRequestState.DECLINED, actor=actor, why=why)


def _answer(
    hub: Hub,
    asked: WaiverRequest,
    answer: WaiverRequestState,
    *,
    actor: str,
    why: str,
    waiver: str = "",
) -> WaiverRequest:
    _open(asked)
    with hub.store.begin() as tx:
        values = {
            "answered": tx.now,
            "answered_by": actor,
            "answered_why": why,
            "answer": answer.value,
            "waiver": waiver,
        }
        changed = tx.update(asked, only_if={"answered": None}, **values)
        if changed is None:
            raise Conflict(f"{asked.id} was answered meanwhile", hint="look at it again")
        tx.event(
            f"build.waiver_{answer}", asked.build, actor=actor, why=why, ask=asked.id, waiver=waiver
        )
    return changed


def _open(asked: WaiverRequest) -> None:
    if asked.answered is not None:
        raise Conflict(
            f"{asked.id} was {asked.answer} by {asked.answered_by}",
            hint="ask again if things changed",
        )
