"""Tombstones in several partitions, and records that are forgotten when their time has passed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from confluent_kafka import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from core.kafka_reader import ConsumedRecord
from core.mirrors import MirrorDefinition
from core.store import Store
from core.topics import WriteType
from projections.mirror_entries import GRAVE_KEPT_MS, TABLES
from projections.mirror_folds import MirrorProjection
from projections.mirrors import MirrorView
from projections.windows import Window

KEYS = (b"", b"a", b"b", b"a\x00", b"x" * 499, b"y" * 512, b"y" * 511 + b"z")
NOW_MS = int(time.time() * 1000)

Record = tuple[int, bytes, bytes | None, int]
"""Partition, key, value and timestamp."""


def messages(records: Iterable[Record], offsets: dict[int, int]) -> list[ConsumedRecord]:
    made: list[ConsumedRecord] = []
    for partition, key, value, timestamp_ms in records:
        offset = offsets.get(partition, 0)
        offsets[partition] = offset + 1
        stamp = (1, timestamp_ms)
        message: Any = Message(topic="t", partition=partition, offset=offset, key=key, value=value, timestamp=stamp)
        made.append(message)
    return made


def model(records: Iterable[Record]) -> dict[bytes, bytes]:
    """Return what a reader of the raw topic comes to: of the last record of each partition, the latest counts."""
    last: dict[bytes, dict[int, tuple[int, int, bytes | None]]] = {}
    for partition, key, value, timestamp_ms in records:
        last.setdefault(key, {})[partition] = (timestamp_ms, partition, value)
    winners = {key: max(each.values(), key=lambda place: place[:2])[2] for key, each in last.items()}
    return {key: value for key, value in winners.items() if value is not None}


def shuffled(records: list[Record], seed: int) -> list[Record]:
    """Return *records* in another order that keeps that of each partition, as a rebuild may read them."""
    by_partition: dict[int, list[Record]] = {}
    for record in records:
        by_partition.setdefault(record[0], []).append(record)
    order = [record[0] for record in records]
    random.Random(seed).shuffle(order)
    sources = {partition: iter(each) for partition, each in by_partition.items()}
    return [next(sources[partition]) for partition in order]


def content(path: Path) -> dict[bytes, bytes]:
    view = MirrorView(path)
    try:
        found = [(entry.key, entry.value) for entry in view.all()]
        assert len(found) == len(dict(found)), "a key comes twice"
        for limit in (1, 3):
            paged, window = [], Window(limit=limit)
            while True:
                page = view.page(window)
                assert len(page.entries) <= limit
                paged += [(entry.key, entry.value) for entry in page.entries]
                if page.next is None:
                    break
                window = window.behind(page.next)
            assert paged == found
        entries = view.get_many(KEYS)
        assert dict(found) == {key: entry.value for key, entry in zip(KEYS, entries, strict=True) if entry is not None}
        return dict(found)
    finally:
        view.close()


RECORDS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(KEYS),
        st.one_of(st.none(), st.binary(max_size=3)),
        st.integers(NOW_MS - 20, NOW_MS),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(records=RECORDS, seed=st.integers(0, 99), size=st.integers(1, 7))
def test_the_order_of_reading_partitions_makes_no_difference(records: list[Record], seed: int, size: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m"
        mirror = MirrorProjection(path, {0: 0, 1: 0, 2: 0})
        read = messages(shuffled(records, seed), {})
        for start in range(0, len(read), size):
            mirror.take(read[start : start + size])
            mirror.commit()
        mirror.close()
        assert model(records) == content(path)


def test_a_grave_goes_with_what_it_hides(tmp_path: Path) -> None:
    mirror = MirrorProjection(tmp_path / "m", {0: 0, 1: 0})
    records: list[Record] = [
        (1, b"a", None, NOW_MS),
        (0, b"a", b"hidden", NOW_MS - 1),
        (1, b"b", None, NOW_MS),
        (0, b"b", b"later", NOW_MS + 1),
    ]
    mirror.take(messages(records, {}))
    mirror.commit()
    assert not mirror.forget(NOW_MS + GRAVE_KEPT_MS - 1)  # When it was folded counts, not when it was written.
    assert mirror.forget(int(time.time() * 1000) + GRAVE_KEPT_MS)
    mirror.commit()
    mirror.close()
    assert {b"b": b"later"} == content(tmp_path / "m")
    with Store(tmp_path / "m", TABLES) as store, store.read() as txn:
        assert (1, 0) == (txn.count("entries"), txn.count("dues"))


@pytest.mark.parametrize("partitions", [1, 2])
def test_a_record_is_past_when_its_time_has_come(tmp_path: Path, partitions: int) -> None:
    hour = 3_600_000
    ends = dict.fromkeys(range(partitions), 0)
    definition = MirrorDefinition(retention_ms=hour)
    mirror = MirrorProjection(tmp_path / "m", ends, definition=definition)
    records: list[Record] = [
        (0, b"past", b"1", NOW_MS - 2 * hour),
        (0, b"written again", b"1", NOW_MS - 2 * hour),
        (0, b"written again", b"2", NOW_MS),
        (0, b"soon", b"1", NOW_MS - hour // 2),
        (0, b"y" * 512, b"1", NOW_MS - 2 * hour),
    ]
    mirror.take(messages(records, {}))
    mirror.commit()
    mirror.close()
    expected = {b"written again": b"2", b"soon": b"1"}
    view = MirrorView(tmp_path / "m")
    assert expected == {entry.key: entry.value for entry in view.all()}
    assert [None, None] == view.get_many([b"past", b"y" * 512])
    view.close()
    mirror = MirrorProjection(tmp_path / "m", ends, definition=definition)
    assert mirror.forget(NOW_MS)
    mirror.commit()
    assert not mirror.forget(NOW_MS)
    assert mirror.forget(NOW_MS + hour // 2)
    mirror.commit()
    mirror.close()
    with Store(tmp_path / "m", TABLES) as store, store.read() as txn:
        assert (1, 1) == (txn.count("entries"), txn.count("dues"))


def test_what_is_past_stays_so_after_a_rebuild(tmp_path: Path) -> None:
    definition = MirrorDefinition(retention_ms=1_000)
    read = messages([(0, b"k", b"new", NOW_MS), (0, b"k", b"old", NOW_MS - 5_000)], {})
    for name in ("first", "again"):
        mirror = MirrorProjection(tmp_path / name, {0: 2}, WriteType.MUTABLE, definition)
        mirror.take(read)
        mirror.commit()
        assert mirror.forget(NOW_MS)
        mirror.commit()
        mirror.close()
        view = MirrorView(tmp_path / name)
        assert [] == list(view.all())
        view.close()
