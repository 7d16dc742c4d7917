"""The file lists of two RPMs: paths and attributes.

What differs in content is named, not judged.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from buildfarm.domain.compare.contents.normalise import Mask, is_build_id
from buildfarm.domain.compare.facts.facts import FileEntry
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.compare.metadata.security_paths import is_security_path, privileges
from buildfarm.domain.core.verdict import Finding, Verdict

# rpmfiles.h
CONFIG, DOC, MISSINGOK, NOREPLACE, GHOST, LICENSE, README = (
    1 << 0,
    1 << 1,
    1 << 3,
    1 << 4,
    1 << 6,
    1 << 7,
    1 << 8,
)
_DOC_FLAGS = DOC | LICENSE | README
_FLAG_WORDS = {
    CONFIG: "config", DOC: "doc", MISSINGOK: "missingok", NOREPLACE: "noreplace", GHOST: "ghost", LICENSE: "license",
    README: "readme", 1 << 12: "artifact", 1 << 5: "specfile",
}  # fmt: skip
_HARMLESS_FLAGS = _DOC_FLAGS | 1 << 12
_VERIFIED = (1 << 9) - 1
"""Bits that `rpm -V` looks at (rpmvf.h: RPMVERIFY_FILEDIGEST to RPMVERIFY_CAPS); others mean nothing."""
PRIVILEGED = "privileged-file-"
"""Beginning of the rule of a file with rights of its own that one RPM alone has."""
_LIBRARY = re.compile(r"/lib[^/]*\.(?:so(?:\.[^/]*)?|a)$|/lib64/[^/]+\.so")
_COMMAND = re.compile(r"^(?:/usr)?(?:/local)?/(?:s?bin|libexec|games)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePair:
    """The same file on both sides."""

    old: FileEntry
    new: FileEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class FileComparison:
    """Findings about paths and attributes, and the pairs whose content has to be looked at."""

    findings: tuple[Finding, ...]
    differing: tuple[FilePair, ...]


def compare_files(
    old: Sequence[FileEntry],
    new: Sequence[FileEntry],
    *,
    old_mask: Mask,
    new_mask: Mask,
    digests_comparable: bool,
    is_source: bool,
) -> FileComparison:
    """Compare two file lists; ``digests_comparable`` is false where the two use different digest
    algorithms.
    """
    before = {old_mask.apply(entry.path): entry for entry in old if not _only_names_build_id(entry)}
    after = {new_mask.apply(entry.path): entry for entry in new if not _only_names_build_id(entry)}
    findings = _build_id_note(old, new)
    differing = []
    for path in sorted(before.keys() | after.keys()):
        one, two = before.get(path), after.get(path)
        if one is None or two is None:
            findings.append(_one_sided(one, two))
            continue
        if one.path != two.path:
            findings.append(
                finding(
                    Kind.CONTENT_NORMALISED, Verdict.EQUIVALENT, "own-evr", path=two.path, subject="path",
                    old=one.path, new=two.path,
                )
            )  # fmt: skip
        found = _attributes(one, two, old_mask, new_mask)
        findings += [_in_srpm(item) for item in found] if is_source else found
        if (
            _has_content(one)
            and _has_content(two)
            and (one.digest != two.digest or not digests_comparable)
        ):
            differing.append(FilePair(old=one, new=two))
    return FileComparison(findings=tuple(findings), differing=tuple(differing))


def _has_content(entry: FileEntry) -> bool:
    return stat.S_ISREG(entry.mode) and not entry.flags & GHOST and bool(entry.digest)


def _only_names_build_id(entry: FileEntry) -> bool:
    """Return whether it is a build-id's link, or a folder of such; anything else there is a file."""
    plain = stat.S_ISLNK(entry.mode) or (stat.S_ISDIR(entry.mode) and not privileges(entry))
    return is_build_id(entry.path) and plain


def _build_id_note(old: Sequence[FileEntry], new: Sequence[FileEntry]) -> list[Finding]:
    before, after = (
        {entry.path for entry in side if _only_names_build_id(entry)} for side in (old, new)
    )
    if before == after:
        return []
    return [
        finding(
            Kind.BUILD_ID_LINKS, Verdict.EQUIVALENT, "build-id-ignored", subject="build-id links",
            old=f"{len(before)} paths", new=f"{len(after)} paths",
        )
    ]  # fmt: skip


def _one_sided(old: FileEntry | None, new: FileEntry | None) -> Finding:
    """A file of one side. Documentation has no interface; everything else that only we have is for
    a person, and what has rights, or decides about them, for the security authority.
    """
    entry = old or new
    assert entry is not None
    kind = Kind.FILE_REMOVED if old is not None else Kind.FILE_ADDED
    what = "removed" if old is not None else "added"
    told = {"old" if old is not None else "new": _told(entry)}
    verdict = Verdict.INCOMPATIBLE if old is not None else Verdict.REVIEW
    if privileges(entry):
        rule = f"{PRIVILEGED}{what}"
    elif is_documentation(entry) and not _is_executable(entry):
        rule = f"documentation-{what}"
        verdict = Verdict.REVIEW if old is not None else Verdict.COMPATIBLE
    elif stat.S_ISDIR(entry.mode) and old is None and not is_security_path(entry.path):
        rule, verdict = "folder-added", Verdict.COMPATIBLE
    else:
        rule = f"{_sort(entry.path)}-{what}"
    return finding(kind, verdict, rule, path=entry.path, **told)


def _sort(path: str) -> str:
    """Return what a path is, as the rule of a finding calls it."""
    if is_security_path(path):
        return "security-path"
    if _LIBRARY.search(path):
        return "library"
    return "command" if _COMMAND.match(path) else "file"


def _is_executable(entry: FileEntry) -> bool:
    return stat.S_ISREG(entry.mode) and bool(entry.mode & 0o111)


def _told(entry: FileEntry) -> str:
    target = f" → {entry.target}" if entry.target else ""
    words = ", ".join(privileges(entry))
    return (
        f"{stat.filemode(entry.mode)} {entry.user}:{entry.group} {entry.size} bytes{target}"
        f"{f' ({words})' if words else ''}"
    )


def _attributes(old: FileEntry, new: FileEntry, old_mask: Mask, new_mask: Mask) -> list[Finding]:
    path = new.path
    if stat.S_IFMT(old.mode) != stat.S_IFMT(new.mode):
        return [
            finding(
                Kind.FILE_TYPE,
                Verdict.INCOMPATIBLE,
                "file-type",
                path=path,
                old=_told(old),
                new=_told(new),
            )
        ]
    findings = []
    link = stat.S_ISLNK(old.mode)
    checks: list[tuple[Kind, Verdict, object, object]] = [
        (
            Kind.FILE_OWNER,
            Verdict.INCOMPATIBLE,
            f"{old.user}:{old.group}",
            f"{new.user}:{new.group}",
        ),
        (Kind.FILE_CAPABILITIES, Verdict.INCOMPATIBLE, _caps(old.caps), _caps(new.caps)),
        (
            Kind.FILE_VERIFY,
            Verdict.REVIEW,
            f"{old.verify & _VERIFIED:#x}",
            f"{new.verify & _VERIFIED:#x}",
        ),
        (Kind.FILE_COLOUR, Verdict.REVIEW, old.colour, new.colour),
        (Kind.FILE_LANGUAGE, Verdict.REVIEW, old.langs, new.langs),
    ]
    if not link:
        checks.append(
            (
                Kind.FILE_MODE,
                Verdict.INCOMPATIBLE,
                f"{old.mode & 0o7777:04o}",
                f"{new.mode & 0o7777:04o}",
            )
        )
    if stat.S_ISCHR(old.mode) or stat.S_ISBLK(old.mode):
        checks.append(
            (Kind.FILE_DEVICE, Verdict.INCOMPATIBLE, f"{old.device:#x}", f"{new.device:#x}")
        )
    findings = [
        finding(kind, verdict, kind.value, path=path, old=before, new=after)
        for kind, verdict, before, after in checks
        if before != after
    ]
    if link and old.target != new.target:
        same = old_mask.apply(old.target) == new_mask.apply(new.target)
        verdict, rule = (
            (Verdict.EQUIVALENT, "own-evr") if same else (Verdict.INCOMPATIBLE, "file-link")
        )
        findings.append(
            finding(Kind.FILE_LINK, verdict, rule, path=path, old=old.target, new=new.target)
        )
    if old.flags != new.flags:
        findings.append(_flags(old, new))
    return findings + _hardlinks(old, new, old_mask.apply, new_mask.apply)


def _caps(caps: str) -> str:
    """Capabilities in one spelling; a lone ``=`` is the empty set, as no capabilities at all.

    >>> _caps("="), _caps("= cap_net_raw+p"), _caps("cap_net_raw=p")
    ('', 'cap_net_raw+p', 'cap_net_raw+p')
    """
    words = caps.split()
    if words[:1] == ["="]:
        words = words[1:]
    return " ".join(word.replace("=", "+") for word in words)


def _flags(old: FileEntry, new: FileEntry) -> Finding:
    changed = old.flags ^ new.flags
    if changed & ~_HARMLESS_FLAGS:
        verdict, rule = Verdict.INCOMPATIBLE, "file-flags"
    elif changed & (DOC | LICENSE):  # `dnf install --nodocs` leaves %doc out, and keeps %license
        verdict, rule = Verdict.REVIEW, "file-flags-doc"
    else:
        verdict, rule = Verdict.COMPATIBLE, "file-flags-doc"
    return finding(
        Kind.FILE_FLAGS, verdict, rule, path=new.path, old=_words(old.flags), new=_words(new.flags)
    )


def _words(flags: int) -> str:
    return " ".join(word for bit, word in _FLAG_WORDS.items() if flags & bit) or f"{flags:#x}"


def _hardlinks(
    old: FileEntry, new: FileEntry, old_name: Callable[[str], str], new_name: Callable[[str], str]
) -> list[Finding]:
    before, after = (
        {old_name(path) for path in old.hardlinks},
        {new_name(path) for path in new.hardlinks},
    )
    if before == after:
        return []
    return [
        finding(
            Kind.FILE_HARDLINKS, Verdict.REVIEW, "file-hardlinks", path=new.path, old=" ".join(sorted(before)),
            new=" ".join(sorted(after)),
        )
    ]  # fmt: skip


def _in_srpm(item: Finding) -> Finding:
    """An SRPM's files carry the builder's user and modes: they end in nobody's system."""
    if item.kind not in (Kind.FILE_MODE, Kind.FILE_OWNER, Kind.FILE_VERIFY):
        return item
    return finding(
        Kind(item.kind),
        Verdict.EQUIVALENT,
        "srpm-attributes",
        path=item.path,
        old=item.old,
        new=item.new,
    )


def is_documentation(entry: FileEntry) -> bool:
    """Return whether a file is for people to read: flagged so, or a man or info page."""
    return bool(entry.flags & _DOC_FLAGS) or entry.path.startswith(
        ("/usr/share/man/", "/usr/share/info/")
    )
