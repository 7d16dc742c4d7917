"""Downloads: files that a drop names by URL are fetched into the blob store before they are
ingested like any other file.

A file that cannot be fetched is a problem of that file alone; a server that does not answer ends
the task, which is tried again and goes on with the missing files.
"""

from __future__ import annotations

from buildfarm.domain.intake.drop import Drop, DropItem
from buildfarm.domain.target.target import Target
from buildfarm.errors import InputError
from buildfarm.ports.blobs import StoredBlob
from buildfarm.ports.fetching import Fetch
from buildfarm.services.core.hub import Heartbeat, Hub
from buildfarm.services.intake.drops import url_digest

MOST_BYTES = 8192 * 1024 * 1024
"""The largest file, as for an upload."""


def bring(hub: Hub, fetch: Fetch, drop: str, heartbeat: Heartbeat) -> None:
    """Fetch the missing files of a drop.

    :raises InfraError: a server does not answer, or the disk is full.
    """
    with hub.store.read() as tx:
        record = tx.get(Drop, drop)
        items = tx.find(
            DropItem, drop_id=drop, build="", problem="", order_by="kind,filename,sha256"
        )
    missing = [item for item in items if item.url and not hub.blobs.has(item.sha256)]
    target = hub.target(record.target) if missing else None
    for number, item in enumerate(missing, 1):
        assert target is not None
        heartbeat(f"fetching {number} of {len(missing)}: {item.filename}")
        try:
            blob = _fetch(hub, fetch, target, item)
        except InputError as error:
            _refuse(hub, item, str(error))
        else:
            _keep(hub, item, blob)


def _fetch(hub: Hub, fetch: Fetch, target: Target, item: DropItem) -> StoredBlob:
    expected = None if item.sha256 == url_digest(item.url) else item.sha256
    with fetch(item.url, allowed=target.allowed_urls, limit=MOST_BYTES) as answer:
        try:
            return hub.blobs.put_stream(answer.chunks, expected_sha256=expected, limit=MOST_BYTES)
        except InputError as error:
            raise error if item.url in str(error) else InputError(f"{item.url}: {error}") from error


def _keep(hub: Hub, item: DropItem, blob: StoredBlob) -> None:
    with hub.store.begin() as tx:
        same = tx.first(DropItem, drop_id=item.drop_id, kind=item.kind, sha256=blob.sha256)
        if same is not None and same.id != item.id:
            tx.update(item, problem=f"{item.url}: the same file as {same.filename} of this drop")
            return
        tx.update(item, sha256=blob.sha256)
        tx.event(
            "file.fetched",
            item.drop_id,
            actor="ingest",
            why=item.url,
            sha256=blob.sha256,
            size=blob.size,
        )


def _refuse(hub: Hub, item: DropItem, why: str) -> None:
    with hub.store.begin() as tx:
        tx.update(item, problem=why)
        tx.event("file.refused", item.drop_id, actor="ingest", why=why, filename=item.filename)
