"""PNAELV, the Prominent North American Linux Vendor: signed SRPMs and binaries by plain rpmbuild.

They are built in another path, by another user and on another host than the farm's builds; nothing
of ``buildfarm`` is used.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from demo.world.apt import Apt
from demo.world.run import WorldError, run, say
from demo.world.seed import write_repodata

SPECS = Path(__file__).resolve().parents[1] / "specs"
BUILDER, HOST = "vbuild", "build07.pnaelv.example"
TOPDIR = "/home/vendor/rpmbuild"
_BASE = (
    "bash coreutils cpio diffutils findutils gawk gcc glibc-devel grep gzip make patch "
    "redhat-rpm-config rpm-build sed "
    "shadow-utils tar xz bzip2 byacc mawk"
).split()
WAVES = (
    (
        "diffutils",
        "zlib",
        "bzip2",
        "popt",
        "tree",
        "micro-httpd",
        "pnaelv-release",
        "pnaelv-logos",
        "byacc",
        "mawk",
    ),
    ("libpng", "pngcheck"),
    ("qrencode", "optipng"),
)
UNBUILT = ("s390-note", "stubborn")
_DIST = {"tree": ".el9_4"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The vendor's work and output folders."""

    work: Path
    out: Path
    seed: Path

    @property
    def root(self) -> Path:
        """The vendor's build machine."""
        return self.work / "root"

    @property
    def gnupg(self) -> Path:
        """The vendor's key."""
        return self.work / "gnupg"


def make_vendor(paths: Paths, apt: Apt, *, jobs: int) -> None:
    """Make keys, SRPMs and binaries under ``paths.out``.

    :raises WorldError: an archive or a build is not as expected.
    """
    say("vendor: fetching and checking upstream archives")
    archives = fetch_archives(apt, paths.work / "archives")
    for name in ("SRPMS", "RPMS"):
        (paths.out / name).mkdir(parents=True, exist_ok=True)
    say("vendor: installing its build machine from the seed")
    _make_root(paths)
    key = make_key(paths.gnupg, "PNAELV Release", "release@pnaelv.example")
    (paths.out / "RPM-GPG-KEY-pnaelv").write_text(export_key(paths.gnupg), encoding="ascii")
    names = [name for wave in WAVES for name in wave] + list(UNBUILT)
    for name in names:
        _prepare(paths, name, archives.get(name))
        shutil.copy(_rpmbuild(paths, name, "-bs"), paths.out / "SRPMS")
    for number, wave in enumerate(WAVES, 1):
        say(f"vendor: building wave {number} of {len(WAVES)}: {', '.join(wave)}")
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda name: _build(paths, name), wave))
        if number < len(WAVES):
            _install_own(paths)
    say("vendor: signing")
    sign(paths.gnupg, key, sorted(paths.out.rglob("*.rpm")))
    _plant(paths)


def fetch_archives(apt: Apt, folder: Path) -> dict[str, Path]:
    """Fetch every upstream archive of ``sources.yaml`` and check its SHA-256; return them by
    source.
    """
    wanted = yaml.safe_load((SPECS / "sources.yaml").read_text(encoding="utf-8"))
    found: dict[str, Path] = {}
    for name, source in wanted.items():
        apt.source(source["package"], folder / name)
        path = folder / name / source["file"]
        if not path.exists():
            there = ", ".join(sorted(p.name for p in (folder / name).iterdir())) or "nothing"
            raise WorldError(
                f"{source['file']}: the registry has {there}; update demo/specs/sources.yaml and "
                "the spec"
            )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != source["sha256"]:
            raise WorldError(
                f"{path.name}: SHA-256 is {digest}, demo/specs/sources.yaml says {source['sha256']}"
            )
        found[name] = path
    return found


def dnf_install(
    root: Path, work: Path, repositories: dict[str, Path], names: Sequence[str]
) -> None:
    """Install ``names`` into ``root`` from local repositories."""
    main = {
        "reposdir": "/dev/null", "cachedir": work / "dnf/cache", "persistdir": work / "dnf/state",
        "logdir": work / "dnf/log", "install_weak_deps": 0, "assumeyes": 1, "plugins": 0,
        "metadata_expire": 0,
    }  # fmt: skip
    lines = ["[main]", *(f"{key}={value}" for key, value in main.items())]
    for name, folder in repositories.items():
        lines += [f"[{name}]", f"name={name}", f"baseurl=file://{folder}", "gpgcheck=0"]
    configuration = work / "dnf.conf"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    home = work / "home"
    home.mkdir(exist_ok=True)
    (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n", encoding="utf-8")
    run(
        [
            "dnf", "--config", configuration, "--installroot", root, "--releasever=9",
            "--forcearch=x86_64", "install", *names,
        ],
        home=home,
    )  # fmt: skip


def _make_root(paths: Paths) -> None:
    dnf_install(paths.root, paths.work, {"seed": paths.seed}, _BASE)
    with (paths.root / "etc/passwd").open("a", encoding="ascii") as passwd:
        passwd.write(f"{BUILDER}:x:1500:1500::/home/vendor:/bin/bash\n")
    (paths.root / "home/vendor").mkdir(parents=True, exist_ok=True)
    for name in ("SPECS", "SOURCES", "BUILD", "BUILDROOT", "RPMS", "SRPMS"):
        (paths.root / TOPDIR.lstrip("/") / name).mkdir(parents=True)


def _install_own(paths: Paths) -> None:
    """Install a wave's RPMs on the vendor's machine for the next wave."""
    own = paths.work / "own"
    own.mkdir(exist_ok=True)
    for rpm in (paths.out / "RPMS").glob("*.rpm"):
        shutil.copy(rpm, own)
    write_repodata(own)
    names = sorted({"-".join(p.name.split("-")[:-2]) for p in own.glob("*-devel-*.rpm")})
    dnf_install(paths.root, paths.work, {"seed": paths.seed, "own": own}, names)


def _prepare(paths: Paths, name: str, archive: Path | None) -> None:
    top = paths.root / TOPDIR.lstrip("/")
    for file in (SPECS / name).iterdir():
        shutil.copy(file, top / ("SPECS" if file.suffix == ".spec" else "SOURCES"))
    if archive is not None:
        shutil.copy(archive, top / "SOURCES")


def _rpmbuild(paths: Paths, name: str, mode: str, *, spec: str = "") -> Path:
    """Run rpmbuild on the vendor's machine; return the SRPM (``-bs``) or the folder of RPMs."""
    inside = [
        "rpmbuild", mode, "--quiet", "--target", "x86_64", "--define", f"_topdir {TOPDIR}",
        "--define", f"dist {_DIST.get(name, '.el9')}", "--define", "vendor PNAELV", "--define",
        "packager PNAELV Build System <builds@pnaelv.example>", "--define",
        f"_rpmdir {TOPDIR}/RPMS/{name}", "--define", f"_srcrpmdir {TOPDIR}/SRPMS/{name}",
        "--define", "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm", "--nodeps",
        f"{TOPDIR}/SPECS/{spec or name + '.spec'}",
    ]  # fmt: skip
    if mode == "-bb":
        inside.remove("--nodeps")
    run(
        [
            "bwrap", "--unshare-all", "--die-with-parent", "--uid", "1500", "--gid", "1500",
            "--hostname", HOST, "--bind", paths.root, "/", "--proc", "/proc", "--dev", "/dev",
            "--tmpfs", "/tmp", "--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin",
            "--setenv", "HOME", "/home/vendor", "--setenv", "LC_ALL", "C.UTF-8", "--chdir",
            "/home/vendor", "--", *inside,
        ],
        home=paths.work,
    )  # fmt: skip
    top_outside = paths.root / TOPDIR.lstrip("/")
    if mode == "-bs":
        return next((top_outside / "SRPMS" / name).glob("*.src.rpm"))
    return top_outside / "RPMS" / name


def _build(paths: Paths, name: str) -> None:
    spec = ""
    # Planted: the vendor's binary has a function that its own SRPM lacks.
    if name == "popt":
        spec = "popt-shipped.spec"
        folder = paths.root / TOPDIR.lstrip("/") / "SPECS"
        text = (folder / "popt.spec").read_text(encoding="utf-8")
        text = text.replace(
            "BuildRequires:  gcc\n", "Patch99: vendor-only.patch\nBuildRequires:  gcc\n", 1
        )
        (folder / spec).write_text(text, encoding="utf-8")
    for rpm in _rpmbuild(paths, name, "-bb", spec=spec).glob("*.rpm"):
        shutil.copy(rpm, paths.out / "RPMS")


def make_key(home: Path, name: str, email: str) -> str:
    """Make a signing key without pass phrase; return its fingerprint."""
    home.mkdir(parents=True, mode=0o700)
    gpg: list[str | Path] = [
        "gpg",
        "--homedir",
        home,
        "--batch",
        "--passphrase",
        "",
        "--pinentry-mode",
        "loopback",
    ]
    run([*gpg, "--quick-generate-key", f"{name} <{email}>", "rsa3072", "sign", "never"], home=home)
    listing = run([*gpg, "--list-secret-keys", "--with-colons"], home=home)
    return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))


def export_key(home: Path) -> str:
    """Return the public key, ASCII-armored."""
    return run(["gpg", "--homedir", home, "--batch", "--armor", "--export"], home=home)


def sign(home: Path, key: str, rpms: Sequence[Path]) -> None:
    """Sign files in place."""
    argv: list[str | Path] = [
        "rpmsign", "--define", f"_gpg_name {key}", "--define", f"_gpg_path {home}", "--define",
        "__gpg /usr/bin/gpg", "--addsign", *rpms,
    ]  # fmt: skip
    run(argv, home=home, env={"GNUPGHOME": str(home)})


def _plant(paths: Paths) -> None:
    """Make two SRPMs that a hub must refuse: one with an unknown signer, one damaged after
    signing.
    """
    srpms = paths.out / "SRPMS"
    stranger = paths.work / "stranger"
    key = make_key(stranger, "Somebody Else", "nobody@stranger.example")
    for name in ("strayware", "tampered"):
        spec = (SPECS / "s390-note" / "s390-note.spec").read_text(encoding="utf-8")
        spec = spec.replace("s390-note", name).replace(
            "ExclusiveArch:  s390x\n", "BuildArch: noarch\n"
        )
        (paths.root / TOPDIR.lstrip("/") / "SPECS" / f"{name}.spec").write_text(
            spec, encoding="utf-8"
        )
        made = Path(shutil.copy(_rpmbuild(paths, name, "-bs"), srpms))
        if name == "strayware":
            sign(stranger, key, [made])
        else:
            _sign_and_damage(paths, made)


def _sign_and_damage(paths: Paths, srpm: Path) -> None:
    """Flip one byte near the end of the payload of a signed SRPM."""
    listing = run(
        ["gpg", "--homedir", paths.gnupg, "--batch", "--list-secret-keys", "--with-colons"],
        home=paths.gnupg,
    )
    key = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
    sign(paths.gnupg, key, [srpm])
    data = bytearray(srpm.read_bytes())
    data[-20] ^= 0xFF
    srpm.write_bytes(data)


def write_drop(world: Path) -> None:
    """Write ``drop.json`` (what automation would POST) and ``expected.json`` (the expected
    results).
    """
    drop = {
        "target": "reef-9",
        "name": "PNAELV 9.4, first drop",
        "srpms": [{"path": str(path)} for path in sorted((world / "vendor/SRPMS").glob("*.rpm"))],
        "binaries": [{"path": str(path)} for path in sorted((world / "vendor/RPMS").glob("*.rpm"))],
    }
    (world / "drop.json").write_text(json.dumps(drop, indent=1), encoding="utf-8")
    shutil.copy(SPECS / "expected.json", world / "expected.json")
