"""Images: a disk, a kernel and an initramfs under one digest, made from RPM repositories alone.

An image never changes: it is in a folder named after its digest, and is checked before each boot
(:func:`verify`). The manifest contains the lock of everything installed, so a guest can be traced
to its RPMs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from buildfarm import log
from buildfarm.adapters.system import process
from buildfarm.errors import InputError, NotFound
from buildfarm.wire import Buildroot, InstalledRpm, Repository, Sha256
from buildfarm_workers.builders.buildroot import overlay, rpm_database
from buildfarm_workers.builders.buildroot.base_cache import BaseCache, key_of
from buildfarm_workers.builders.buildroot.dnf import Installer
from buildfarm_workers.builders.port import BuildFailed
from buildfarm_workers.guests.image import initramfs, worker_rpm
from buildfarm_workers.guests.image.definition import FromRepositories, GuestDefinition

_MKFS_SECONDS = 1800
_MIB = 1024 * 1024
_CHUNK = 4 * _MIB
_COMPILE = (
    "for folder in /usr/lib/buildfarm /usr/lib*/python3*; do "
    "python3 -m compileall -q -j 0 $folder || true; done"
)
"""Compiles Python modules: guests write nothing back, so each would compile its imports again."""
_MANIFEST = "image.json"
_CURRENT = "current"
WORKDIR = "/var/lib/buildfarm"
"""The worker's folder in a guest."""

Say = Callable[[str], None]
"""Called with every step."""


class ImageFile(BaseModel):
    """One file of an image, in bytes and SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    sha256: Sha256
    size: int


class Manifest(BaseModel):
    """The description of an image.

    ``append`` is the kernel's command line; ``base`` is the key of the buildroot in it, if there is
    one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    target: str
    arch: str
    builder: str
    append: str
    disk: ImageFile
    kernel: ImageFile
    initramfs: ImageFile
    generation: str
    base: str = ""
    lock: tuple[InstalledRpm, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """An image on disk; ``digest`` is the SHA-256 of its manifest, and the name of its folder."""

    folder: Path
    digest: str
    manifest: Manifest

    def path(self, file: ImageFile) -> Path:
        """Return the path of one of its files."""
        return self.folder / file.name


def build(
    definition: GuestDefinition,
    file: Path,
    buildroot: Buildroot,
    folder: Path,
    *,
    say: Say = lambda _: None,
) -> Image:
    """Make the image of a definition under ``folder``, and make it the current one of its name.

    :param file: the definition's file; relative paths in it start at its folder.
    :param buildroot: the target's, with repositories as this machine reaches them.
    :raises InputError: the definition is of another kind, dnf cannot install the machine, or the
        result cannot boot.
    """
    source = definition.source
    if not isinstance(source, FromRepositories):
        raise InputError(
            f"{file}: an image of kind {source.kind} is not made by the farm",
            hint=f"`buildfarm guests image render {definition.name}` writes what "
            "the distribution's own tools take",
        )
    place = folder / definition.name
    work = place / f".making.{os.getpid()}"
    overlay.remove_tree(work)
    work.mkdir(parents=True)
    try:
        return _Making(definition, source, file, buildroot, work, say).into(place)
    finally:
        overlay.remove_tree(work)


class _Making:
    """One image in progress; ``work`` is deleted in any case."""

    def __init__(
        self,
        definition: GuestDefinition,
        source: FromRepositories,
        file: Path,
        buildroot: Buildroot,
        work: Path,
        say: Say,
    ) -> None:
        self._definition = definition
        self._source = source
        self._file = file
        self._buildroot = buildroot
        self._work = work
        self._say = say
        self._started = time.monotonic()
        self._installer = Installer(work)
        self._log = work / "dnf.log"

    def into(self, place: Path) -> Image:
        root = self._work / "root"
        root.mkdir()
        self._step("the worker as an RPM")
        worker = worker_rpm.build(self._work / "worker", arch=self._definition.arch)
        self._step(f"the machine: {', '.join(self._source.packages)}")
        self._install(root, worker)
        lock = rpm_database.query(root).lock
        self._step("Python's bytecode")
        initramfs.inside(root, "sh", "-c", _COMPILE, writable=True)
        base = self._base(root)
        self._step("the initramfs")
        files = self._work / "files"
        files.mkdir()
        _, kernel = initramfs.kernel_of(root)
        shutil.copyfile(kernel, files / "vmlinuz")
        initramfs.make(root, self._source.modules, self._work, files / "initramfs.img")
        self._step("the disk")
        self._make_disk(root, files / "disk.img")
        self._step("its digests")
        manifest = Manifest(
            name=self._definition.name, target=self._definition.target, arch=self._definition.arch,
            builder=self._definition.builder,
            append=f"console=ttyS0 quiet panic=1 net.ifnames=0 init={self._source.init}",
            disk=_describe(files / "disk.img"), kernel=_describe(files / "vmlinuz"),
            initramfs=_describe(files / "initramfs.img"), generation=self._buildroot.generation,
            base=base, lock=lock,
        )  # fmt: skip
        return _seal(files, manifest, place)

    def _step(self, what: str) -> None:
        self._say(f"{time.monotonic() - self._started:6.1f} s  {what}")

    def _install(self, root: Path, worker: Path) -> None:
        extra = tuple(
            Repository(
                id=repo.id, priority=repo.priority, gpgcheck=bool(repo.gpgkey), gpgkey=repo.gpgkey,
                baseurl=repo.baseurl or (self._file.parent / (repo.path or "")).resolve().as_uri(),
            )
            for repo in self._source.repositories
        )  # fmt: skip
        machine = self._buildroot.model_copy(
            update={"repositories": (*self._buildroot.repositories, *extra)}
        )
        try:
            self._installer.install(
                root, machine, self._source.packages, files=(worker,), log=self._log,
                work=self._work / "dnf-machine", stop=lambda: "",
            )  # fmt: skip
        except BuildFailed as failure:
            raise InputError(
                f"{self._file}: {failure}", hint="`packages` and `repositories` of the definition"
            ) from failure

    def _base(self, root: Path) -> str:
        """Put the target's base buildroot into the guest's base cache; return its key."""
        if not self._source.base or self._definition.builder != "chroot":
            return ""
        self._step("the base buildroot")
        bases = BaseCache(root / WORKDIR.lstrip("/") / "bases", self._installer)
        try:
            with bases.held(self._buildroot, self._log, stop=lambda: ""):
                return key_of(self._buildroot)
        except BuildFailed as failure:
            raise InputError(
                f"the base buildroot of {self._definition.target}: {failure}"
            ) from failure

    def _make_disk(self, root: Path, disk: Path) -> None:
        """Make an ext4 file system in a sparse file.

        It has no journal, because a guest's disk is never recovered.
        """
        process.run(
            [
                "mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-E",
                "lazy_itable_init=1,root_owner=0:0", "-L", "buildfarm-root", "-d", root, disk,
                f"{self._definition.disk_mib}M",
            ],
            timeout=_MKFS_SECONDS,
        )  # fmt: skip


def _seal(files: Path, manifest: Manifest, place: Path) -> Image:
    text = manifest.model_dump_json(indent=1).encode()
    digest = hashlib.sha256(text).hexdigest()
    (files / _MANIFEST).write_bytes(text)
    for path in files.iterdir():
        path.chmod(0o444)
    final = place / digest
    if not final.exists():
        files.rename(final)
    link = place / f".{_CURRENT}.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(digest)
    link.rename(place / _CURRENT)
    log.get().info("image.made", name=manifest.name, digest=digest)
    return Image(final, digest, manifest)


def _describe(file: Path) -> ImageFile:
    return ImageFile(name=file.name, sha256=_sha256(file), size=file.stat().st_size)


def _sha256(file: Path) -> str:
    """Return the digest of a file; holes are read as zeros and are fast."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def current(folder: Path, name: str) -> Image:
    """Return the current image of a name.

    :raises NotFound: none was built.
    :raises InputError: its manifest has changed.
    """
    link = folder / name / _CURRENT
    if not link.exists():
        raise NotFound(
            f"no image {name} in {folder}", hint=f"`buildfarm guests image build {name}` makes it"
        )
    place = link.resolve()
    text = (place / _MANIFEST).read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    if digest != place.name:
        raise InputError(
            f"{place / _MANIFEST} was changed: it has SHA-256 {digest}",
            hint=_ANEW.format(name=name),
        )
    return Image(place, digest, Manifest.model_validate(json.loads(text)))


_ANEW = "`buildfarm guests image build {name}` makes a clean one"


class Verified:
    """Remembers verified files by their metadata, so that only changed files are read again."""

    def __init__(self) -> None:
        self._clean: dict[str, tuple[int, ...]] = {}

    def check(self, image: Image) -> None:
        """Verify an image. :raises InputError: a file does not match the manifest; do not boot
        it.
        """
        for file in (image.manifest.disk, image.manifest.kernel, image.manifest.initramfs):
            path = image.path(file)
            seen = path.stat()
            state = (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
            if self._clean.get(str(path)) == state:
                continue
            found = _sha256(path)
            if found != file.sha256:
                raise InputError(
                    f"{path} was changed: its SHA-256 is {found}, the image's manifest says "
                    f"{file.sha256}",
                    hint=_ANEW.format(name=image.manifest.name),
                )
            self._clean[str(path)] = state
