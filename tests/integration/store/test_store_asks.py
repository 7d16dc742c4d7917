"""What the store can be asked for without reading everything: some fields, counts, beginnings, the
next page.
"""

from datetime import timedelta

import pytest

from buildfarm.adapters.core.database import SqlStore
from buildfarm.domain.core.records import Event, SearchEntry
from buildfarm.domain.intake.drop import Drop, DropItem, DropState, ItemKind, VendorRpm
from buildfarm.ports.store import Above, Among, Prefix
from tests.fakes import Clock


def rpm(number: int, **fields: object) -> VendorRpm:
    given: dict[str, object] = {
        "id": f"r{number}", "target": "t", "sha256": f"{number:064}", "filename": f"lib{number}.rpm", "name": f"lib{number}",
        "arch": "x86_64", "source": "lib", "sourcerpm": "lib.src.rpm", **fields,
    }  # fmt: skip
    return VendorRpm(**given)  # type: ignore[arg-type]


@pytest.fixture
def rpms(store: SqlStore) -> list[VendorRpm]:
    made = [
        rpm(n, verdict="REVIEW" if n % 3 else "", provides=("a", "b"), problem="" if n else "bad")
        for n in range(7)
    ]
    with store.begin() as tx:
        for one in made:
            tx.add(one)
    return made


def test_only_what_is_asked_for_is_read(store: SqlStore, rpms: list[VendorRpm]) -> None:
    with store.read() as tx:
        found = tx.select_fields(
            VendorRpm,
            ("name", "provides", "waived"),
            target="t",
            order_by="name",
            descending=True,
            limit=2,
        )
    assert found == [("lib6", ["a", "b"], False), ("lib5", ["a", "b"], False)]


def test_a_tally_counts_each_combination(store: SqlStore, rpms: list[VendorRpm]) -> None:
    with store.read() as tx:
        assert tx.count_by(VendorRpm, ("verdict", "problem"), target="t") == {
            ("", "bad"): 1,
            ("", ""): 2,
            ("REVIEW", ""): 4,
        }
        assert tx.count_by(VendorRpm, ("verdict",), target="u") == {}


def test_counting_stops_where_it_may(store: SqlStore, rpms: list[VendorRpm]) -> None:
    with store.read() as tx:
        assert (
            tx.count(VendorRpm),
            tx.count(VendorRpm, most=3),
            tx.count(VendorRpm, most=3, name="lib1"),
        ) == (7, 3, 1)


def test_pages_go_on_after_the_last_one_seen_also_at_the_same_moment(
    store: SqlStore, clock: Clock
) -> None:
    with store.begin() as tx:
        for number in range(11):
            moment = clock.now + timedelta(seconds=number // 4)
            tx.add(
                Drop(
                    id=f"d{number:02}",
                    target="t",
                    name="n",
                    trigger="x",
                    owner="o",
                    state=DropState.INGESTED,
                    created=moment,
                )
            )
    for descending in (True, False):
        seen: list[Drop] = []
        with store.read() as tx:
            while page := tx.find(
                Drop,
                order_by="created,id",
                descending=descending,
                limit=3,
                after=seen[-1] if seen else None,
                target="t",
            ):
                seen += page
        assert [one.id for one in seen] == sorted(
            (f"d{n:02}" for n in range(11)), reverse=descending
        )


def test_a_beginning_is_meant_byte_by_byte(store: SqlStore) -> None:
    names = ["100%_sure", "100xx", "a_b", "ab", "Ab", "a\u00e9", "a", "b", "a\\", "axb"]
    with store.begin() as tx:
        for number, one in enumerate(names):
            tx.add(SearchEntry(id=str(number), kind="source", token=one, label=one))
        for name in (*names, "100%", "a%", "_"):
            found = {
                entry.token for entry in tx.find(SearchEntry, kind="source", token=Prefix(name))
            }
            assert found == {one for one in names if one.startswith(name)}, name


def test_one_may_ask_for_more_than_and_for_what_others_name(
    store: SqlStore, rpms: list[VendorRpm]
) -> None:
    with store.begin() as tx:
        for one in rpms[:3]:
            tx.add(
                DropItem(
                    id=one.id,
                    drop_id="d",
                    kind=ItemKind.BINARY,
                    sha256=one.sha256,
                    filename=one.filename,
                )
            )
        named = Among(DropItem, "sha256", {"drop_id": "d", "kind": ItemKind.BINARY})
        assert [one.id for one in tx.find(VendorRpm, sha256=named, order_by="id")] == [
            "r0",
            "r1",
            "r2",
        ]
        assert [one.id for one in tx.find(VendorRpm, sha256=named, problem=Above(""))] == ["r0"]


def test_many_are_added_changed_and_taken_away_at_once(store: SqlStore, clock: Clock) -> None:
    entries = [SearchEntry(id=str(n), kind="rpm", token="t", label=str(n)) for n in range(5)]
    with store.begin() as tx:
        tx.add(entries[0])
        tx.add_all(entries)
        tx.add_all([])
        assert tx.change_all(SearchEntry, {"id": ("1", "2")}, source="s") == 2
        assert tx.remove(SearchEntry, source="s") == 2
        assert [entry.id for entry in tx.find(SearchEntry, order_by="id")] == ["0", "3", "4"]
        tx.add_all([Event(at=clock.now, actor="a", kind="k", subject="s") for _ in range(2)])
        first, second = tx.find(Event, order_by="id")
    assert (first.id or 0) < (second.id or 0)


def test_all_that_one_read_sees_is_of_one_moment(store: SqlStore, rpms: list[VendorRpm]) -> None:
    with store.read() as tx:
        before = tx.count(VendorRpm)
        with store.begin() as other:
            other.add(rpm(99))
            other.update(rpms[0], name="renamed")
        assert (tx.count(VendorRpm), tx.get(VendorRpm, "r0").name) == (before, "lib0")
    with store.read() as tx:
        assert (tx.count(VendorRpm), tx.get(VendorRpm, "r0").name) == (before + 1, "renamed")
