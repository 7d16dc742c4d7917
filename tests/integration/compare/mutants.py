"""The mutants: each changes one thing in the sample's spec, and names what the comparison has to
say of it.

``python -m tests.integration.compare.mutants`` prints ``docs/mutants.md``.
"""

from __future__ import annotations

import sys

from buildfarm.domain.compare.kinds import Kind
from buildfarm.domain.core.verdict import Verdict

C, E, I, R = Verdict.COMPATIBLE, Verdict.EQUIVALENT, Verdict.INCOMPATIBLE, Verdict.REVIEW  # noqa: E741

# name: (spec edit, kind, verdict, word that the finding's subject or path holds)
MUTANTS: dict[str, tuple[tuple[str, str], Kind, Verdict, str]] = {
    "link-same-length": (("ln -s libsample.so.1.0", "ln -s libsample.so.1.9"), Kind.FILE_LINK, I, "libsample.so.1"),
    "capability": (("%caps(cap_net_raw=p)", "%caps(cap_net_raw=ep)"), Kind.FILE_CAPABILITIES, I, "/usr/bin/sample"),
    "no-capability": (("%caps(cap_net_raw=p) ", ""), Kind.FILE_CAPABILITIES, I, "/usr/bin/sample"),
    "trigger-body": (("echo trigger body", "echo trigger bodx"), Kind.TRIGGER, I, "watched"),
    "trigger-condition": (("watched >= 2", "watched >= 3"), Kind.TRIGGER, I, "watched >= 3"),
    "file-trigger-body": (("echo file trigger body", "echo file trigger bodx"), Kind.TRIGGER, I, "FILETRIGGER"),
    "transfiletrigger-body": (("echo transaction", "echo transactiox"), Kind.TRIGGER, I, "TRANSFILETRIGGER"),
    "transfiletrigger-priority": (("-P 2000", "-P 3000"), Kind.TRIGGER, I, "priority"),
    "post-interpreter": (("%post\n", "%post -p /bin/bash\n"), Kind.SCRIPTLET, I, "POSTIN"),
    "post-body": (("echo installed", "echo Installed"), Kind.SCRIPTLET, I, "POSTIN"),
    "post-flags": (("%post\n", "%post -q\n"), Kind.SCRIPTLET, I, "POSTIN"),
    "postun-gone": (("%postun -p /sbin/ldconfig\n", ""), Kind.SCRIPTLET, I, "POSTUN"),
    "requires-gone": (("Requires: bash >= 4\n", ""), Kind.REQUIRES, I, "bash"),
    "requires-version": (("bash >= 4", "bash >= 5"), Kind.REQUIRES, I, "bash"),
    "requires-sense": (("Requires(post): core", "Requires(postun): core"), Kind.REQUIRES, R, "coreutils"),
    "requires-added": (("Requires: bash >= 4", "Requires: bash >= 4\nRequires: more"), Kind.REQUIRES, I, "more"),
    "rich": (("(grep or sed)", "(grep and sed)"), Kind.REQUIRES, I, "grep"),
    "rich-order": (("(grep or sed)", "(sed or grep)"), Kind.REQUIRES, E, "of its own"),
    "provides-gone": (("Provides: sample-api = 2\n", ""), Kind.PROVIDES, I, "sample-api"),
    "provides-added": (("sample-api = 2", "sample-api = 2\nProvides: new-api"), Kind.PROVIDES, R, "new-api"),
    "conflicts": (("rival < 3", "rival < 4"), Kind.CONFLICTS, I, "rival"),
    "obsoletes": (("Obsoletes: older < 1\n", ""), Kind.OBSOLETES, I, "older"),
    "recommends": (("weak-one", "weak-two"), Kind.WEAK_DEPENDENCY, R, "weak-two"),
    "order": (("earlier", "earliest"), Kind.ORDER, R, "earliest"),
    "mode": (("%attr(0755,root,root) /usr", "%attr(0754,root,root) /usr"), Kind.FILE_MODE, I, "/usr/bin/sample-run"),
    "setuid": (("%attr(0755,root,root) /usr", "%attr(4755,root,root) /usr"), Kind.FILE_MODE, I, "sample-run"),
    "owner": (("(0755,root,root) /usr", "(0755,daemon,root) /usr"), Kind.FILE_OWNER, I, "sample-run"),
    "group": (("(0755,root,root) /usr", "(0755,root,daemon) /usr"), Kind.FILE_OWNER, I, "sample-run"),
    "config-flag": (("%config(noreplace)", "%config"), Kind.FILE_FLAGS, I, "/etc/sample.conf"),
    "ghost-gone": (("%ghost /var/lib/sample.state\n", ""), Kind.FILE_REMOVED, I, "sample.state"),
    "verify-flags": (("%config(noreplace)", "%verify(not md5) %config(noreplace)"), Kind.FILE_VERIFY, R, "sample.conf"),
    "language": (("\n/usr/share/man", "\n%lang(de) /usr/share/man"), Kind.FILE_LANGUAGE, R, "sample.1.gz"),
    "hard-link-content": (("printf 'data", "printf 'date"), Kind.CONTENT_DATA, R, "hard.txt"),
    "hard-link-broken": (("\nln $d/usr", "\ncp -p $d/usr"), Kind.FILE_HARDLINKS, R, "data.txt"),
    "file-gone": (("printf 'other\\n' > $d/usr/share/sample/other.txt", ":"), Kind.FILE_REMOVED, I, "other.txt"),
    "file-added": (("\nprintf 'other", "\necho > $d/usr/share/sample/n; printf 'other"), Kind.FILE_ADDED, R, "/n"),
    "file-to-link": (
        ("printf 'other\\n' > $d/usr/share/sample/other.txt", "ln -s data.txt $d/usr/share/sample/other.txt"),
        Kind.FILE_TYPE, I, "other.txt",
    ),
    "script-content": (("echo run", "echo ran"), Kind.CONTENT_SCRIPT, I, "/usr/bin/sample-run"),
    "config-content": (("setting = 1", "setting = 2"), Kind.CONTENT_CONFIG, R, "/etc/sample.conf"),
    "data-content": (("printf 'other", "printf 'othex"), Kind.CONTENT_DATA, R, "other.txt"),
    "man-content": ((".TH SAMPLE 1", ".TH SAMPLE 8"), Kind.CONTENT_DOC, C, "sample.1.gz"),
    "doc-content": (("Read me", "Read it"), Kind.CONTENT_DOC, C, "README"),
    "summary": (("Summary: A sample", "Summary: A simple"), Kind.DESCRIPTION, R, "SUMMARY"),
    "licence": (("License: MIT", "License: BSD"), Kind.DESCRIPTION, R, "LICENSE"),
    "epoch": (("Version: 1.0", "Version: 1.0\nEpoch: 1"), Kind.IDENTITY, I, "EPOCH"),
    "prefix": (("Summary: A sample", "Prefix: /usr\nSummary: A sample"), Kind.TAG, R, "PREFIXES"),
    "changelog-rewritten": (("- second", "- Second"), Kind.CHANGELOG, R, "entries"),
    "changelog-longer": (
        ("%changelog\n", "%changelog\n* Wed Jan 03 2024 A <a@example.org> - 1.0-1\n- third\n"),
        Kind.CHANGELOG, C, "top",
    ),
    "export-gone": (("sample_two; ", ""), Kind.EXPORT_REMOVED, I, "sample_two@SAMPLE_1"),
    "export-weak-gone": (("sample_weak; ", ""), Kind.EXPORT_REMOVED, I, "sample_weak@SAMPLE_1"),
    "export-template-gone": (("_Z3addIiET_S0_; ", ""), Kind.EXPORT_REMOVED, R, "_Z3addIiET_S0_@SAMPLE_1"),
    "export-added": (
        ("int sample_two(void)", "int sample_weak2(void) { return 3; }\nint sample_two(void)"),
        Kind.EXPORT_ADDED, C, "sample_weak2",
    ),
    "object-size": (("sample_table[4]", "sample_table[5]"), Kind.EXPORT_CHANGED, I, "sample_table"),
    "symbol-version": (("SAMPLE_1 {", "SAMPLE_2 {"), Kind.EXPORT_REMOVED, I, "sample_one@SAMPLE_1"),
    "soname": (("-soname,libsample.so.1 ", "-soname,libsample.so.2 "), Kind.ELF_SONAME, I, "SONAME"),
    "needed": (("so.1.0 lib.c", "so.1.0 lib.c -Wl,--no-as-needed -lm"), Kind.ELF_NEEDED, I, "libm"),
    "rpath": (("-o sample main.c", "-o sample main.c -Wl,-rpath,/opt/x"), Kind.ELF_RPATH, R, "RPATH"),
    "no-bind-now": (("-z,relro,-z,now", "-z,relro,-z,lazy"), Kind.ELF_HARDENING, R, "bindnow"),
    "exec-stack": (("-z,relro,-z,now", "-z,relro,-z,now,-z,execstack"), Kind.ELF_HARDENING, R, "nx"),
    "no-pie": (("-pie -fPIE", "-no-pie -fno-pie"), Kind.ELF_HEADER, I, "type"),
    "code": (('puts("one")', 'puts("two")'), Kind.ELF_CODE, R, "/usr/bin/sample"),
    "archive-symbol": (
        ("\ngcc -O1 -c -o lib.o", "\nsed -i s/sample_two/sample_duo/ lib.c\ngcc -O1 -c -o lib.o"),
        Kind.EXPORT_REMOVED, I, "sample_two",
    ),
    # dependencies
    "requires-less": (("bash >= 4", "bash <= 4"), Kind.REQUIRES, I, "bash"),
    "requires-unversioned": (("Requires: bash >= 4", "Requires: bash"), Kind.REQUIRES, I, "bash"),
    "requires-epoch": (("bash >= 4", "bash >= 1:4"), Kind.REQUIRES, I, "bash"),
    "requires-pre": (("Requires(post): coreutils", "Requires(pre): coreutils"), Kind.REQUIRES, R, "coreutils"),
    "requires-plain": (("Requires(post): coreutils", "Requires: coreutils"), Kind.REQUIRES, R, "coreutils"),
    "requires-file": (("Requires: bash >= 4", "Requires: bash >= 4\nRequires: /usr/bin/perl"), Kind.REQUIRES, I, "/usr/bin/perl"),
    "requires-own-any": (("%{name}-data = %{version}-%{release}", "%{name}-data"), Kind.REQUIRES, I, "sample-data"),
    "requires-own-at-least": (("%{name}-data = %{version}", "%{name}-data >= %{version}"), Kind.REQUIRES, I, "sample-data"),
    "rich-if": (("(grep or sed)", "(grep if sed)"), Kind.REQUIRES, I, "grep"),
    "rich-version": (("(grep or sed)", "(grep >= 2 or sed)"), Kind.REQUIRES, I, "grep"),
    "rich-more": (("(grep or sed)", "(grep or sed or awk)"), Kind.REQUIRES, I, "grep"),
    "provides-version": (("sample-api = 2", "sample-api = 3"), Kind.PROVIDES, I, "sample-api"),
    "provides-unversioned": (("sample-api = 2", "sample-api"), Kind.PROVIDES, I, "sample-api"),
    "conflicts-gone": (("Conflicts: rival < 3\n", ""), Kind.CONFLICTS, I, "rival"),
    "conflicts-added": (("Conflicts: rival < 3", "Conflicts: rival < 3\nConflicts: other"), Kind.CONFLICTS, I, "other"),
    "obsoletes-version": (("older < 1", "older < 2"), Kind.OBSOLETES, I, "older"),
    "obsoletes-added": (("Obsoletes: older < 1", "Obsoletes: older < 1\nObsoletes: oldest"), Kind.OBSOLETES, I, "oldest"),
    "recommends-gone": (("Recommends: weak-one\n", ""), Kind.WEAK_DEPENDENCY, R, "weak-one"),
    "suggests": (("Recommends: weak-one", "Recommends: weak-one\nSuggests: idea"), Kind.WEAK_DEPENDENCY, R, "idea"),
    "supplements": (("Recommends: weak-one", "Recommends: weak-one\nSupplements: big"), Kind.WEAK_DEPENDENCY, R, "big"),
    "enhances": (("Recommends: weak-one", "Recommends: weak-one\nEnhances: big"), Kind.WEAK_DEPENDENCY, R, "big"),
    "recommends-to-requires": (("Recommends: weak-one", "Requires: weak-one"), Kind.REQUIRES, I, "weak-one"),
    "order-gone": (("OrderWithRequires: earlier\n", ""), Kind.ORDER, R, "earlier"),
    # scripts
    "pre-added": (("%post\n", "%pre\necho before\n%post\n"), Kind.SCRIPTLET, I, "PREIN"),
    "preun-body": (("echo going", "echo gone"), Kind.SCRIPTLET, I, "PREUN"),
    "preun-interpreter": (("%preun -p /bin/bash", "%preun -p /bin/dash"), Kind.SCRIPTLET, I, "PREUN"),
    "postun-interpreter": (("%postun -p /sbin/ldconfig", "%postun -p /sbin/depmod"), Kind.SCRIPTLET, I, "POSTUN"),
    "pretrans-added": (("%post\n", "%pretrans -p <lua>\nprint(1)\n%post\n"), Kind.SCRIPTLET, I, "PRETRANS"),
    "posttrans-added": (("%post\n", "%posttrans\necho done\n%post\n"), Kind.SCRIPTLET, I, "POSTTRANS"),
    "verifyscript-added": (("%post\n", "%verifyscript\necho fine\n%post\n"), Kind.SCRIPTLET, I, "VERIFYSCRIPT"),
    "post-expand": (("%post\n", "%post -e\n"), Kind.SCRIPTLET, I, "POSTIN"),
    "post-blank-line": (("echo installed", "\n\necho installed"), Kind.SCRIPTLET, C, "POSTIN"),
    "post-comment": (("echo installed", "# made by a tool\necho installed"), Kind.SCRIPTLET, C, "POSTIN"),
    "trigger-kind": (("%triggerun -- watched", "%triggerin -- watched"), Kind.TRIGGER, I, "watched"),
    "trigger-gone": (("%triggerun -- watched >= 2\necho trigger body\n", ""), Kind.TRIGGER, I, "watched"),
    "trigger-interpreter": (("%triggerun -- watched", "%triggerun -p /bin/bash -- watched"), Kind.TRIGGER, I, "watched"),
    "file-trigger-path": (("-- /usr/lib/watched", "-- /usr/lib/watchex"), Kind.TRIGGER, I, "/usr/lib/watche"),
    "file-trigger-kind": (("%filetriggerin", "%filetriggerun"), Kind.TRIGGER, I, "/usr/lib/watched"),
    "file-trigger-priority": (("%filetriggerin --", "%filetriggerin -P 5 --"), Kind.TRIGGER, I, "priority"),
    "transfiletrigger-gone": (
        ("%transfiletriggerin -P 2000 -- /usr/share/watched\necho transaction file trigger body\n", ""), Kind.TRIGGER, I,
        "TRANSFILETRIGGER",
    ),
    "transfiletrigger-path": (("-- /usr/share/watched", "-- /usr/share/watchex"), Kind.TRIGGER, I, "watche"),
    # files
    "mode-more": (
        ("%attr(0755,root,root) /usr/bin/sample-run", "%attr(0775,root,root) /usr/bin/sample-run"),
        Kind.FILE_MODE, I, "sample-run",
    ),
    "setgid": (
        ("%attr(0755,root,root) /usr/bin/sample-run", "%attr(2755,root,root) /usr/bin/sample-run"),
        Kind.FILE_MODE, I, "sample-run",
    ),
    "data-mode": (("%attr(0644,root,root) /usr/share", "%attr(0640,root,root) /usr/share"), Kind.FILE_MODE, I, "other.txt"),
    "folder-not-owned": (
        ("%attr(0644,root,root) /usr/share/sample\n", "%attr(0644,root,root) /usr/share/sample/*\n"), Kind.FILE_REMOVED, I,
        "/usr/share/sample",
    ),
    "config-gone": (("%config(noreplace) /etc", "/etc"), Kind.FILE_FLAGS, I, "/etc/sample.conf"),
    "config-missingok": (("%config(noreplace)", "%config(noreplace,missingok)"), Kind.FILE_FLAGS, I, "/etc/sample.conf"),
    "licence-flag": (("%doc /usr/share/doc", "%license /usr/share/doc"), Kind.FILE_FLAGS, R, "README"),
    "artifact-flag": (("\n/usr/share/man", "\n%artifact /usr/share/man"), Kind.FILE_FLAGS, C, "sample.1.gz"),
    "ghost-of-a-file": (("%config(noreplace) /etc", "%ghost %config(noreplace) /etc"), Kind.FILE_FLAGS, I, "/etc/sample.conf"),
    "ghost-path": (("%ghost /var/lib/sample.state", "%ghost /var/lib/sample.stats"), Kind.FILE_REMOVED, I, "sample.state"),
    "verify-mode": (("%config(noreplace)", "%verify(not mode) %config(noreplace)"), Kind.FILE_VERIFY, R, "sample.conf"),
    "device": (("%ghost /var", "%dev(c,1,3) /dev/sample-null\n%ghost /var"), Kind.FILE_ADDED, R, "/dev/sample-null"),
    "capability-added": (
        ("%attr(0755,root,root) /usr/bin/sample-run", "%attr(0755,root,root) %caps(cap_setuid=ep) /usr/bin/sample-run"),
        Kind.FILE_CAPABILITIES, I, "sample-run",
    ),
    "link-absolute": (("ln -s libsample.so.1.0", "ln -s /usr/lib64/libsample.so.1.0"), Kind.FILE_LINK, I, "libsample.so.1"),
    "link-to-file": (("ln -s libsample.so.1.0 $d/usr/lib64", "cp libsample.so.1.0 $d/usr/lib64"), Kind.FILE_TYPE, I, "libsample.so.1"),
    "file-renamed": (("/usr/share/sample/other.txt", "/usr/share/sample/Other.txt"), Kind.FILE_REMOVED, I, "other.txt"),
    "file-emptied": (("printf 'other\\n' > ", ": > "), Kind.CONTENT_DATA, R, "other.txt"),
    "file-type-folder": (
        ("printf 'other\\n' > $d/usr/share/sample/other.txt", "mkdir $d/usr/share/sample/other.txt"),
        Kind.FILE_TYPE, I, "other.txt",
    ),
    "executable-added": (("chmod 0755", "cp $d/usr/bin/sample-run $d/usr/share/sample/x; chmod 0755"), Kind.FILE_ADDED, R, "/x"),
    # content
    "shebang": (("#!/bin/sh", "#!/bin/bash"), Kind.CONTENT_SCRIPT, I, "sample-run"),
    "trailing-space": (("setting = 1", "setting = 1 "), Kind.CONTENT_CONFIG, R, "sample.conf"),
    "gzip-content": ((".TH SAMPLE 1", ".TH SIMPLE 1"), Kind.CONTENT_DOC, C, "sample.1.gz"),
    # description
    "description": (("Text of a sample.", "Text of a simple."), Kind.DESCRIPTION, R, "DESCRIPTION"),
    "url": (("https://example.org/", "https://example.com/"), Kind.DESCRIPTION, R, "URL"),
    "rpm-group": (("Group: Unspecified", "Group: Games"), Kind.DESCRIPTION, R, "GROUP"),
    "translation": (
        ("Text of a sample.\n", "Text of a sample.\n%description -l de\nText eines Musters.\n"), Kind.DESCRIPTION, R, "DESCRIPTION[de]",
    ),
    "summary-translated": (("Summary: A sample", "Summary: A sample\nSummary(de): Ein Muster"), Kind.DESCRIPTION, R, "SUMMARY"),
    "vcs": (("URL: https", "VCS: git:https://example.org/x\nURL: https"), Kind.BUILD_RECORD, E, "VCS"),
    "bugurl": (("URL: https", "BugURL: https://bugs.example.org/\nURL: https"), Kind.BRAND, C, "BUGURL"),
    "modularity": (("URL: https", "ModularityLabel: m:1:2:3\nURL: https"), Kind.IDENTITY, I, "MODULE"),
    "changelog-gone": (("* Mon Jan 01 2024 A Person <a@example.org> - 0.9-1\n- first\n", ""), Kind.CHANGELOG, C, "oldest"),
    "changelog-author": (("* Tue Jan 02 2024 A Person", "* Tue Jan 02 2024 B Person"), Kind.CHANGELOG, R, "entries"),
    # ELF
    "export-object-gone": (("sample_table; ", ""), Kind.EXPORT_REMOVED, I, "sample_table@SAMPLE_1"),
    "export-became-weak": (
        ("int sample_two(void) {", "__attribute__((weak)) int sample_two(void) {"),
        Kind.EXPORT_CHANGED, C, "sample_two",
    ),
    "export-became-object": (("int sample_two(void) { return 2; }", "int sample_two = 2;"), Kind.EXPORT_CHANGED, I, "sample_two"),
    "export-protected": (
        ("int sample_two(void) {", '__attribute__((visibility("protected"))) int sample_two(void) {'), Kind.EXPORT_CHANGED, R, "sample_two",
    ),
    "soname-gone": (("-Wl,-soname,libsample.so.1 ", ""), Kind.ELF_SONAME, I, "SONAME"),
    "interpreter": (("-o sample main.c", "-o sample main.c -Wl,--dynamic-linker=/lib/ld.so"), Kind.ELF_INTERPRETER, I, "/usr/bin/sample"),
    "no-relro": (("-z,relro,-z,now", "-z,norelro,-z,now"), Kind.ELF_HARDENING, R, "relro"),
    "import": (('puts("one")', 'puts("one"); getpid()'), Kind.ELF_IMPORT, C, "undefined symbols"),
    "stripped": (("-o sample main.c", "-s -o sample main.c"), Kind.ELF_DEBUG, C, "/usr/bin/sample"),
    "data-constant": (("{1, 2, 3, 4}", "{1, 2, 3, 5}"), Kind.ELF_CODE, R, "libsample"),
    "archive-member-added": (
        ("ar rcD libsample.a lib.o", "cp lib.o two.o; ar rcD libsample.a lib.o two.o"),
        Kind.ARCHIVE_MEMBER, C, "two.o",
    ),
    "runpath-origin": (("-o sample main.c", "-o sample main.c -Wl,-rpath,'$ORIGIN/../lib'"), Kind.ELF_RPATH, R, "RUNPATH"),
}  # fmt: skip

WHOLE_FILE_EDITS = {"export-added": ((" sample_weak;", " sample_weak; sample_weak2;"),)}


def table() -> str:
    """The mutants as documentation: what is changed, what kind of finding must say so, and how bad
    that is.
    """
    rows = [
        f"| {name} | {_shown(old)} | {_shown(new)} | {kind.value} | {verdict.value} |"
        for name, ((old, new), kind, verdict, _) in sorted(
            MUTANTS.items(), key=lambda item: (item[1][1].value, item[0])
        )
    ]
    return "\n".join(
        [
            "# What the comparison must see", "",
            "Each row is an RPM that rpmbuild makes from the same spec with one thing changed, compared with the one from the unchanged",
            "spec. It is caught only if a finding of this kind and this verdict names the thing. Made from",
            "`tests/integration/compare/mutants.py` by `python -m tests.integration.compare.mutants`; a test keeps both alike.", "",
            f"{len(MUTANTS)} mutants, {len({kind for _, kind, _, _ in MUTANTS.values()})} kinds of findings. More, of single files, are in",
            "`test_compare_elf.py`, `test_compare_objects.py`, `test_compare_java.py`, `test_compare_both_sides.py`",
            "and `test_compare_normalisers.py`.", "",
            "| mutant | instead of | there is | kind | verdict |", "| --- | --- | --- | --- | --- |", *rows, "",
        ]
    )  # fmt: skip


def _shown(text: str) -> str:
    plain = text.strip("\n").replace("\n", " ⏎ ").replace("|", "\\|")
    return f"`{plain}`" if plain else "(nothing)"


if __name__ == "__main__":
    sys.stdout.write(table())
