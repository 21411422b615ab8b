from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import core.store
from core.errors import StoreError, StoreFullError
from core.store import Difference, Store, Writer, bounded_key, copy_tables, differences, key_number, number_key


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store", ["one", "two"]) as store:
        yield store


def put(store: Store, table: str, *items: tuple[bytes, bytes]) -> None:
    store.update(lambda txn: txn.put_many(table, items))


def test_a_change_is_seen_whole_or_not_at_all(store: Store) -> None:
    def change(txn: Writer) -> None:
        txn.put("one", b"k", b"v")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - raised above
        store.update(change)
    with store.read() as txn:
        assert txn.get("one", b"k") is None


def test_scan_walks_both_ways_from_any_place(store: Store) -> None:
    put(store, "one", (b"a", b"1"), (b"c", b"3"), (b"e", b"5"))
    with store.read() as txn:
        assert [b"a", b"c", b"e"] == [key for key, _ in txn.scan("one")]
        assert [b"c", b"e"] == [key for key, _ in txn.scan("one", b"b")]
        assert [b"e", b"c", b"a"] == [key for key, _ in txn.scan("one", reverse=True)]
        assert [b"c", b"a"] == [key for key, _ in txn.scan("one", b"d", reverse=True)]
        assert [b"c", b"a"] == [key for key, _ in txn.scan("one", b"c", reverse=True)]
        assert [b"e", b"c", b"a"] == [key for key, _ in txn.scan("one", b"z", reverse=True)]
        assert [] == list(txn.scan("one", b"A", reverse=True))
        assert [] == list(txn.scan("two", reverse=True))


def test_numbers_are_scanned_within_bounds(store: Store) -> None:
    put(
        store,
        "one",
        *((b"p" + number_key(n), b"%d" % n) for n in range(1, 6)),
        (b"q" + number_key(1), b"other"),
    )
    with store.read() as txn:
        assert [2, 3] == [n for n, _ in txn.scan_numbers("one", b"p", gt=1, lte=3)]
        assert [5, 4] == [n for n, _ in txn.scan_numbers("one", b"p", gt=3, desc=True)]
        assert [] == list(txn.scan_numbers("one", b"p", gt=5))
        assert [] == list(txn.scan_numbers("one", b"o"))


def test_many_keys_are_deleted_those_that_are_not_there_too(store: Store) -> None:
    put(store, "one", (b"a", b"1"), (b"b", b"2"), (b"c", b"3"))
    store.update(lambda txn: txn.delete_many("one", [b"a", b"aa", b"c"]))
    with store.read() as txn:
        assert [(b"b", b"2")] == list(txn.scan("one"))


def test_a_full_map_grows_under_the_writer_and_its_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.store, "INITIAL_MAP_BYTES", 1 << 20)
    writer = Store(tmp_path / "store", ["one"])
    put(writer, "one", *((number_key(n), bytes(4096)) for n in range(2000)))
    with writer.read() as txn:
        assert 2000 == txn.count("one")
    writer.close()


def test_a_full_map_is_told_also_by_a_deletion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.store, "INITIAL_MAP_BYTES", 1 << 20)
    with Store(tmp_path / "store", ["one"]) as store:
        rows = 700
        put(store, "one", *((number_key(n), bytes(1000)) for n in range(rows)))
        txn = store.begin()

        with pytest.raises(StoreFullError):  # A leaf is copied before a row leaves it.
            txn.delete_many("one", (number_key(n) for n in range(0, rows, 4)))
        txn.abort()


def test_a_reader_opens_optional_tables_where_they_are_there(tmp_path: Path) -> None:
    with Store(tmp_path / "store", ["one", "two"]) as store:
        put(store, "two", (b"k", b"v"))
    with Store(tmp_path / "store", ["one"], optional=["two", "three"], readonly=True) as store, store.read() as txn:
        assert b"v" == txn.get("two", b"k")
        with pytest.raises(KeyError):
            txn.get("three", b"k")


@pytest.mark.parametrize("raw", [b"", b"x", b"x" * 510, b"x" * 511, b"x" * 100_000])
def test_every_key_has_a_place(store: Store, raw: bytes) -> None:
    put(store, "one", (bounded_key(raw), raw))
    with store.read() as txn:
        assert raw == txn.get("one", bounded_key(raw))


def test_a_foreign_file_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=str(tmp_path)):
        Store(tmp_path, ["one"])


# Two stores.

TABLES = ["one", "two", "three"]

_entries = st.dictionaries(st.binary(min_size=1, max_size=3), st.binary(max_size=2), max_size=8)
_contents = st.fixed_dictionaries(dict.fromkeys(TABLES, _entries))
Contents = Mapping[str, Mapping[bytes, bytes]]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    folder = tmp_path_factory.mktemp("pair")
    with Store(folder / "a", TABLES, sync=False) as one, Store(folder / "b", TABLES, sync=False) as other:
        yield one, other


def fill(store: Store, contents: Contents) -> None:
    def change(txn: Writer) -> None:
        for table in TABLES:
            txn.clear(table)
            for key, value in contents[table].items():
                txn.put(table, key, value)

    store.update(change)


def contents_of(store: Store) -> dict[str, dict[bytes, bytes]]:
    with store.read() as txn:
        return {table: dict(txn.scan(table)) for table in TABLES}


@given(here=_contents, there=_contents, tables=st.lists(st.sampled_from(TABLES), unique=True))
@settings(deadline=None)
def test_differences_are_every_key_at_which_two_stores_differ_in_order(
    pair: tuple[Store, Store], here: Contents, there: Contents, tables: list[str]
) -> None:
    fill(pair[0], here)
    fill(pair[1], there)
    expected = [
        Difference(table, key, here[table].get(key), there[table].get(key))
        for table in tables
        for key in sorted(here[table].keys() | there[table].keys())
        if here[table].get(key) != there[table].get(key)
    ]
    with pair[0].read() as one, pair[1].read() as other:
        assert expected == list(differences(one, other, tables))
        assert [] == list(differences(one, one, TABLES))


@given(here=_contents, there=_contents, tables=st.lists(st.sampled_from(TABLES), unique=True))
@settings(deadline=None)
def test_copied_tables_are_what_they_are_in_the_source_and_the_others_stay(
    pair: tuple[Store, Store], here: Contents, there: Contents, tables: list[str]
) -> None:
    target, source = pair
    fill(target, here)
    fill(source, there)
    with source.read() as txn:
        target.update(lambda writer: copy_tables(writer, txn, tables))
    assert {table: dict((there if table in tables else here)[table]) for table in TABLES} == contents_of(target)
    assert {table: dict(there[table]) for table in TABLES} == contents_of(source)


def test_a_difference_is_found_without_reading_further(pair: tuple[Store, Store]) -> None:
    fill(pair[0], {"one": {b"a": b"1", b"b": b"2"}, "two": {}, "three": {}})
    fill(pair[1], {"one": {b"b": b"x", b"c": b"3"}, "two": {b"d": b""}, "three": {}})
    with pair[0].read() as one, pair[1].read() as other:
        found = differences(one, other, TABLES)
        assert Difference("one", b"a", b"1", None) == next(found)
        assert [
            Difference("one", b"b", b"2", b"x"),
            Difference("one", b"c", None, b"3"),
            Difference("two", b"d", None, b""),
        ] == list(found)


def test_a_large_copy_grows_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Store(tmp_path / "source", TABLES, sync=False)
    source.update(lambda txn: txn.put_many("one", ((number_key(n), bytes(4096)) for n in range(1000))))
    monkeypatch.setattr(core.store, "INITIAL_MAP_BYTES", 1 << 20)
    target = Store(tmp_path / "target", TABLES, sync=False)
    with source.read() as txn:
        target.update(lambda writer: copy_tables(writer, txn, TABLES))
    with source.read() as one, target.read() as other:
        assert 1000 == other.count("one")
        assert [] == list(differences(one, other, TABLES))
    source.close()
    target.close()


def test_a_version_is_never_ahead_of_what_is_read(tmp_path: Path) -> None:
    with Store(tmp_path / "s", ("t",)) as store:
        store.update(lambda txn: txn.put("t", b"n", number_key(0)))
        first = store.version()

        def write() -> None:
            for number in range(1, 300):
                store.update(partial(Writer.put, table="t", key=b"n", value=number_key(number)))

        writer = threading.Thread(target=write)
        writer.start()
        while writer.is_alive():
            version = store.version()
            with store.read() as txn:
                assert version - first <= key_number(txn.get("t", b"n") or b"")
        writer.join()
        assert 299 == store.version() - first


def test_a_store_whose_file_was_deleted_is_read_on_and_has_a_size(tmp_path: Path) -> None:
    with Store(tmp_path / "store", ["one"]) as store:
        put(store, "one", (b"a", b"1"))
        held = store.size_bytes()
        (tmp_path / "store" / "data.mdb").unlink()
        with store.read() as txn:
            assert b"1" == txn.get("one", b"a")
        assert held <= store.size_bytes()
