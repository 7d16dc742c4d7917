"""Header tags that are neither dependencies, scripts nor files: identity, Release, brand,
descriptions, the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from buildfarm.domain.compare.contents.normalise import Mask
from buildfarm.domain.compare.facts.facts import RpmFacts
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.compare.policy import ComparePolicy, Mode
from buildfarm.domain.core.verdict import Finding, Verdict

BRAND_TAGS = ("VENDOR", "PACKAGER", "DISTRIBUTION", "BUGURL")
_DESCRIPTIVE = ("SUMMARY", "DESCRIPTION", "LICENSE", "GROUP", "URL")
_IDENTITY = ("OS", "EXCLUDEARCH", "EXCLUDEOS", "EXCLUSIVEARCH", "EXCLUSIVEOS")
_PAYLOAD = (
    "PAYLOADFORMAT", "PAYLOADCOMPRESSOR", "PAYLOADFLAGS", "PAYLOADDIGESTALGO", "PAYLOADDIGESTALT", "ARCHIVESIZE",
    "FILEDIGESTALGO", "PAYLOADSIZE", "PAYLOADSIZEALT", "RPMFORMAT",
    "PAYLOADSHA512", "PAYLOADSHA512ALT", "PAYLOADSHA3_256", "PAYLOADSHA3_256ALT",
    "5112", "5113", "5114", "5121", "5122", "5123", "5124",  # the last eight of rpm 6, for an rpm without their names
)  # fmt: skip
_RECORDS = (
    "BUILDTIME", "BUILDHOST", "COOKIE", "RPMVERSION", "PLATFORM", "ENCODING", "SOURCEPKGID", "HEADERI18NTABLE", "VCS",
    "DISTURL", "SIZE", "LONGSIZE", "INSTALLTIME", "INSTPREFIXES", "FILEDEVICES", "FILEINODES", "FILEMTIMES",
    "FILESTATES", "FILECLASS", "CLASSDICT", "FILEDEPENDSX", "FILEDEPENDSN", "DEPENDSDICT", "SPEC", "1131",
    "FILEMIMEINDEX", "MIMEDICT", "FILEMIMES", "SOURCENEVR",
    "5115", "5116", "5117", "5120",  # the same, for an rpm without their names; SOURCERPM is compared before
)  # fmt: skip
_CODE_FLAGS = re.compile(
    r"-(?:march|mtune|mcpu|mfpu|mbranch-protection|fstack-protector|fstack-clash|fcf-protection|O)[\w=+.-]*"
    r"|-Wp,-[DU]_FORTIFY_SOURCE\S*|-[DU]_FORTIFY_SOURCE\S*|-fPIE|-fexceptions|-D_GLIBCXX_ASSERTIONS"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a pair with its mask."""

    facts: RpmFacts
    mask: Mask


def compare_headers(
    old: Side, new: Side, *, policy: ComparePolicy, debranded: bool
) -> list[Finding]:
    """Findings of all plain tags of one pair."""
    return [
        *_identity(old, new, policy),
        *_release(old.facts, new.facts, policy, debranded=debranded),
        *_brand(old.facts, new.facts, policy),
        *_descriptions(old, new),
        *_build_flags(old.facts, new.facts),
        *_records(old.facts, new.facts),
        *_remaining(old, new),
    ]


def _identity(old: Side, new: Side, policy: ComparePolicy) -> list[Finding]:
    one, two = old.facts, new.facts
    findings = []
    if one.name != two.name and policy.renamed(one.name) == two.name:
        findings.append(
            finding(
                Kind.RENAME, Verdict.EXPECTED, "rename", subject="NAME", old=one.name, new=two.name
            )
        )
    pairs = [
        ("NAME", policy.renamed(one.name), two.name),
        ("EPOCH", one.epoch or 0, two.epoch or 0),
        ("VERSION", one.version, two.version),
        ("ARCH", one.arch, two.arch),
        ("SOURCE", policy.renamed(source_name(one)), source_name(two)),
        ("MODULE", _module(one), _module(two)),
        *((tag, one.tags.get(tag, ""), two.tags.get(tag, "")) for tag in _IDENTITY),
    ]
    findings += [
        finding(Kind.IDENTITY, Verdict.INCOMPATIBLE, "identity", subject=tag, old=before, new=after)
        for tag, before, after in pairs
        if before != after
    ]
    return findings


def source_name(facts: RpmFacts) -> str:
    """The name of the source an RPM was built from; an SRPM's own.

    >>> source_name(RpmFacts(file="", name="foo-libs", source_rpm="foo-1.0-1.el9.src.rpm"))
    'foo'
    """
    if facts.is_source or not facts.source_rpm:
        return facts.name
    return facts.source_rpm.rpartition("-")[0].rpartition("-")[0]


def _module(facts: RpmFacts) -> str:
    """Name and stream of the module; its version and context are the build system's."""
    return ":".join(facts.tags.get("MODULARITYLABEL", "").split(":")[:2])


def _release(
    old: RpmFacts, new: RpmFacts, policy: ComparePolicy, *, debranded: bool
) -> list[Finding]:
    if old.release == new.release:
        return []
    if policy.without_suffix(new.release) == old.release:
        verdict, rule = (
            (Verdict.EXPECTED, "release-suffix")
            if debranded
            else (Verdict.REVIEW, "suffix-without-rule")
        )
    elif policy.mode is Mode.NAMED:
        verdict, rule = Verdict.EQUIVALENT, "named-files"
    else:
        verdict, rule = Verdict.EQUIVALENT, "module-build"
    return [
        finding(Kind.RELEASE, verdict, rule, subject="RELEASE", old=old.release, new=new.release)
    ]


def _brand(old: RpmFacts, new: RpmFacts, policy: ComparePolicy) -> list[Finding]:
    findings = []
    for tag in BRAND_TAGS:
        before, after = old.tags.get(tag, ""), new.tags.get(tag, "")
        wanted = policy.header_tags.get(tag)
        if wanted is None:
            verdict, rule = Verdict.COMPATIBLE, "brand-no-policy"
        elif after == wanted:
            verdict, rule = Verdict.EQUIVALENT, "brand-policy"
        else:
            verdict, rule = (
                Verdict.REVIEW,
                "brand-leak" if after and after == before else "brand-not-policy",
            )
        if before != after or verdict is Verdict.REVIEW:
            findings.append(finding(Kind.BRAND, verdict, rule, subject=tag, old=before, new=after))
    return findings


def _descriptions(old: Side, new: Side) -> list[Finding]:
    translated = sorted(tag for tag in {*old.facts.tags, *new.facts.tags} if "[" in tag)
    return _masked(Kind.DESCRIPTION, (*_DESCRIPTIVE, *translated), old, new)


def _masked(kind: Kind, tags: Iterable[str], old: Side, new: Side) -> list[Finding]:
    findings = []
    for tag in tags:
        before, after = old.facts.tags.get(tag, ""), new.facts.tags.get(tag, "")
        if before == after:
            continue
        same = old.mask.apply(before) == new.mask.apply(after)
        verdict, rule = (
            (Verdict.EQUIVALENT, "own-evr") if same else (Verdict.REVIEW, f"{kind}-differs")
        )
        findings.append(finding(kind, verdict, rule, subject=tag, old=before, new=after))
    return findings


def _build_flags(old: RpmFacts, new: RpmFacts) -> list[Finding]:
    """OPTFLAGS matter where they choose instructions or hardening, and only to what holds code."""
    before, after = old.tags.get("OPTFLAGS", ""), new.tags.get("OPTFLAGS", "")
    if before == after:
        return []
    matters = (
        set(_CODE_FLAGS.findall(before)) != set(_CODE_FLAGS.findall(after)) and new.arch != "noarch"
    )
    verdict, rule = (
        (Verdict.REVIEW, "code-flags") if matters else (Verdict.EQUIVALENT, "build-record")
    )
    return [finding(Kind.BUILD_FLAGS, verdict, rule, subject="OPTFLAGS", old=before, new=after)]


def _records(old: RpmFacts, new: RpmFacts) -> list[Finding]:
    """One line for what only tells how and when it was built, one for how the payload is packed."""
    findings = []
    for kind, tags in ((Kind.BUILD_RECORD, _RECORDS), (Kind.PAYLOAD_FORMAT, _PAYLOAD)):
        differing = [tag for tag in tags if old.tags.get(tag, "") != new.tags.get(tag, "")]
        if differing:
            shown = next(
                (tag for tag in ("BUILDTIME", "PAYLOADCOMPRESSOR") if tag in differing),
                differing[0],
            )
            findings.append(
                finding(
                    kind,
                    Verdict.EQUIVALENT,
                    kind.value,
                    subject=" ".join(differing),
                    old=f"{shown} {old.tags.get(shown, '(none)')}",
                    new=f"{shown} {new.tags.get(shown, '(none)')}",
                )
            )
    return findings


_SETTLED = frozenset(
    {
        *BRAND_TAGS,
        *_DESCRIPTIVE,
        *_IDENTITY,
        *_PAYLOAD,
        *_RECORDS,
        "OPTFLAGS",
        "MODULARITYLABEL",
        "SOURCERPM",
    }
)


def _remaining(old: Side, new: Side) -> list[Finding]:
    """Tags nobody thought of: what differs there is a person's to judge."""
    tags = {
        tag for tag in old.facts.tags.keys() | new.facts.tags.keys() if "[" not in tag
    } - _SETTLED
    return _masked(Kind.TAG, sorted(tags), old, new)
