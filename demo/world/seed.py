"""The seed repository: binaries to bootstrap from, repacked from the host distribution."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import createrepo_c as cr
import yaml

from demo.world import repack
from demo.world.apt import Apt, Binary
from demo.world.repack import Package
from demo.world.run import say

HERE = Path(__file__).parent
Plan = dict[str, Any]
"""``roots``, ``leave_out``, ``requires`` and ``provides`` of a YAML file beside this one."""

_DIRECTORIES = (
    "boot dev etc etc/ld.so.conf.d etc/profile.d etc/rpm home media mnt opt proc root run srv sys "
    "usr usr/bin usr/include usr/lib usr/lib/x86_64-linux-gnu usr/lib64 usr/lib64/pkgconfig "
    "usr/libexec usr/local usr/local/bin usr/local/lib usr/sbin usr/share usr/share/doc "
    "usr/share/man usr/share/pkgconfig usr/src usr/lib/debug var var/cache var/lib var/lib/rpm "
    "var/log var/spool etc/pki etc/pki/rpm-gpg etc/yum.repos.d usr/lib/rpm usr/lib/rpm/macros.d"
).split()
_LINKS = {
    "bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64",
    "var/run": "../run", "usr/lib/debug/bin": "usr/bin",
}  # fmt: skip
_USERS = (
    "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/:/sbin/nologin\n"
)
_GROUP = "root:x:0:\nbin:x:1:\ntty:x:5:\nmail:x:12:\nutmp:x:22:\nshadow:x:42:\nnobody:x:65534:\n"
_LDCONFIG = """%transfiletriggerin -P 2000000 -- /usr/lib64 /usr/lib
/sbin/ldconfig
%end_marker
%transfiletriggerpostun -P 2000000 -- /usr/lib64 /usr/lib
/sbin/ldconfig""".replace("%end_marker\n", "\n")


def make_seed(out: Path, work: Path, apt: Apt, *, jobs: int) -> int:
    """Write the repository to ``out``; return the number of RPMs."""
    plan = yaml.safe_load((HERE / "seed.yaml").read_text(encoding="utf-8"))
    closure = closure_of(apt, plan)
    count = repack_all(
        out, work, apt, closure, plan, known={one.name for one in closure}, jobs=jobs
    )
    for name in ("filesystem", "redhat-rpm-config"):
        _own(work / "own", out / "Packages", name)
        count += 1
    write_repodata(out)
    return count


def closure_of(apt: Apt, plan: Plan) -> list[Binary]:
    """Return everything that the plan's roots need, without what it leaves out."""
    left_out = set(plan["leave_out"])
    return [one for one in apt.closure(plan["roots"]) if one.name not in left_out]


def repack_all(
    out: Path,
    work: Path,
    apt: Apt,
    closure: list[Binary],
    plan: Plan,
    *,
    known: set[str],
    jobs: int,
) -> int:
    """Fetch ``closure`` and repack it into ``out``; return the number of RPMs.

    Only requirements in ``known`` are kept.
    """
    say(f"{out.name.strip('.')}: fetching {len(closure)} packages")
    debs = apt.download(closure, work / "debs")
    say(f"{out.name.strip('.')}: repacking {len(debs)} packages")
    packages = out / "Packages"
    packages.mkdir(parents=True)

    def one(deb: Path) -> None:
        folder = work / "repack" / deb.name.split("_")[0]
        control = repack.unpack(deb, folder / "tree", work)
        name = control["Package"]
        _adjust(name, folder / "tree")
        version, release = repack.split_version(control["Version"])
        package = Package(
            name=name,
            version=version,
            release=release,
            tree=folder / "tree",
            provides=_provides(name, folder / "tree", plan["provides"].get(name, ())),
            requires=[
                "filesystem",
                *plan["requires"].get(name, ()),
                *repack.requires_of(control, known),
            ],
            extra=_LDCONFIG if name == "libc-bin" else "",
        )
        built = repack.build_rpm(package, folder)
        shutil.move(built, packages / built.name)
        shutil.rmtree(folder)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, debs))
    return len(debs)


def _adjust(name: str, tree: Path) -> None:
    """Do the work of the host distribution's maintainer scripts; /bin/sh is bash, as on EL."""
    binaries = tree / "usr" / "bin"
    if name == "bash":
        (binaries / "sh").symlink_to("bash")
    if name == "gawk":
        (binaries / "awk").symlink_to("gawk")
    if name == "gcc":
        for link, target in (("cc", "gcc"), ("c99", "gcc")):
            if not (binaries / link).exists():
                (binaries / link).symlink_to(target)
    if name == "base-files":  # os-release, issue and similar files belong to the distribution
        for part in (
            "etc",
            "usr/share/base-files",
            "var",
            "root",
            "usr/share/common-licenses",
            "home",
            "run",
            "tmp",
        ):
            shutil.rmtree(tree / part, ignore_errors=True)
        (tree / "usr/lib/os-release").unlink(missing_ok=True)
    if name == "debianutils" and not (binaries / "which").exists():
        (binaries / "which").symlink_to("which.debianutils")
    if name in ("passwd", "util-linux", "libpam-runtime"):
        shutil.rmtree(tree / "etc", ignore_errors=True)


def _provides(name: str, tree: Path, el_names: list[str]) -> list[str]:
    provided = list(el_names)
    provided += [
        f"/bin/{path.name}" for path in (tree / "usr" / "bin").glob("*") if path.name != "["
    ]
    provided += [f"/sbin/{path.name}" for path in (tree / "usr" / "sbin").glob("*")]
    return sorted({text for text in provided if text != name})


def _own(work: Path, packages: Path, name: str) -> None:
    """Build the seed's own RPMs: the merged file system, and EL-like macros."""
    tree = work / name / "tree"
    extra = ""
    requires: list[str] = []
    if name == "filesystem":
        for directory in _DIRECTORIES:
            (tree / directory).mkdir(parents=True, exist_ok=True)
        for directory in ("tmp", "var/tmp"):
            (tree / directory).mkdir(parents=True)
            (tree / directory).chmod(0o1777)
        for link, target in list(_LINKS.items())[:5]:
            (tree / link).symlink_to(target)
        for file, text in {
            "etc/passwd": _USERS, "etc/group": _GROUP, "etc/ld.so.conf.d/el.conf": "/usr/lib64\n",
            "etc/shells": "/bin/sh\n/bin/bash\n",
            "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
            "etc/hosts": "127.0.0.1 localhost\n", "etc/profile": "umask 022\n",
            "etc/login.defs": "UID_MIN 1000\nUID_MAX 60000\n",
        }.items():  # fmt: skip
            (tree / file).write_text(text, encoding="utf-8")
    else:
        macros = tree / "usr/lib/rpm/debian/macros"
        macros.parent.mkdir(parents=True)
        shutil.copyfile(HERE / "macros.el", macros)
        flags = "include: /usr/lib/rpm/rpmrc\noptflags: x86_64 %{__global_compiler_flags}\n"
        macros.with_name("rpmrc").write_text(flags, encoding="utf-8")
        tools = tree / "usr/lib/rpm/redhat"
        tools.mkdir()
        shutil.copyfile(HERE / "debugedit.sh", tools / "debugedit")
        (tools / "debugedit").chmod(0o755)
        for tool in ("find-debuginfo", "sepdebugcrcfix"):
            (tools / tool).symlink_to(f"/usr/bin/{tool}")
        requires = ["filesystem", "rpm", "debugedit", "file"]
    package = Package(
        name=name, version="9", release="1", tree=tree, requires=requires, extra=extra,
        provides=["setup", "basesystem"] if name == "filesystem" else ["el-rpm-macros"],
    )  # fmt: skip
    built = repack.build_rpm(package, work / name)
    shutil.move(built, packages / built.name)


def write_repodata(repo: Path) -> None:
    """Index every RPM under ``repo``."""
    repodata = repo / "repodata"
    shutil.rmtree(repodata, ignore_errors=True)
    repodata.mkdir()
    rpms = sorted(repo.rglob("*.rpm"))
    repomd = cr.Repomd()
    files = {
        "primary": cr.PrimaryXmlFile, "filelists": cr.FilelistsXmlFile, "other": cr.OtherXmlFile,
    }  # fmt: skip
    opened = {}
    for name, kind in files.items():
        path = repodata / f"{name}.xml.gz"
        opened[name] = (path, kind(str(path), cr.GZ_COMPRESSION))
        opened[name][1].set_num_of_pkgs(len(rpms))
    for rpm in rpms:
        package = cr.package_from_rpm(str(rpm), location_href=str(rpm.relative_to(repo)))
        for _, xml in opened.values():
            xml.add_pkg(package)
    for name, (path, xml) in opened.items():
        xml.close()
        record = cr.RepomdRecord(name, str(path))
        record.fill(cr.SHA256)
        record.rename_file()
        repomd.set_record(record)
    (repodata / "repomd.xml").write_text(repomd.xml_dump(), encoding="utf-8")
