"""The builders' contract: one suite over the chroot builder and the real mock."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from buildfarm_workers.builders import Builder

from buildfarm import wire
from buildfarm.domain.core.build import FailureKind
from tests.contract.specimens import MIB, Run, rpm_query, spec

pytestmark = [pytest.mark.world, pytest.mark.root]
Build = Callable[..., Run]
Make = Callable[..., Path]

HELLO = "int main(void) { return 0; }\n"


def hello(name: str = "hello", **kwargs: str) -> str:
    return spec(
        name,
        build=f"gcc $RPM_OPT_FLAGS -o {name} %{{SOURCE0}}",
        files=f"install -D {name} %{{buildroot}}/usr/bin/{name}",
        extra=f"Source0: hello.c\nBuildRequires: gcc\n%global with_binary 1\n{kwargs.pop('extra', '')}",
        **kwargs,
    )


def test_a_good_srpm_becomes_an_rpm_with_logs_and_lock(
    builder: Builder, run: Build, make_srpm: Make
) -> None:
    done = run(builder, make_srpm(hello(), hello_c=HELLO))
    assert done.outcome.ok, done.outcome.reason
    assert done.rpms == ["hello-1.0-3.el9.x86_64.rpm"]
    assert {path.name for path in done.result.iterdir()} >= {
        "build.log",
        "root.log",
        "state.log",
        "installed_pkgs.log",
    }
    assert "%build" in done.log
    assert done.rpm("[%{FILENAMES} ]").split() == [
        "/usr/bin/hello",
        "/usr/share/hello",
        "/usr/share/hello/data",
    ]
    assert done.rpm("%{SOURCERPM}") == "hello-1.0-3.el9.src.rpm"
    assert done.rpm("%{BUILDHOST}") != os.uname().nodename
    names = {rpm.name for rpm in done.outcome.lock}
    assert {"gcc", "make", "bash"} <= names
    assert all(len(rpm.sha256) == 64 for rpm in done.outcome.lock)
    assert len((done.result / "installed_pkgs.log").read_text().splitlines()) == len(
        done.outcome.lock
    )
    assert {"buildroot", "build", "collect"} <= set(done.outcome.seconds)


def test_what_the_srpm_requires_is_installed_and_locked(
    builder: Builder, run: Build, make_srpm: Make
) -> None:
    done = run(builder, make_srpm(spec("needs", build="unzip -v", extra="BuildRequires: unzip")))
    assert done.outcome.ok, done.outcome.reason
    assert "unzip" in {rpm.name for rpm in done.outcome.lock}


def test_a_compiler_error_is_a_build_failure_that_quotes_it(
    builder: Builder, run: Build, make_srpm: Make
) -> None:
    done = run(builder, make_srpm(hello(), hello_c="int main(void) { return undeclared_thing; }\n"))
    assert done.outcome.kind is FailureKind.BUILD
    assert "'undeclared_thing' undeclared" in done.outcome.reason
    assert done.outcome.reason.startswith("%build: ")
    assert done.rpms == []
    assert done.outcome.lock


def test_a_build_requirement_nobody_provides_is_named(
    builder: Builder, run: Build, make_srpm: Make
) -> None:
    done = run(builder, make_srpm(spec("needs", extra="BuildRequires: no-such-thing-devel >= 2")))
    assert done.outcome.kind is FailureKind.DEPENDENCIES
    assert "no-such-thing-devel" in done.outcome.reason


@pytest.mark.parametrize("damage", ["payload", "truncated", "junk"])
def test_a_damaged_srpm_is_said_to_be_damaged(
    builder: Builder, run: Build, make_srpm: Make, tmp_path: Path, damage: str
) -> None:
    whole = make_srpm(hello(), hello_c=HELLO).read_bytes()
    bad = tmp_path / "bad-1.0-1.el9.src.rpm"
    broken = {
        "payload": whole[:-60] + b"\xff" * 40 + whole[-20:],
        "truncated": whole[: len(whole) // 2],
        "junk": b"no rpm\n",
    }
    bad.write_bytes(broken[damage])
    done = run(builder, bad)
    assert done.outcome.kind is FailureKind.BAD_SRPM, done.outcome.reason
    assert done.outcome.reason


def test_a_build_beyond_its_time_is_ended(builder: Builder, run: Build, make_srpm: Make) -> None:
    started = time.monotonic()
    done = run(builder, make_srpm(spec("slow", build="sleep 98701")), limits=wire.Limits(seconds=2))
    assert done.outcome.kind is FailureKind.TIMEOUT
    assert "time limit of 2 s" in done.outcome.reason
    assert time.monotonic() - started < (
        20 if builder.name == "chroot" else 90
    )  # mock first makes its root
    assert not alive("98701")


def test_macros_of_the_target_and_of_an_override_apply(
    builder: Builder, run: Build, make_srpm: Make
) -> None:
    text = spec("flavoured", extra="%bcond_with extra\n%{?with_extra:Provides: with-extra}")
    override = wire.Override(macros={"flavour": "vanilla %%{x}"}, with_=("extra",), reason="a test")
    done = run(builder, make_srpm(text), override=override, macros={"dist": ".el9_4.3"})
    assert done.outcome.ok, done.outcome.reason
    assert done.rpms == ["flavoured-1.0-3.el9_4.3.x86_64.rpm"]
    assert "with-extra" in done.rpm("[%{PROVIDENAME} ]")
    assert hashlib.sha256(b"vanilla %{x}\n").hexdigest() in done.rpm("[%{FILEDIGESTS} ]")


def test_nocheck_leaves_check_out(builder: Builder, run: Build, make_srpm: Make) -> None:
    srpm = make_srpm(spec("checked", check="echo 'FAIL: test_of_everything'; exit 1"))
    failed = run(builder, srpm)
    assert failed.outcome.kind is FailureKind.BUILD
    assert failed.outcome.reason == "%check: FAIL: test_of_everything"
    done = run(builder, srpm, override=wire.Override(nocheck=True, reason="a test"))
    assert done.outcome.ok, done.outcome.reason


def test_a_source_tree_becomes_an_srpm(builder: Builder, run: Build, tree_tar: Make) -> None:
    tar = tree_tar("hello", hello(extra="BuildRequires: not-there-yet"), hello_c=HELLO)
    done = run(builder, tar, kind="srpm", source_date_epoch=1767614400)
    assert done.outcome.ok, done.outcome.reason
    assert done.rpms == ["hello-1.0-3.el9.src.rpm"]
    (srpm,) = done.result.glob("*.src.rpm")
    assert rpm_query(srpm, "%{BUILDTIME}") == "1767614400"
    again = run(builder, tar, kind="srpm", source_date_epoch=1767614400)
    assert next(again.result.glob("*.rpm")).read_bytes() == srpm.read_bytes()


@pytest.mark.parametrize(
    ("declared", "under"),
    [
        ("%bcond_with bootstrap\n%if %{without bootstrap}", wire.Override(with_=("bootstrap",))),
        ("%bcond_without ring\n%if %{with ring}", wire.Override(without=("ring",))),
    ],
    ids=["with", "without"],
)
def test_an_srpm_is_made_anew_under_a_condition_and_built_under_it(
    builder: Builder, run: Build, make_srpm: Make, declared: str, under: wire.Override
) -> None:
    """A bootstrap variant: only the header of the SRPM that is made under the condition says what
    that build requires.
    """
    srpm = make_srpm(spec("ring", extra=f"{declared}\nBuildRequires: ring\n%endif"))
    assert "ring" in rpm_query(srpm, "[%{REQUIRENAME} ]").split()
    done = run(builder, srpm, kind="srpm", override=under)
    assert done.outcome.ok, done.outcome.reason
    (variant,) = done.result.glob("*.src.rpm")
    assert "ring" not in rpm_query(variant, "[%{REQUIRENAME} ]").split()
    built = run(builder, variant, override=under)
    assert built.outcome.ok, built.outcome.reason
    assert built.rpms == ["ring-1.0-3.el9.x86_64.rpm"]
    assert built.outcome.asked_for == ()


def test_a_generated_requirement_nobody_provides_is_handed_back(
    builder: Builder, run: Build, make_srpm: Make
) -> None:
    text = spec("dynamic").replace(
        "%build\n", "%generate_buildrequires\necho 'no-such-thing >= 2'\n%build\n"
    )
    done = run(builder, make_srpm(text))
    assert done.outcome.kind is FailureKind.DEPENDENCIES, done.outcome.reason
    assert done.outcome.asked_for == ("no-such-thing >= 2",)


def test_generated_requirements_are_installed_locked_and_told(
    builder: Builder, run: Build, make_srpm: Make
) -> None:
    text = spec("dynamic", build="unzip -v").replace(
        "%build\n", "%generate_buildrequires\necho 'unzip >= 1'\n%build\n"
    )
    done = run(builder, make_srpm(text))
    assert done.outcome.ok, done.outcome.reason
    assert done.rpms == ["dynamic-1.0-3.el9.x86_64.rpm"]
    assert "unzip" in {rpm.name for rpm in done.outcome.lock}
    assert done.outcome.asked_for == ("unzip >= 1",)


def test_the_enabled_module_stream_is_what_is_built_with(
    builder: Builder, run: Build, make_srpm: Make, modular: wire.Buildroot
) -> None:
    done = run(
        builder, make_srpm(spec("wants", extra="BuildRequires: streamed")), buildroot=modular
    )
    assert done.outcome.ok, done.outcome.reason
    assert {(rpm.name, rpm.version) for rpm in done.outcome.lock if rpm.name == "streamed"} == {
        ("streamed", "1")
    }


def test_a_build_that_wants_the_network_gets_none(
    builder: Builder, run: Build, make_srpm: Make
) -> None:
    if builder.name == "mock":
        pytest.skip(
            "mock with isolation simple leaves the network on (mockbuild/util.py, condUnshareNet): nspawn does not"
        )
    probe = "exec 3<>/dev/tcp/192.0.2.1/80"
    done = run(builder, make_srpm(spec("net", build=probe)))
    assert done.outcome.kind is FailureKind.BUILD
    assert "Network is unreachable" in done.outcome.reason


def test_a_build_is_stopped_when_the_caller_says_so(
    builder: Builder, run: Build, make_srpm: Make
) -> None:
    since = time.monotonic()
    done = run(
        builder, make_srpm(spec("slow", build="sleep 98702")),
        stop=lambda: "the hub took it away" if time.monotonic() - since > 4 else "",
    )  # fmt: skip
    assert done.outcome.kind is FailureKind.INFRASTRUCTURE
    assert done.outcome.reason == "the hub took it away"
    assert not alive("98702")


def alive(mark: str) -> list[str]:
    """Command lines of processes that carry ``mark`` (a zombie has none)."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().split(b"\0")
        except OSError:
            continue
        if mark.encode() in words:
            found.append(process.parent.name)
    return found


def test_missing_parts_of_a_base_are_not_the_srpms_fault(
    builder: Builder, run: Build, make_srpm: Make, buildroot: wire.Buildroot
) -> None:
    bad = buildroot.model_copy(update={"key": "bad", "packages": ("bash", "no-such-package")})
    done = run(builder, make_srpm(spec("any")), buildroot=bad)
    assert done.outcome.kind is FailureKind.CHROOT
    assert "no-such-package" in done.outcome.reason


def test_a_repository_that_is_away_is_infrastructure(
    builder: Builder, run: Build, make_srpm: Make, buildroot: wire.Buildroot
) -> None:
    away = wire.Repository(id="away", baseurl="http://127.0.0.1:9/none")
    bad = buildroot.model_copy(update={"repositories": (away,)})
    done = run(builder, make_srpm(spec("needs", extra="BuildRequires: unzip")), buildroot=bad)
    assert done.outcome.kind is FailureKind.INFRASTRUCTURE
    assert "away" in done.outcome.reason


class TestHostileBuilds:
    """Each ends within its limits, with a kind and a reason, and nothing of it lives on."""

    limits = wire.Limits(seconds=20, memory=256 * MIB, processes=100, disk=96 * MIB, log=2 * MIB)

    def hostile(self, run: Build, chroot: Builder, srpm: Path) -> Run:
        started = time.monotonic()
        done = run(chroot, srpm, limits=self.limits)
        assert time.monotonic() - started < self.limits.seconds + 5
        assert done.outcome.kind is not None
        assert "\n" not in done.outcome.reason
        return done

    def test_a_fork_bomb(self, chroot: Builder, run: Build, make_srpm: Make) -> None:
        done = self.hostile(
            run,
            chroot,
            make_srpm(spec("bomb", build="bomb() { bomb | bomb & }; bomb; sleep 98703")),
        )
        assert done.outcome.kind is FailureKind.BUILD
        assert "process limit of 100 reached" in done.outcome.reason
        assert not alive("98703")

    def test_five_gigabytes_of_output(self, chroot: Builder, run: Build, make_srpm: Make) -> None:
        done = self.hostile(
            run,
            chroot,
            make_srpm(spec("chatty", build="yes 'all work and no play' | head -c 5000000000")),
        )
        assert done.outcome.kind is FailureKind.BUILD
        assert "log limit of 2 MiB reached" in done.outcome.reason
        assert "TRUNCATED" in done.log
        assert len(done.log) < 3 * MIB

    def test_five_gigabytes_in_one_file(self, chroot: Builder, run: Build, make_srpm: Make) -> None:
        done = self.hostile(
            run, chroot, make_srpm(spec("big", build="dd if=/dev/zero of=big bs=1M count=5000"))
        )
        assert done.outcome.kind is FailureKind.BUILD
        assert "disk limit of 96 MiB reached" in done.outcome.reason

    def test_five_gigabytes_in_many_files(
        self, chroot: Builder, run: Build, make_srpm: Make
    ) -> None:
        loop = "for i in $(seq 5000); do dd if=/dev/zero of=f$i bs=1M count=1 status=none; done"
        done = self.hostile(run, chroot, make_srpm(spec("many", build=loop)))
        assert done.outcome.kind is FailureKind.BUILD
        assert "disk limit of 96 MiB reached" in done.outcome.reason

    def test_a_memory_hog(self, chroot: Builder, run: Build, make_srpm: Make) -> None:
        done = self.hostile(run, chroot, make_srpm(spec("hog", build="tail /dev/zero")))
        assert done.outcome.kind is FailureKind.BUILD
        assert "memory limit of 256 MiB reached" in done.outcome.reason

    def test_writing_to_the_root(self, chroot: Builder, run: Build, make_srpm: Make) -> None:
        done = self.hostile(run, chroot, make_srpm(spec("root", build="touch /written-by-a-build")))
        assert done.outcome.kind is FailureKind.BUILD
        assert (
            done.outcome.reason
            == "%build: touch: cannot touch '/written-by-a-build': Permission denied"
        )
        assert not Path("/written-by-a-build").exists()

    def test_daemons_left_running(self, chroot: Builder, run: Build, make_srpm: Make) -> None:
        done = run(
            chroot,
            make_srpm(spec("daemon", build="setsid sleep 98704 & (sleep 98704 &)")),
            limits=self.limits,
        )
        assert done.outcome.ok, done.outcome.reason
        assert not alive("98704")

    def test_links_among_the_results_are_not_followed(
        self, chroot: Builder, run: Build, make_srpm: Make
    ) -> None:
        text = spec("links", build="ln -s /etc/shadow /builddir/build/RPMS/shadow-1-1.x86_64.rpm")
        done = self.hostile(run, chroot, make_srpm(text))
        assert done.outcome.kind is FailureKind.BUILD
        assert "among its RPMs" in done.outcome.reason
        assert done.rpms == []

    def test_what_a_build_can_see_and_do(
        self, chroot: Builder, run: Build, make_srpm: Make
    ) -> None:
        probe = """
            id; grep -E '^(Cap|NoNewPrivs|Uid|Groups)' /proc/self/status
            echo "PROCESSES $(ls -d /proc/[0-9]* | wc -l)"
            echo "HOST $(uname -n)"
            test ! -e /work && echo "NO CHECKOUT"
            for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /etc/passwd /usr/x /; do
                if test -w $f; then echo "WRITABLE $f"; fi
            done
            cat /proc/1/environ > /dev/null 2>&1 && echo "SEES PID 1"
            ls /sys/fs/cgroup 2>/dev/null | head -1
            : > /dev/shm/x && echo "SHM OK"; : > /tmp/x && echo "TMP OK"
            stat -c 'ROOT OWNER %U' /usr/bin/bash
            mount -t tmpfs none /mnt 2>/dev/null && echo MOUNTED
            mknod /tmp/dev b 8 0 2>/dev/null && echo MKNOD
            (exec 3<>/dev/tcp/127.0.0.1/1) 2>&1 | grep -o refused
        """
        done = run(chroot, make_srpm(spec("probe", build="set +ex\n" + probe)))
        assert done.outcome.ok, done.outcome.reason
        said = done.log
        assert "uid=1000(mockbuild) gid=1000(mockbuild) groups=1000(mockbuild)" in said
        for name in ("CapPrm", "CapEff", "CapAmb"):
            assert f"{name}:\t0000000000000000" in said
        assert "NoNewPrivs:\t1" in said
        assert int(said.split("\nPROCESSES ")[1].split()[0]) < 20
        assert "\nHOST builder\n" in said
        for good in ("NO CHECKOUT", "SHM OK", "TMP OK", "ROOT OWNER root", "refused"):
            assert f"\n{good}\n" in said, good
        for bad in ("WRITABLE", "SEES PID 1", "MOUNTED", "MKNOD"):
            assert f"\n{bad}" not in said, bad
