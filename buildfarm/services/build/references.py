"""Reference locks: the contents of the vendor's buildroot, attached to a build or to a target."""

from __future__ import annotations

from buildfarm.domain.build.parity import read_reference
from buildfarm.domain.core.records import ReferenceLock
from buildfarm.errors import InputError
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub

TARGET = "target:"
"""Prefix of a whole target's references, which serve builds that have none of their own."""


def add(hub: Hub, subject: str, text: str, *, arch: str, actor: str) -> ReferenceLock:
    """Attach a reference to ``subject``, a build's id or ``target:NAME``, in the place of the
    former one.

    :raises InputError: the text is no lock, or it names no arch and none was given.
    """
    found = read_reference(text)
    arch = arch or next((rpm.arch for rpm in found.rpms if rpm.arch != "noarch"), "")
    if not arch:
        raise InputError(
            "the reference is of noarch RPMs only", hint="--arch ARCH says whose it is"
        )
    blob = hub.blobs.put_bytes(text.encode())
    with hub.store.begin() as tx:
        record = ReferenceLock(
            id=f"{subject}/{arch}", subject=subject, arch=arch, form=found.form, digest=blob.sha256,
            rpms=tuple(map(str, found.rpms)), actor=actor, created=tx.now,
        )  # fmt: skip
        if not tx.insert_or_ignore(record):
            tx.update(
                tx.get(ReferenceLock, record.id), form=record.form, digest=record.digest,
                rpms=record.rpms, actor=actor, created=tx.now,
            )  # fmt: skip
        tx.event(
            "reference.added", subject, actor=actor, why=found.form, rpms=len(found.rpms), arch=arch
        )
        return tx.get(ReferenceLock, record.id)


def of(tx: Transaction, build: str, target: str, arch: str) -> ReferenceLock | None:
    """The reference of a build on an arch: its own, else its target's."""
    own = tx.first(ReferenceLock, id=f"{build}/{arch}")
    return own or tx.first(ReferenceLock, id=f"{TARGET}{target}/{arch}")
