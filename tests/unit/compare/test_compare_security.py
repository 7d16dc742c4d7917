"""Files that only one RPM has, and who may accept a difference of a file with rights."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from buildfarm.domain.compare.contents.normalise import NO_MASK
from buildfarm.domain.compare.contents.shell import without_comments
from buildfarm.domain.compare.expect import expected, needs_security, waived
from buildfarm.domain.compare.facts.facts import FileEntry, Scriptlet
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.compare.metadata.files import DOC, GHOST, LICENSE, compare_files
from buildfarm.domain.compare.metadata.scripts import compare_scriptlets
from buildfarm.domain.compare.policy import Expectation, Waiver
from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.core.verdict import Finding, Verdict

TODAY = date(2026, 5, 1)
PATHS = [
    "/etc/sudoers", "/etc/sudoers.d/x", "/etc/ld.so.preload", "/etc/ld.so.conf.d/x.conf", "/etc/pam.d/x",
    "/usr/lib64/security/pam_x.so", "/etc/security/limits.d/x.conf", "/etc/cron.d/x", "/etc/cron.daily/x", "/etc/crontab",
    "/var/spool/cron/root", "/etc/polkit-1/rules.d/x.rules", "/usr/share/polkit-1/actions/x.policy",
    "/usr/share/dbus-1/system.d/x.conf", "/usr/share/dbus-1/system-services/x.service", "/etc/dbus-1/system.d/x.conf",
    "/usr/lib/systemd/system/x.service", "/usr/lib/systemd/system-generators/x", "/usr/lib/systemd/system-preset/90-x.preset",
    "/etc/systemd/system/x.service", "/usr/lib/udev/rules.d/x.rules", "/lib/udev/rules.d/x.rules", "/etc/udev/rules.d/x.rules",
    "/etc/yum.repos.d/x.repo", "/etc/dnf/plugins/x.conf", "/usr/lib/rpm/macros.d/macros.x", "/etc/rpm/macros.x",
    "/etc/pki/ca-trust/source/anchors/x.pem", "/etc/pki/rpm-gpg/KEY", "/usr/share/pki/ca-trust-source/anchors/x.pem",
    "/usr/lib/python3.9/site-packages/x.pth", "/usr/lib64/python3.9/site-packages/sitecustomize.py",
    "/etc/profile.d/x.sh", "/etc/environment", "/etc/ssh/sshd_config.d/x.conf", "/etc/modprobe.d/x.conf",
    "/usr/lib/modules-load.d/x.conf", "/usr/lib/tmpfiles.d/x.conf", "/usr/lib/sysusers.d/x.conf", "/usr/lib/sysctl.d/x.conf",
    "/etc/sysctl.d/x.conf", "/usr/lib/binfmt.d/x.conf", "/usr/lib/dracut/modules.d/99x/module-setup.sh",
    "/etc/NetworkManager/dispatcher.d/x", "/usr/lib/NetworkManager/dispatcher.d/x", "/etc/xdg/autostart/x.desktop",
    "/etc/init.d/x", "/etc/rc.d/init.d/x", "/etc/selinux/config", "/etc/crypto-policies/config", "/etc/nsswitch.conf",
    "/usr/lib/python3.9/site-packages/dnf-plugins/x.py", "/boot/x", "/etc/logrotate.d/x", "/root/.bashrc",
]  # fmt: skip


def entry(path: str = "/usr/share/x/a", **more: object) -> FileEntry:
    plain = FileEntry(
        path=path, mode=0o100644, user="root", group="root", flags=0, verify=0, caps="", target="",
        device=0, colour=0, langs="", digest="x", size=1,
    )  # fmt: skip
    return replace(plain, **more)  # type: ignore[arg-type]


RIGHTS = {
    "setuid": {"mode": 0o104755},
    "setgid": {"mode": 0o102755},
    "capabilities": {"caps": "cap_net_raw=ep"},
    "a device": {"mode": 0o020600},
    "writable for everybody": {"mode": 0o100666},
    "a folder everybody may write to": {"mode": 0o040777},
    "another's file": {"user": "daemon"},
    "another group's file": {"group": "daemon"},
}


def found(old: list[FileEntry], new: list[FileEntry]) -> list[Finding]:
    masks = {"old_mask": NO_MASK, "new_mask": NO_MASK}
    compared = compare_files(old, new, digests_comparable=True, is_source=False, **masks)
    return list(compared.findings)


def accepted(item: Finding, authority: str) -> bool:
    waiver = Waiver(
        id="W", owner="o", reason="r", expires=TODAY, kind=item.kind, authority=authority
    )
    return bool(waived([item], [waiver], source="s", rpm="r", today=TODAY).used)


def only_security_accepts(item: Finding) -> bool:
    return not accepted(item, "anyone") and accepted(item, "security")


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_decides_about_rights_needs_the_security_authority_however_it_differs(path):
    one, two = entry(path), entry(path, mode=0o100600)
    for old, new in (([], [one]), ([one], []), ([one], [two])):
        (item,) = found(old, new)
        assert item.verdict.badness >= Verdict.REVIEW.badness
        assert only_security_accepts(item)
    content = finding(Kind.CONTENT_CONFIG, Verdict.REVIEW, "content-config", path=path)
    assert only_security_accepts(content)


@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_needs_the_security_authority_however_it_differs(right):
    plain, risky = entry("/usr/bin/x", mode=0o100755), entry("/usr/bin/x", **RIGHTS[right])
    for old, new in (([], [risky]), ([risky], []), ([plain], [risky]), ([risky], [plain])):
        items = found(old, new)
        assert max(item.verdict.badness for item in items) >= Verdict.REVIEW.badness
        if old and new and right in ("a device", "a folder everybody may write to"):
            assert [item.kind for item in items] == ["file-type"]
        else:
            assert any(only_security_accepts(item) for item in items)


@pytest.mark.parametrize(
    ("new", "verdict", "rule"),
    [
        (entry("/usr/share/x/a"), Verdict.REVIEW, "file-added"),
        (entry("/usr/bin/x", mode=0o100755), Verdict.REVIEW, "command-added"),
        (entry("/usr/lib64/libx.so.1", mode=0o100755), Verdict.REVIEW, "library-added"),
        (entry("/usr/lib64/libx.so", mode=0o120777), Verdict.REVIEW, "library-added"),
        (entry("/usr/share/doc/x/README", flags=DOC), Verdict.COMPATIBLE, "documentation-added"),
        (entry("/usr/share/man/man1/x.1.gz"), Verdict.COMPATIBLE, "documentation-added"),
        (entry("/usr/share/doc/x/run", flags=DOC, mode=0o100755), Verdict.REVIEW, "file-added"),
        (entry("/usr/share/x", mode=0o040755), Verdict.COMPATIBLE, "folder-added"),
        (entry("/var/lib/x", flags=GHOST), Verdict.REVIEW, "file-added"),
    ],
)
def test_what_only_ours_has_is_for_a_person_unless_it_is_documentation(new, verdict, rule):
    (item,) = found([], [new])
    assert (item.verdict, item.rule) == (verdict, rule)


def test_documentation_that_is_gone_is_at_most_for_review():
    (item,) = found([entry("/usr/share/doc/x/a.html", flags=DOC)], [])
    assert (item.verdict, item.rule) == (Verdict.REVIEW, "documentation-removed")
    (item,) = found([entry("/usr/share/x/a")], [])
    assert item.verdict is Verdict.INCOMPATIBLE


def test_a_rule_foresees_an_added_file_by_its_kind_and_one_with_rights_by_its_path():
    (plain,) = found([], [entry("/usr/share/x/a")])
    (sudo,) = found([], [entry("/etc/sudoers.d/x")])
    named = Expectation(kind="file-added", path="/usr/share/**")
    assert expected([plain], [named], source="s")[0].verdict is Verdict.EXPECTED
    assert expected([plain], [Expectation(kind="file-*")], source="s")[0] == plain
    assert expected([sudo], [Expectation(kind="file-added", path="/etc/**")], source="s")[0] == sudo
    spelled = Expectation(kind="file-added", path="/etc/sudoers.d/x")
    assert expected([sudo], [spelled], source="s")[0].verdict is Verdict.EXPECTED


def test_only_links_and_their_folders_are_set_aside_as_build_ids():
    path = "/usr/lib/.build-id/3f/22"
    link, folder = entry(path, mode=0o120777, target="../../x"), entry(path, mode=0o040755)
    for plain in (link, folder):
        assert [item.kind for item in found([], [plain])] == ["build-id-links"]
    for path in ("/usr/lib/.build-id/3f/22", "/usr/lib/debug/.build-id/3f/22.debug"):
        assert needs_security(found([], [entry(path, mode=0o104755)])[0])
        compared = compare_files(
            [entry(path)], [entry(path, digest="y")], old_mask=NO_MASK, new_mask=NO_MASK,
            digests_comparable=True, is_source=False,
        )  # fmt: skip
        assert [pair.new.path for pair in compared.differing] == [path]


def test_documentation_flags_are_told_as_what_they_are():
    doc, licence, plain = entry(flags=DOC), entry(flags=LICENSE), entry()
    for one, two in ((doc, licence), (doc, plain), (plain, licence)):
        (item,) = found([one], [two])
        assert (item.kind, item.verdict) == ("file-flags", Verdict.REVIEW)


def test_only_bits_that_rpm_verifies_count():
    assert not found([entry(verify=0xFFFFFFFF)], [entry(verify=0x1FF)])
    assert [item.kind for item in found([entry(verify=0x1FF)], [entry(verify=0x1FE)])] == [
        "file-verify"
    ]


POST = "# Automatically added by tool/13.7\nif true; then\n  echo 'one # two'\nfi\n"


@pytest.mark.parametrize(
    ("body", "program", "verdict"),
    [
        (POST.replace("13.7", "13.11"), "/bin/sh", Verdict.COMPATIBLE),
        (POST.replace("  echo", "  # a line more\n  echo"), "/bin/sh", Verdict.COMPATIBLE),
        (POST.replace("one", "two"), "/bin/sh", Verdict.INCOMPATIBLE),
        (POST.replace("# two", "# three"), "/bin/sh", Verdict.INCOMPATIBLE),
        (POST.replace("fi\n", "fi\nrm -rf /\n"), "/bin/sh", Verdict.INCOMPATIBLE),
        (POST.replace("if true", "# if true"), "/bin/sh", Verdict.INCOMPATIBLE),
        (POST.replace("13.7", "13.11"), "<lua>", Verdict.INCOMPATIBLE),
        (POST.replace("13.7", "13.11"), "/usr/bin/python3", Verdict.INCOMPATIBLE),
    ],
)
def test_a_comment_of_a_shell_scriptlet_is_told_and_what_runs_is_compared(body, program, verdict):
    def scriptlet(text: str) -> Scriptlet:
        return Scriptlet(phase="POSTIN", program=(program,), body=text, flags=0)

    (item,) = compare_scriptlets(
        [scriptlet(POST)], [scriptlet(body)], old_mask=NO_MASK, new_mask=NO_MASK
    )
    assert item.verdict is verdict


@pytest.mark.parametrize(
    "text",
    [
        "cat <<EOF\n# text\nEOF\n",
        'echo \'a\n# b\'\necho "$(echo "\n# c")"\n',
        "echo a \\\n# b\n",
        "### BEGIN INIT INFO\n# Provides: x\n### END INIT INFO\n",
        "echo 'never closed\n# a\n",
    ],
)
def test_lines_that_only_look_like_comments_are_kept(text):
    assert without_comments(text) is None


def test_versions_of_any_length_are_compared_as_rpm_does():
    long, longer = "9" * 5000, "1" + "0" * 5000
    assert EVR(version=long, release="1") < EVR(version=longer, release="1")
    assert EVR(version="0" * 6000 + "7", release="1") == EVR(version="7", release="1")
    assert hash(EVR(version="007", release="1")) == hash(EVR(version="7", release="1"))
