"""The build user's ``.rpmmacros``, from the target and the override. Pure functions."""

from __future__ import annotations

import re

from buildfarm.domain.core.build import FailureKind
from buildfarm.wire import WorkOrder
from buildfarm_workers.builders.buildroot import sandboxes
from buildfarm_workers.builders.port import BuildFailed

_NAME = re.compile(r"[A-Za-z_]\w+(?:\([^()]*\))?")


def for_order(order: WorkOrder) -> dict[str, str]:
    """Return macro bodies by name (no percent sign): the target's, then the override's."""
    macros = {
        "_buildhost": sandboxes.HOSTNAME,
        **_plain(order.macros),
        **_plain(order.override.macros),
    }
    if order.source_date_epoch is not None:
        macros["use_source_date_epoch_as_buildtime"] = "1"
        macros["clamp_mtime_to_source_date_epoch"] = "1"
    return macros


def rpmmacros(order: WorkOrder, *, dbpath: str) -> str:
    """Return the whole file.

    :raises BuildFailed: a macro's name is invalid.
    """
    fixed = {
        "_topdir": "/" + "/".join(sandboxes.TOPDIR),
        "_rpmfilename": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
        "_dbpath": dbpath,
    }
    lines = []
    for name, body in {**for_order(order), **fixed}.items():
        if not _NAME.fullmatch(name):
            raise BuildFailed(
                FailureKind.BUILD,
                f"not a macro's name: {name!r} (see the target's or override's macros)",
            )
        lines.append(f"%{name} " + body.replace("\n", "\\\n"))
    return "\n".join(lines) + "\n"


def options(order: WorkOrder) -> list[str]:
    """Return rpmbuild's options for the override's conditions."""
    override = order.override
    words = [f"--with={name}" for name in override.with_] + [
        f"--without={name}" for name in override.without
    ]
    return [*words, "--nocheck"] if override.nocheck and order.kind == "build" else words


def _plain(macros: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix("%"): body for name, body in macros.items()}
