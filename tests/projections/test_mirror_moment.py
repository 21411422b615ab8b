from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInputError, StoreBrokenError
from core.mirrors import MirrorDefinition
from core.store import Reader, Store, number_key
from core.topics import WriteType
from projections import mirror_moment
from projections.index_reading import IndexReader
from projections.mirror_entries import (
    GRAVE,
    INLINE_MAX,
    KEPT,
    PARTITIONS,
    TABLES,
    Kept,
    key_tail,
    offset_struct,
    partition_struct,
    stamp_struct,
    stored_value,
)
from projections.mirror_moment import MirrorFacts, MirrorMoment
from projections.windows import Window

KEYS = [b"", b"a", b"b", b"x" * INLINE_MAX, b"x" * (INLINE_MAX + 1), b"x" * INLINE_MAX + b"yz"]

RECORDS = st.dictionaries(
    st.tuples(st.integers(0, 2), st.sampled_from(KEYS)),
    st.tuples(st.integers(0, 3), st.binary(max_size=5), st.booleans()),
)
"""By partition and key: the time, the value, and whether it is a tombstone."""


@contextmanager
def opened(write_type: WriteType = WriteType.MUTABLE, retention_ms: int | None = None) -> Iterator[Store]:
    kept = Kept(write_type=write_type, definition=MirrorDefinition(retention_ms=retention_ms))
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder), TABLES, sync=False) as store:

        def begin(txn: Any) -> None:
            txn.put("meta", PARTITIONS, number_key(3))
            txn.put("meta", KEPT, msgspec.json.encode(kept))

        store.update(begin)
        yield store


def write(store: Store, records: dict[tuple[int, bytes], tuple[int, bytes, bool]], *, is_first: bool = False) -> None:
    def put(txn: Any) -> None:
        for (partition, key), (time_ms, value, is_grave) in records.items():
            place = stamp_struct.pack(GRAVE if is_grave else 0, time_ms) + (offset_struct.pack(7) if is_first else b"")
            stored = stored_value(key, b"" if is_grave else value, place)
            txn.put("entries", partition_struct.pack(partition) + key_tail(key), stored)

    store.update(put)


def moment_of(store: Store) -> MirrorMoment:
    return MirrorMoment(store, IndexReader(store), MirrorFacts())


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.sampled_from(WriteType), st.sampled_from([None, 2]))
def test_values_are_those_of_the_entries(records: Any, write_type: WriteType, retention_ms: int | None) -> None:
    is_first = write_type is WriteType.IMMUTABLE
    if is_first:
        records = {place: (*rest, False) for place, (*rest, _) in records.items()}  # It has no tombstones.
    with pytest.MonkeyPatch.context() as patched, opened(write_type, retention_ms) as store:
        patched.setattr(mirror_moment.time, "time", lambda: 0.004)
        write(store, records, is_first=is_first)
        with moment_of(store) as moment:
            expected = [None if entry is None else entry.value for entry in moment.get_many(KEYS)]
            assert expected == list(moment.values(KEYS)) == [moment.value(key) for key in KEYS]
            scanned = {entry.key: entry.value for page in moment.pages(limit=2) for entry in page}
            assert {key: value for key, value in zip(KEYS, expected, strict=True) if value is not None} == scanned


def test_everything_in_a_moment_is_as_of_one_commit() -> None:
    with opened() as store:
        write(store, {(0, b"a"): (0, b"old", False)})
        with moment_of(store) as moment:
            write(store, {(0, b"a"): (1, b"new", False), (0, b"b"): (1, b"new", False)})
            assert [b"old", None] == list(moment.values([b"a", b"b"]))
            assert [[b"old"]] == [[entry.value for entry in page] for page in moment.pages()]
            entry = moment.get(b"a")
            assert entry is not None
            assert b"old" == entry.value
        with moment_of(store) as later:
            assert [b"new", b"new"] == list(later.values([b"a", b"b"]))


@settings(max_examples=100, deadline=None)
@given(RECORDS, st.data())
def test_a_part_is_read_in_either_direction_page_by_page(records: Any, data: st.DataObject) -> None:
    bounds = st.sampled_from([None, *map(key_tail, KEYS), key_tail(b"aa")])
    after, until, reverse, limit = data.draw(st.tuples(bounds, bounds, st.booleans(), st.integers(1, 4)))
    includes_after = data.draw(st.booleans())
    with opened() as store:
        write(store, records)
        with moment_of(store) as moment:
            every = [entry for page in moment.pages() for entry in page]
            expected = [
                entry
                for entry in (reversed(every) if reverse else every)
                if is_within(key_tail(entry.key), after, until, reverse=reverse, includes_after=includes_after)
            ]
            found: list[Any] = []
            window: Window | None = Window(after, until, includes_after, reverse, limit)
            while window is not None:
                page = moment.page(window)
                assert len(page.entries) <= limit
                found += page.entries
                window = None if page.next is None else window.behind(page.next)
    assert expected == found


def is_within(tail: bytes, after: bytes | None, until: bytes | None, *, reverse: bool, includes_after: bool) -> bool:
    is_behind = after is None or (tail < after if reverse else tail > after) or (includes_after and tail == after)
    return is_behind and (until is None or (tail > until if reverse else tail < until))


@pytest.mark.parametrize("place", [b"", b"\x07", b"\x00" + b"x" * (INLINE_MAX + 1)])
def test_a_page_does_not_begin_or_end_where_no_key_can_stand(place: bytes) -> None:
    with opened() as store, moment_of(store) as moment:
        for window in (Window(after=place), Window(until=place)):
            with pytest.raises(InvalidInputError, match="This cursor was made up"):
                moment.page(window)


def test_a_broken_store_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise lmdb.CorruptedError("torn")

    asks: list[Callable[[MirrorMoment], object]] = [
        lambda moment: moment.get(b"a"),
        lambda moment: moment.value(b"a"),
        lambda moment: list(moment.values([b"a"])),
        lambda moment: moment.page(),
    ]
    with opened() as store:
        facts = MirrorFacts()
        with store.read() as txn:
            facts.kept(txn), facts.heads(txn)
        monkeypatch.setattr(Reader, "get", broken)
        monkeypatch.setattr(Reader, "scan", broken)
        monkeypatch.setattr(Reader, "found", broken)
        for ask in asks:
            moment = MirrorMoment(store, IndexReader(store), facts)
            with moment:
                moment._value_of = broken
                with pytest.raises(StoreBrokenError, match="torn"):
                    ask(moment)
