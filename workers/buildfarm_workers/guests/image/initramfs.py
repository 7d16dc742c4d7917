"""A small initramfs from the image's own programs: a shell, mount, modprobe, switch_root, modules.

The modules are those that the root disk needs.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from buildfarm.adapters.system import bubblewrap, process
from buildfarm.errors import InputError, ToolFailed
from buildfarm_workers.guests.image.worker_files import guest_files

_PROGRAMS = ("sh", "mount", "modprobe", "switch_root", "sleep", "cat")
_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
_SECONDS = 120
_INDEX = ("modules.builtin", "modules.order", "modules.builtin.modinfo")


def inside(root: Path, *words: str, writable: bool = False) -> str:
    """Run a program of the image in the image, in a sandbox; return its output.

    :raises ToolFailed: it failed.
    """
    return process.run(in_image(root, words, writable=writable), timeout=_SECONDS).text


def in_image(root: Path, command: Sequence[str], *, writable: bool = False) -> list[str]:
    """Return ``command`` in a sandbox whose ``/`` is the image."""
    bind = "--bind" if writable else "--ro-bind"
    return bubblewrap.argv(
        command,
        ["--unshare-all", "--die-with-parent", bind, root, "/", "--proc", "/proc"],
        ["--dev", "/dev", "--clearenv"],
        bubblewrap.environment({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}),
    )


def kernel_of(root: Path) -> tuple[str, Path]:
    """Return version and file of the image's kernel. :raises InputError: it has none, or
    several.
    """
    versions = sorted(path.name for path in (root / "usr/lib/modules").glob("*"))
    if len(versions) != 1:
        raise InputError(
            f"the image holds {len(versions)} kernels ({', '.join(versions) or 'none'})",
            hint="name one kernel package",
        )
    candidates = (
        root / "boot" / f"vmlinuz-{versions[0]}",
        root / "usr/lib/modules" / versions[0] / "vmlinuz",
    )
    for file in candidates:
        if file.is_file():
            return versions[0], file
    raise InputError(
        f"kernel {versions[0]} of the image has no vmlinuz",
        hint="looked for it in /boot and beside its modules",
    )


def make(root: Path, modules: Sequence[str], work: Path, target: Path) -> None:
    """Write the initramfs for the image in ``root`` to ``target``.

    It is newc cpio, not compressed, because it is read from memory.

    :param modules: to load before the root disk is mounted; built-in ones are skipped.
    :raises ToolFailed: a program of the image cannot be run in it.
    """
    version, _ = kernel_of(root)
    inside(root, "depmod", version, writable=True)
    tree = work / "initramfs"
    for name in ("bin", "proc", "sys", "dev", "sysroot", "run"):
        (tree / name).mkdir(parents=True)
    programs = {name: inside(root, "sh", "-c", f"command -v {name}").strip() for name in _PROGRAMS}
    _copy_programs(root, programs, tree)
    _copy_modules(root, version, modules, tree)
    shutil.copyfile(guest_files() / "initramfs-init", tree / "init")
    (tree / "init").chmod(0o755)
    names = "".join(f"{path.relative_to(tree)}\0" for path in sorted(tree.rglob("*")))
    with target.open("wb") as out:
        process.run(
            [
                "cpio", "--null", "--create", "--format=newc", "--quiet", "--owner=0:0",
                "--reproducible", f"--directory={tree}",
            ],
            timeout=_SECONDS,
            stdin=names.encode(),
            out=out,
            max_output=1 << 30,
        )  # fmt: skip


def _copy_programs(root: Path, programs: dict[str, str], tree: Path) -> None:
    for name, path in programs.items():
        _copy(root, path, tree, as_path=f"/bin/{name}")
        for library in sorted(set(_LIBRARY.findall(inside(root, "ldd", path)))):
            _copy(root, library, tree, as_path=library)


def _copy(root: Path, path: str, tree: Path, *, as_path: str) -> None:
    """Copy the file at ``path`` in the image, with its links followed there, to ``as_path``."""
    place = tree / as_path.lstrip("/")
    if place.exists():
        return
    real = inside(root, "readlink", "-f", path).strip()
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / real.lstrip("/"), place)
    place.chmod(0o755)


def _copy_modules(root: Path, version: str, modules: Sequence[str], tree: Path) -> None:
    """Copy the modules and their dependencies, with an index of their own."""
    wanted: list[str] = []
    for module in modules:
        try:
            lines = inside(
                root, "modprobe", "--show-depends", "--set-version", version, module
            ).splitlines()
        except ToolFailed as error:
            raise InputError(
                f"kernel {version} of the image has no module {module}: {error.output}"
            ) from error
        wanted += [line.split()[1] for line in lines if line.startswith("insmod ")]
    names = []
    for path in dict.fromkeys(wanted):
        _copy(root, path, tree, as_path=path)
        names.append(Path(path).name.partition(".ko")[0])
    (tree / "modules").write_text("".join(f"{name}\n" for name in names), encoding="ascii")
    folder = tree / "lib/modules" / version
    folder.mkdir(parents=True, exist_ok=True)
    for name in _INDEX:
        if (root / "usr/lib/modules" / version / name).exists():
            shutil.copyfile(root / "usr/lib/modules" / version / name, folder / name)
    if (tree / "usr/lib/modules").exists():
        shutil.copytree(tree / "usr/lib/modules", tree / "lib/modules", dirs_exist_ok=True)
        shutil.rmtree(tree / "usr/lib/modules")
    depmod = bubblewrap.argv(
        ["depmod", "-b", "/mnt", version],
        ["--unshare-all", "--ro-bind", root, "/", "--bind", tree, "/mnt", "--proc", "/proc"],
        ["--dev", "/dev"],
    )
    process.run(depmod, timeout=_SECONDS)
