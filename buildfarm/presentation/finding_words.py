"""A comparison's findings in plain words, worst first, for pages.

Reads the JSON form by its keys and expects nothing more: an older or a newer form still shows what
it can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from buildfarm.domain.core.verdict import Verdict

Json = dict[str, Any]

_WORDS = {
    "rpm-missing": "the vendor ships {subject}, we do not",
    "rpm-extra": "we make {subject}, the vendor does not",
    "damaged": "{path} is damaged: {old} {new}",
    "unreadable": "{path} could not be read: {old} {new}",
    "signature": "only the signature differs",
    "payload-format": "the payload is packed differently, the files are the same",
    "build-record": "{subject} records when and where it was built",
    "release": "the release differs: the vendor's {old}, ours {new}",
    "rename": "the name differs: the vendor's {old}, ours {new}",
    "brand-tag": "{subject} carries another brand: the vendor's {old}, ours {new}",
    "requires": "another Requires {subject}: the vendor's {old}, ours {new}",
    "provides": "another Provides {subject}: the vendor's {old}, ours {new}",
    "conflicts": "another Conflicts {subject}: the vendor's {old}, ours {new}",
    "obsoletes": "another Obsoletes {subject}: the vendor's {old}, ours {new}",
    "scriptlet": "the scriptlet {subject} differs",
    "trigger": "the trigger {subject} differs",
    "file-removed": "{path} is in the vendor's RPM and not in ours",
    "file-added": "{path} is in our RPM and not in the vendor's",
    "file-type": "{path} is {new}, the vendor's is {old}",
    "file-mode": "{path} has mode {new}, the vendor's {old}",
    "file-owner": "{path} belongs to {new}, the vendor's to {old}",
    "file-capabilities": "{path} has the capabilities {new}, the vendor's {old}",
    "file-link": "{path} points to {new}, the vendor's to {old}",
    "content-normalised": "{path} is the same after {rule}",
    "content-script": "{path} is a script and differs",
    "content-config": "{path} is configuration and differs",
    "content-doc": "{path} is documentation and differs",
    "content-data": "{path} differs",
    "content-source": "{path} is source text and differs",
    "elf-code": "{path} has other code or data than the vendor's: {subject}",
    "elf-soname": "{path} has the soname {new}, the vendor's {old}",
    "elf-needed": "{path} needs other libraries: {subject}",
    "export-removed": "{path} no longer exports {subject}, whoever uses it breaks",
    "export-added": "{path} exports {subject} in addition",
    "export-changed": "{path} exports {subject} otherwise: the vendor's {old}, ours {new}",
}


class _Blank(dict[str, str]):
    """Fields of a finding; what is empty reads as "nothing"."""

    def __missing__(self, key: str) -> str:
        return "nothing"


def plain_words(finding: Mapping[str, object]) -> str:
    """One line for a person who has not read the manual.

    >>> plain_words({"kind": "export-removed", "path": "/usr/lib64/libz.so.1", "subject": "gzflags"})
    '/usr/lib64/libz.so.1 no longer exports gzflags, whoever uses it breaks'
    >>> plain_words({"kind": "novel", "path": "/a", "subject": "s", "old": "1", "new": "2"})
    "novel: /a s: the vendor's 1, ours 2"
    """
    fields = _Blank({key: str(value) for key, value in finding.items() if value not in ("", None)})
    template = _WORDS.get(fields["kind"])
    if template is not None:
        return template.format_map(fields)
    where = " ".join(str(finding.get(key) or "") for key in ("path", "subject")).strip()
    change = (
        f"the vendor's {fields['old']}, ours {fields['new']}"
        if "old" in fields or "new" in fields
        else ""
    )
    return ": ".join(part for part in (fields["kind"].replace("-", " "), where, change) if part)


def badness(verdict: object) -> int:
    """Place on the ladder of a verdict's name; an unknown name counts as the worst, never as good."""
    try:
        known = Verdict(str(verdict))
    except ValueError:
        return len(Verdict)
    return -1 if known is Verdict.UNCOMPARED else known.badness


def pairs_of(report: Mapping[str, object]) -> Iterator[Json]:
    """The pairs, findings worst first, each with its line in ``plain``."""
    for pair in _list(report.get("pairs")):
        if isinstance(pair, Mapping):
            findings = [
                {**item, "plain": plain_words(item)}
                for item in _list(pair.get("findings"))
                if isinstance(item, Mapping)
            ]
            findings.sort(key=lambda item: -badness(item.get("verdict")))
            old, new = str(pair.get("old") or ""), str(pair.get("new") or "")
            waived = any(str(item.get("rule", "")).startswith("waiver:") for item in findings)
            yield {**pair, "old": old, "new": new, "findings": findings, "waived": waived}


def unpaired_of(report: Mapping[str, object], key: str, verdict: Verdict) -> list[Json]:
    """Missing or extra RPMs; a bare file name is taken as one too."""
    found: list[Json] = []
    for item in _list(report.get(key)):
        given = dict(item) if isinstance(item, Mapping) else {"rpm": str(item)}
        given.setdefault("verdict", verdict.value)
        given.setdefault("rule", "")
        given["rpm"] = str(
            given.get("rpm") or given.get("old") or given.get("new") or given.get("name") or ""
        )
        given["waived"] = str(given["rule"]).startswith("waiver:")
        found.append(given)
    return found


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def reading(report: Mapping[str, Any]) -> Json:
    """A report for reading: pairs and findings worst first, each finding with its line."""
    pairs = sorted(
        pairs_of(report),
        key=lambda pair: (-badness(pair.get("verdict")), pair["new"] or pair["old"]),
    )
    return {
        "schema": report.get("schema"),
        "verdict": report.get("verdict") or "",
        "counts": report.get("counts") or {},
        "vendor_rpms": report.get("vendor_rpms"),
        "compatible_rpms": report.get("compatible_rpms"),
        "waived_rpms": report.get("waived_rpms") or 0,
        "pairs": pairs,
        "missing": unpaired_of(report, "missing", Verdict.MISSING),
        "extra": unpaired_of(report, "extra", Verdict.EXTRA),
        "waivers": report.get("waivers") or {"expired": [], "unused": []},
        "sources": report.get("sources"),
    }


def worst_line(report: Mapping[str, object]) -> str:
    """Return what decided a verdict, in words: the worst finding, the RPM it is in, and how many
    are as bad.
    """
    lines: list[tuple[int, str]] = []
    for pair in pairs_of(report):
        rpm = pair["new"] or pair["old"]
        lines += [
            (badness(item.get("verdict")), f"{rpm}: {item['plain']}") for item in pair["findings"]
        ]
    for item in unpaired_of(report, "missing", Verdict.MISSING):
        lines.append((badness(item["verdict"]), f"the vendor's {item['rpm']} is missing from ours"))
    for item in unpaired_of(report, "extra", Verdict.EXTRA):
        lines.append((badness(item["verdict"]), f"{item['rpm']} is not the vendor's"))
    worst = max((bad for bad, _ in lines), default=0)
    if worst <= Verdict.COMPATIBLE.badness:
        return ""
    as_bad = [line for bad, line in lines if bad == worst]
    more = f" (and {len(as_bad) - 1} more as bad)" if len(as_bad) > 1 else ""
    return f"{as_bad[0]}{more}"


def findings_of(report: Mapping[str, object]) -> Iterator[Json]:
    """Every finding with the RPM it is in (``rpm``): ``{rpm, kind, path, subject, verdict}``; an
    RPM that stands alone is one.
    """
    for pair in _list(report.get("pairs")):
        if isinstance(pair, Mapping):
            rpm = str(pair.get("new") or pair.get("old") or "")
            for item in _list(pair.get("findings")):
                if isinstance(item, Mapping):
                    said = {
                        name: str(item.get(name) or "")
                        for name in ("kind", "path", "subject", "verdict")
                    }
                    yield {"rpm": rpm, **said}
    for key, verdict in (("missing", Verdict.MISSING), ("extra", Verdict.EXTRA)):
        for alone in unpaired_of(report, key, verdict):
            subject = str(alone.get("name") or alone["rpm"])
            yield {
                "rpm": alone["rpm"], "kind": f"rpm-{key}", "path": "", "subject": subject, "verdict": str(alone["verdict"]),
            }  # fmt: skip


def judged_of(report: Mapping[str, object]) -> dict[str, tuple[str, bool]]:
    """Return what a report says of each of the vendor's RPMs, by its digest (or its file name): its
    verdict, and whether a waiver lifted it.
    """
    judged = {
        pair.get("old_sha256") or pair["old"]: (
            str(pair.get("verdict") or ""),
            bool(pair["waived"]),
        )
        for pair in pairs_of(report)
        if pair["old"]
    }
    for item in unpaired_of(report, "missing", Verdict.MISSING):
        judged[item.get("sha256") or item["rpm"]] = (str(item["verdict"]), bool(item["waived"]))
    return judged
