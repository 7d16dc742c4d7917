"""What to do about a finding that is not acceptable: one next step a kind, shown beside every such
finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from buildfarm.domain.compare.kinds import NAMED_ONLY, NEVER_EXPECTED, Kind
from buildfarm.domain.core.verdict import Finding, Verdict

_REBUILD = "build it again in the vendor's buildroot: compare the locks, then the build logs"
_DECIDE = "read the difference; if it is meant, add it to the rule's `expect:`, else waive it with a reason and an end"
_DEPENDENCY = "compare the versions of the BuildRequires in both buildroots; a generated dependency follows what was linked"
_FILES = "compare both build logs from %install on; a file follows a BuildRequires that one side lacked or a bcond"
_SECURITY = "look for %attr and %caps in the spec and at what set them; lifting it needs a waiver by the security authority"
_LINK = "compare the linker's command lines in both logs and the versions of what it linked"
_EXPORTS = "compare compiler, flags and sources: programs linked against the vendor's library may not start with ours"

NEXT_STEPS: Mapping[Kind, str] = {
    Kind.RPM_MISSING: "find out in the spec why it is not built (bcond, arch, BuildRequires); dropped on purpose: `expect: rpm-missing`",
    Kind.RPM_EXTRA: "find the condition that makes it (bcond, macro) and switch it as the vendor does, or waive it",
    Kind.DAMAGED: "get this file again from where it came and compare once more; nothing can lift an ERROR",
    Kind.UNREADABLE: "compare once more; if it stays, report the file: nothing can lift an ERROR",
    Kind.SIGNATURE: "nothing: each side signs with its own key",
    Kind.PAYLOAD_FORMAT: "set _binary_payload as the vendor does if rpm on the target cannot read it",
    Kind.BUILD_RECORD: "nothing: it records when and where it was built",
    Kind.IDENTITY: "check that both files are the same NAME, VERSION and ARCH; another version is another drop",
    Kind.RELEASE: "set the dist tag and the suffix of the target as the vendor's SRPM has them",
    Kind.RENAME: "name the rename in the source's rule (`rename:`)",
    Kind.BRAND: "set the tag in the target's `header_tags`; our RPM must not carry the vendor's name",
    Kind.DESCRIPTION: _DECIDE,
    Kind.BUILD_FLAGS: "compare the macros %optflags and %build_ldflags of both buildroots (redhat-rpm-config)",
    Kind.TAG: _DECIDE,
    Kind.CHANGELOG: "the vendor's entries must all stand in ours; a rule may only put new ones on top",
    Kind.REQUIRES: _DEPENDENCY,
    Kind.PROVIDES: _DEPENDENCY,
    Kind.CONFLICTS: _DEPENDENCY,
    Kind.OBSOLETES: _DEPENDENCY,
    Kind.WEAK_DEPENDENCY: _DEPENDENCY,
    Kind.ORDER: _DEPENDENCY,
    Kind.SCRIPTLET: "compare the macros that write it (systemd-rpm-macros and the like) in both buildroots",
    Kind.TRIGGER: "compare the macros that write it in both buildroots",
    Kind.FILE_REMOVED: _FILES,
    Kind.FILE_ADDED: _FILES,
    Kind.FILE_TYPE: _FILES,
    Kind.FILE_MODE: _SECURITY,
    Kind.FILE_OWNER: "look for %attr and %defattr in the spec and for the macros in them",
    Kind.FILE_CAPABILITIES: _SECURITY,
    Kind.FILE_LINK: "see what the link should point to: an absolute path of the build is a mistake of the build",
    Kind.FILE_FLAGS: "look for %config, %doc and %ghost in the spec and for the macros in them",
    Kind.FILE_VERIFY: "look for %verify in the spec",
    Kind.FILE_DEVICE: "look for %dev in the spec",
    Kind.FILE_COLOUR: "check that the file was compiled for the arch (file colours follow the ELF class)",
    Kind.FILE_LANGUAGE: "run find-lang as the vendor does; compare the version of gettext",
    Kind.FILE_HARDLINKS: "compare hardlink(1) steps of both logs; the content is judged by itself",
    Kind.BUILD_ID_LINKS: "compare _build_id_links in both buildroots",
    Kind.CONTENT_NORMALISED: "nothing: it is the same once what is named was taken away",
    Kind.CONTENT_SCRIPT: _REBUILD,
    Kind.CONTENT_CONFIG: _DECIDE,
    Kind.CONTENT_DOC: "nothing: documentation has no interface",
    Kind.CONTENT_DATA: _DECIDE,
    Kind.CONTENT_SOURCE: "compare the SRPMs: sources differ before anything was built",
    Kind.CONTENT_DEBUG: "nothing: debugging data has no interface",
    Kind.ELF_HEADER: "check that both were compiled for the same machine, class and ABI flags",
    Kind.ELF_SONAME: "another soname is another library: compare the sources' versions and libtool's version-info",
    Kind.ELF_NEEDED: _LINK,
    Kind.ELF_RPATH: "an RPATH of the build folder is a mistake of the build; compare the linker's command lines",
    Kind.ELF_INTERPRETER: _LINK,
    Kind.ELF_HARDENING: "compare the hardening macros (_hardened_build, %build_ldflags); lost protection is a regression",
    Kind.ELF_IMPORT: _LINK,
    Kind.ELF_CODE: "read both disassemblies: no cause is on record; a rebuild with the vendor's toolchain has equal code",
    Kind.EXPORT_REMOVED: _EXPORTS,
    Kind.EXPORT_ADDED: _EXPORTS,
    Kind.EXPORT_CHANGED: _EXPORTS,
    Kind.ELF_LAYOUT: "find out why the linker laid the file out otherwise: compare the linker's command lines",
    Kind.ELF_DEBUG: "nothing: only debuggers read it",
    Kind.ELF_VERSION: "compare the version scripts of both sources: programs ask for a symbol by its version",
    Kind.MODULE_VERMAGIC: "build it against the kernel that the vendor built it against: depmod refuses another vermagic",
    Kind.MODULE_SIGNATURE: "nothing: each side signs its modules with its own key",
    Kind.MODULE_INFO: _DECIDE,
    Kind.MODULE_CRC: "compare the kernel's configuration and compiler: a module built for the vendor's kernel asks for this CRC",
    Kind.ARCHIVE_MEMBER: "compare the object files that ar was given in both logs",
    Kind.CLASS_VERSION: "compare the JDK and `--release` of both builds: an older JVM refuses a newer class file",
    Kind.CLASS_REMOVED: _EXPORTS,
    Kind.CLASS_ADDED: _DECIDE,
    Kind.CLASS_CHANGED: _EXPORTS,
    Kind.CLASS_CODE: _REBUILD,
    Kind.PE_CODE: _REBUILD,
    Kind.PE_PROTECTION: "compare the linker's options and what signs the file: firmware may refuse to start ours",
    Kind.ABI: "read abidiff's report: what it names changed for programs that were built against the vendor's headers",
    Kind.ABI_CHECK: "run abidiff by hand on both files with their debuginfo; until it ends well nothing is known of the ABI",
}  # fmt: skip


def next_step(item: Finding) -> str:
    """Return what to do about a finding; empty where it is acceptable as it is.

    >>> next_step(Finding(kind="rename", path="", subject="", verdict=Verdict.REVIEW, rule="", old="", new=""))
    "name the rename in the source's rule (`rename:`)"
    """
    if item.verdict.is_compatible or item.verdict is Verdict.UNCOMPARED:
        return ""
    if item.verdict is Verdict.ERROR:
        return NEXT_STEPS[Kind.DAMAGED if item.kind == Kind.DAMAGED else Kind.UNREADABLE]
    return NEXT_STEPS.get(Kind(item.kind), _DECIDE)


def kinds_table() -> Iterator[str]:
    """The published table of kinds, tab-separated: kind, what may lift it, next step."""
    yield "kind\tlifted by\tnext step"
    for kind in Kind:
        lifted = (
            "nothing"
            if kind in NEVER_EXPECTED
            else "its name in full"
            if kind in NAMED_ONLY
            else "its name or a glob"
        )
        yield f"{kind.value}\t{lifted}\t{NEXT_STEPS.get(kind, _DECIDE)}"
