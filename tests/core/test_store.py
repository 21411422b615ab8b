from __future__ import annotations

from pathlib import Path

import pytest

import core.store
from core.errors import StoreError
from core.store import Store, Writer, bounded_key, number_key


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", ["one", "two"])


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


def test_a_full_map_grows_under_the_writer_and_its_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.store, "INITIAL_MAP_BYTES", 1 << 20)
    writer = Store(tmp_path / "store", ["one"])
    put(writer, "one", *((number_key(n), bytes(4096)) for n in range(2000)))
    with writer.read() as txn:
        assert 2000 == txn.count("one")


@pytest.mark.parametrize("raw", [b"", b"x", b"x" * 510, b"x" * 511, b"x" * 100_000])
def test_every_key_has_a_place(store: Store, raw: bytes) -> None:
    put(store, "one", (bounded_key(raw), raw))
    with store.read() as txn:
        assert raw == txn.get("one", bounded_key(raw))


def test_a_foreign_file_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=str(tmp_path)):
        Store(tmp_path, ["one"])
