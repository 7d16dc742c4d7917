"""What need not be remembered for ever is forgotten on its day, and nothing else is."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from buildfarm.adapters.core.blobs import _INCOMING, Blobs
from buildfarm.adapters.core.database import SqlStore
from buildfarm.domain.auth.account import LoginTries, Session
from buildfarm.domain.core.idempotency import KeptAnswer
from buildfarm.domain.core.records import Event
from buildfarm.domain.notify.notice import Notice, Topic
from buildfarm.domain.notify.subscription import Channel, Delivery
from buildfarm.domain.target.trigger import HookCall, SeenFile
from buildfarm.services.core import pruning
from tests.fakes import Clock

DAY = 24 * 3600
KINDS = (HookCall, Session, LoginTries, Notice, SeenFile, KeptAnswer)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def live(store: SqlStore, name: str, number: int) -> None:
    """One of everything, as of now; the session ends at once."""
    with store.begin() as tx:
        now = tx.now
        tx.add(HookCall(id=name, trigger="t", message="m", received=now))
        tx.add(
            Session(
                id=name,
                account="ann",
                created=now,
                seen=now,
                until=now + timedelta(days=400),
                ended=now,
            )
        )
        tx.add(
            Session(
                id=f"{name} open",
                account="ann",
                created=now,
                seen=now,
                until=now + timedelta(days=1),
            )
        )
        tx.add(LoginTries(id=name, tries=3, since=now))
        tx.add(
            Notice(
                id=number,
                at=now,
                topic=Topic.FAILED,
                kind="build.failed",
                subject="b",
                name="n",
                target="t",
            )
        )
        tx.add(
            SeenFile(id=name, trigger="t", sha256="s", name="n", stamp="1", drop_id="d", seen=now)
        )
        tx.add(KeptAnswer(id=name, fingerprint="f", created=now))


def left(store: SqlStore) -> dict[str, list[str]]:
    with store.read() as tx:
        return {
            kind.__name__: sorted(str(key) for (key,) in tx.select_fields(kind, ("id",)))
            for kind in KINDS
        }


def test_each_kind_goes_on_its_day_and_what_was_seen_never(
    store: SqlStore, blobs: Blobs, clock: Clock
) -> None:
    live(store, "old", 1)
    assert pruning.prune(store, blobs) == {}
    clock.pass_seconds(29 * DAY)
    assert pruning.prune(store, blobs) == {"answers": 1}
    clock.pass_seconds(62 * DAY)
    live(store, "new", 2)
    assert pruning.prune(store, blobs) == {
        "hook_calls": 1,
        "sessions": 2,
        "login_tries": 1,
        "notices": 1,
    }
    assert left(store) == {
        "HookCall": ["new"], "Session": ["new", "new open"], "LoginTries": ["new"], "Notice": ["2"], "SeenFile": ["new", "old"],
        "KeptAnswer": ["new"],
    }  # fmt: skip
    with store.read() as tx:
        said = [event.data for event in tx.find(Event, kind="store.pruned", order_by="id")]
    assert said == [
        {"answers": 1},
        {"hook_calls": 1, "sessions": 2, "login_tries": 1, "notices": 1},
    ]


def test_a_notice_that_is_owed_to_somebody_stays(
    store: SqlStore, blobs: Blobs, clock: Clock
) -> None:
    for number in (1, 2, 3):
        live(store, f"n{number}", number)
    with store.begin() as tx:
        tx.add(
            Delivery(
                id="d",
                subscription="s",
                channel=Channel.WEBHOOK,
                address="a",
                notice=2,
                due=tx.now,
                created=tx.now,
            )
        )
    clock.pass_seconds(91 * DAY)
    pruning.prune(store, blobs)
    assert left(store)["Notice"] == ["2", "3"]


def test_a_killed_upload_is_swept_after_a_day_and_a_running_one_is_not(
    store: SqlStore, blobs: Blobs, tmp_path: Path
) -> None:
    killed, running = (tmp_path / "blobs" / _INCOMING / name for name in ("killed", "running"))
    for upload in (killed, running):
        upload.write_bytes(b"half")
    two_days_ago = time.time() - 2 * DAY
    os.utime(killed, (two_days_ago, two_days_ago))
    assert pruning.prune(store, blobs) == {"uploads": 1}
    assert running.exists()
    assert not killed.exists()
