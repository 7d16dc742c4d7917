"""Scriptlets and triggers: text, interpreter and flags must be the vendor's."""

from __future__ import annotations

from collections.abc import Sequence

from buildfarm.domain.compare.contents.normalise import Mask, first_difference, merged_usr
from buildfarm.domain.compare.contents.shell import is_shell, without_comments
from buildfarm.domain.compare.facts.facts import Scriptlet, Trigger
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.compare.metadata.dependencies import describe
from buildfarm.domain.core.verdict import Finding, Verdict

_CONDITION_COMPARE = 0b1110  # rpmds.h: LESS, GREATER, EQUAL
_TRIGGER_WORDS = {1 << 16: "in", 1 << 17: "un", 1 << 18: "postun", 1 << 25: "prein"}


def compare_scriptlets(
    old: Sequence[Scriptlet], new: Sequence[Scriptlet], *, old_mask: Mask, new_mask: Mask
) -> list[Finding]:
    """Any difference is INCOMPATIBLE; one that only the own EVR or merged /usr explains is
    EQUIVALENT.
    """
    before, after = {item.phase: item for item in old}, {item.phase: item for item in new}
    findings: list[Finding] = []
    for phase in sorted(before.keys() | after.keys()):
        one, two = before.get(phase), after.get(phase)
        if one is None or two is None:
            rule = "scriptlet-added" if one is None else "scriptlet-removed"
            findings.append(
                finding(
                    Kind.SCRIPTLET,
                    Verdict.INCOMPATIBLE,
                    rule,
                    subject=phase,
                    old=_told(one),
                    new=_told(two),
                )
            )
        elif one != two:
            findings += _scriptlet(one, two, old_mask, new_mask)
    return findings


def _told(item: Scriptlet | None) -> str:
    return "(none)" if item is None else f"{' '.join(item.program)}: {item.body}"


def _scriptlet(one: Scriptlet, two: Scriptlet, old_mask: Mask, new_mask: Mask) -> list[Finding]:
    findings = []
    for what, before, after in (
        ("interpreter", " ".join(one.program), " ".join(two.program)),
        ("flags", str(one.flags), str(two.flags)),
    ):
        if before != after:
            same = what == "interpreter" and merged_usr(before) == merged_usr(after)
            verdict, rule = (
                (Verdict.EQUIVALENT, "merged-usr")
                if same
                else (Verdict.INCOMPATIBLE, f"scriptlet-{what}")
            )
            findings.append(
                finding(
                    Kind.SCRIPTLET,
                    verdict,
                    rule,
                    subject=f"{one.phase} {what}",
                    old=before,
                    new=after,
                )
            )
    if one.body != two.body:
        findings.append(
            _body(
                Kind.SCRIPTLET,
                one.phase,
                (one.body, two.body),
                (old_mask, new_mask),
                shell=is_shell(" ".join(one.program)) and is_shell(" ".join(two.program)),
            )
        )
    return findings


def _body(
    kind: Kind, subject: str, bodies: tuple[str, str], masks: tuple[Mask, Mask], *, shell: bool
) -> Finding:
    """Judge two scripts that differ; comments of a shell script are told and not run."""
    old, new = bodies
    before, after = masks[0].apply(old), masks[1].apply(new)
    if before == after:
        lines = first_difference(old, new)
        return finding(
            kind, Verdict.EQUIVALENT, "own-evr", subject=subject, old=lines[0], new=lines[1]
        )
    lines = first_difference(before, after)
    verdict, rule = Verdict.INCOMPATIBLE, f"{kind}-body"
    if shell and (runs := without_comments(before)) is not None and runs == without_comments(after):
        verdict, rule = Verdict.COMPATIBLE, f"{kind}-comment"
    return finding(kind, verdict, rule, subject=subject, old=lines[0], new=lines[1])


def compare_triggers(
    old: Sequence[Trigger], new: Sequence[Trigger], *, old_mask: Mask, new_mask: Mask
) -> list[Finding]:
    """Triggers are matched by family, conditions and place among equals; their order inside a
    family is kept.
    """
    before, after = _keyed(old, old_mask), _keyed(new, new_mask)
    findings: list[Finding] = []
    for key in sorted(before.keys() | after.keys()):
        one, two = before.get(key), after.get(key)
        subject = f"{key[0]} {key[1]}"
        if one is None or two is None:
            rule = "trigger-added" if one is None else "trigger-removed"
            findings.append(
                finding(
                    Kind.TRIGGER,
                    Verdict.INCOMPATIBLE,
                    rule,
                    subject=subject,
                    old=one.body if one else "(none)",
                    new=two.body if two else "(none)",
                )
            )
            continue
        for what, left, right in (
            ("interpreter", one.program, two.program),
            ("flags", str(one.flags), str(two.flags)),
            ("priority", str(one.priority), str(two.priority)),
        ):
            if merged_usr(left) != merged_usr(right):
                findings.append(
                    finding(
                        Kind.TRIGGER,
                        Verdict.INCOMPATIBLE,
                        f"trigger-{what}",
                        subject=f"{subject} {what}",
                        old=left,
                        new=right,
                    )
                )
        if one.body != two.body:
            findings.append(
                _body(
                    Kind.TRIGGER,
                    subject,
                    (one.body, two.body),
                    (old_mask, new_mask),
                    shell=is_shell(one.program) and is_shell(two.program),
                )
            )
    return findings


def _keyed(triggers: Sequence[Trigger], mask: Mask) -> dict[tuple[str, str, int], Trigger]:
    keyed: dict[tuple[str, str, int], Trigger] = {}
    for trigger in triggers:
        conditions = ", ".join(
            f"{'+'.join(word for bit, word in _TRIGGER_WORDS.items() if item.flags & bit)} "
            f"{describe(mask.apply(item.name), item.flags & _CONDITION_COMPARE, mask.apply(item.version))}"
            for item in trigger.conditions
        )
        place = 0
        while (trigger.family, conditions, place) in keyed:
            place += 1
        keyed[trigger.family, conditions, place] = trigger
    return keyed
