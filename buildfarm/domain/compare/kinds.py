"""The published enumeration of finding kinds; the values are part of the JSON form, of ``expect:``
and of waivers.
"""

from __future__ import annotations

import enum

from buildfarm.domain.core.verdict import Finding, Verdict


class Kind(enum.StrEnum):
    """What sort of difference a finding tells of. A value is never renamed or reused."""

    # the set
    RPM_MISSING = "rpm-missing"
    RPM_EXTRA = "rpm-extra"
    # the file as a whole
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    SIGNATURE = "signature"
    PAYLOAD_FORMAT = "payload-format"
    BUILD_RECORD = "build-record"
    # identity and description
    IDENTITY = "identity"
    RELEASE = "release"
    RENAME = "rename"
    BRAND = "brand-tag"
    DESCRIPTION = "description"
    BUILD_FLAGS = "build-flags"
    TAG = "tag"
    CHANGELOG = "changelog"
    # dependencies
    REQUIRES = "requires"
    PROVIDES = "provides"
    CONFLICTS = "conflicts"
    OBSOLETES = "obsoletes"
    WEAK_DEPENDENCY = "weak-dependency"
    ORDER = "order"
    # scripts
    SCRIPTLET = "scriptlet"
    TRIGGER = "trigger"
    # files
    FILE_REMOVED = "file-removed"
    FILE_ADDED = "file-added"
    FILE_TYPE = "file-type"
    FILE_MODE = "file-mode"
    FILE_OWNER = "file-owner"
    FILE_CAPABILITIES = "file-capabilities"
    FILE_LINK = "file-link"
    FILE_FLAGS = "file-flags"
    FILE_VERIFY = "file-verify"
    FILE_DEVICE = "file-device"
    FILE_COLOUR = "file-colour"
    FILE_LANGUAGE = "file-language"
    FILE_HARDLINKS = "file-hardlinks"
    BUILD_ID_LINKS = "build-id-links"
    # content
    CONTENT_NORMALISED = "content-normalised"
    CONTENT_SCRIPT = "content-script"
    CONTENT_CONFIG = "content-config"
    CONTENT_DOC = "content-doc"
    CONTENT_DATA = "content-data"
    CONTENT_SOURCE = "content-source"
    CONTENT_DEBUG = "content-debug"
    # ELF
    ELF_HEADER = "elf-header"
    ELF_SONAME = "elf-soname"
    ELF_NEEDED = "elf-needed"
    ELF_RPATH = "elf-rpath"
    ELF_INTERPRETER = "elf-interpreter"
    ELF_HARDENING = "elf-hardening"
    ELF_IMPORT = "elf-import"
    ELF_CODE = "elf-code"
    ELF_LAYOUT = "elf-layout"
    ELF_DEBUG = "elf-debug"
    ELF_VERSION = "elf-version"
    EXPORT_REMOVED = "export-removed"
    EXPORT_ADDED = "export-added"
    EXPORT_CHANGED = "export-changed"
    # kernel modules, static archives, Java classes
    MODULE_VERMAGIC = "module-vermagic"
    MODULE_SIGNATURE = "module-signature"
    MODULE_INFO = "module-info"
    MODULE_CRC = "module-crc"
    ARCHIVE_MEMBER = "archive-member"
    CLASS_VERSION = "class-version"
    CLASS_REMOVED = "class-removed"
    CLASS_ADDED = "class-added"
    CLASS_CHANGED = "class-changed"
    CLASS_CODE = "class-code"
    # PE files: Windows, EFI
    PE_CODE = "pe-code"
    PE_PROTECTION = "pe-protection"
    # the ABI, as abidiff sees it
    ABI = "abi"
    ABI_CHECK = "abi-check"


NEVER_EXPECTED = frozenset({Kind.DAMAGED, Kind.UNREADABLE})
"""Kinds that no rule and no waiver can lift: an ERROR is not a difference, it is ignorance."""

NAMED_ONLY = frozenset(
    {
        Kind.RPM_MISSING,
        Kind.RPM_EXTRA,
        Kind.IDENTITY,
        Kind.REQUIRES,
        Kind.PROVIDES,
        Kind.CONFLICTS,
        Kind.OBSOLETES,
        Kind.WEAK_DEPENDENCY,
        Kind.ORDER,
        Kind.FILE_REMOVED,
        Kind.FILE_ADDED,
        Kind.FILE_TYPE,
        Kind.FILE_MODE,
        Kind.FILE_OWNER,
        Kind.FILE_CAPABILITIES,
        Kind.FILE_DEVICE,
        Kind.ELF_HEADER,
        Kind.ELF_SONAME,
        Kind.ELF_NEEDED,
        Kind.ELF_INTERPRETER,
        Kind.EXPORT_REMOVED,
        Kind.EXPORT_ADDED,
        Kind.EXPORT_CHANGED,
        Kind.ELF_VERSION,
        Kind.MODULE_VERMAGIC,
        Kind.MODULE_CRC,
        Kind.CLASS_VERSION,
        Kind.CLASS_REMOVED,
        Kind.CLASS_CHANGED,
        Kind.ABI,
        Kind.ABI_CHECK,
    }
)
"""Kinds that a wildcard in ``expect:`` or in a waiver never covers: they must be named in full."""

_EVIDENCE_CHARACTERS = 400


def finding(
    kind: Kind,
    verdict: Verdict,
    rule: str,
    *,
    path: str = "",
    subject: str = "",
    old: object = "",
    new: object = "",
) -> Finding:
    """A finding whose evidence is cut to a readable length, visibly.

    >>> finding(Kind.FILE_MODE, Verdict.INCOMPATIBLE, "file-mode", path="/a", old="0755", new="0644").kind
    'file-mode'
    """
    return Finding(
        kind=kind.value,
        path=path,
        subject=subject,
        verdict=verdict,
        rule=rule,
        old=_cut(str(old)),
        new=_cut(str(new)),
    )


def _cut(text: str) -> str:
    return (
        text
        if len(text) <= _EVIDENCE_CHARACTERS
        else f"{text[:_EVIDENCE_CHARACTERS]}… ({len(text)} characters)"
    )
