"""The one home of LMDB: local key-value stores, each with one writing process and any number of readers.

A store is a folder that can be deleted and rebuilt from Kafka. The map grows when it is full, readers adopt the new
size when they meet it, and every transaction ends with the `with` that opened it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

import lmdb

from core.errors import StoreBrokenError, StoreError, StoreFullError

if TYPE_CHECKING:
    from lmdb import _Database

T = TypeVar("T")

INITIAL_MAP_BYTES = 1 << 32
"""Address space, not disk: the file is sparse. Growing it is rare and costs the writer one retry."""

MAX_READERS = 4096
"""Reader slots of one store: gunicorn workers times threads, with room for dead ones until they are cleaned."""

MAX_KEY_BYTES = 511
"""LMDB refuses longer keys, and empty ones."""

_GREATEST = 2**63 - 1

BROKEN = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.PanicError)
"""What LMDB raises in a store that it has not written so; `Store.broken` makes it an error of ours."""

_INLINE, _HASHED = b"\x00", b"\x01"


def bounded_key(raw: bytes) -> bytes:
    """Return a store key for *raw*, which may be empty or longer than LMDB allows.

    Short texts stay readable and keep their order behind a kind byte; long ones become their SHA-256.
    """
    if len(raw) < MAX_KEY_BYTES:
        return _INLINE + raw
    return _HASHED + hashlib.sha256(raw).digest()


def fixed_key(text: str) -> bytes:
    """Return a key of fixed length for a text of any length, so that keys can be joined and scanned by prefix."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).digest()


GREATEST_NUMBER = 2**64 - 1
"""Greatest number that can be a key."""


def number_key(number: int) -> bytes:
    """Return a key that sorts as the number from 0 to 2**64 - 1 does."""
    return number.to_bytes(8, "big")


def key_number(raw: bytes) -> int:
    """Return the number of `number_key`."""
    return int.from_bytes(raw, "big")


class Reader:
    """One consistent moment of a store. Lives inside `with store.read()`."""

    def __init__(self, txn: lmdb.Transaction[bytes], tables: dict[str, _Database]) -> None:
        self._txn = txn
        self._tables = tables

    def get(self, table: str, key: bytes) -> bytes | None:
        """Return the value at *key*, or `None`."""
        return self._txn.get(key, db=self._tables[table])

    def version(self) -> int:
        """Return the number of the commit that is read: while it stays, so does everything in the store."""
        return int(self._txn.id())

    def getter(self, table: str) -> Callable[[bytes], bytes | None]:
        """Return `get` of one table, for many keys: it looks for the table once."""
        return partial(self._txn.get, db=self._tables[table])

    def found(self, table: str, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Return key and value of those of many *keys* that are there, in one step of LMDB."""
        with self._txn.cursor(db=self._tables[table]) as cursor:
            return list(cursor.getmulti(keys))

    def scan(self, table: str, start: bytes = b"", *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values in key order from *start* on (in descending order from *start* down)."""
        with self._txn.cursor(db=self._tables[table]) as cursor:
            if not reverse:
                if cursor.set_range(start) if start else cursor.first():
                    yield from cursor.iternext()
                return
            found = cursor.set_range(start) if start else cursor.last()
            # set_range finds the first key at or after start; walking down begins at it or just before it.
            if not found:
                found = cursor.last()
            elif start and cursor.key() != start:
                found = cursor.prev()
            if found:
                yield from cursor.iterprev()

    def scan_numbers(
        self, table: str, prefix: bytes, *, gt: int | None = None, lte: int | None = None, desc: bool = False
    ) -> Iterator[tuple[int, bytes]]:
        """Yield the entries whose key is *prefix* and a number above *gt*, up to and including *lte*."""
        lowest = 0 if gt is None else max(gt + 1, 0)
        highest = _GREATEST if lte is None else lte
        if lowest > highest:
            return
        for key, value in self.scan(table, prefix + number_key(highest if desc else lowest), reverse=desc):
            number = key_number(key[len(prefix) :])
            if not key.startswith(prefix) or not lowest <= number <= highest:
                return
            yield number, value

    def count(self, table: str) -> int:
        """Return the number of entries of *table*."""
        return int(self._txn.stat(db=self._tables[table])["entries"])


class Moment:
    """A reader for a `with`, which opens its transaction and ends it.

    A class and no generator: a read of one key opens one, and a generator would take twice as long as LMDB.
    """

    __slots__ = ("_env", "_store", "_tables", "_txn")

    def __init__(self, store: Store, env: lmdb.Environment, tables: dict[str, _Database]) -> None:
        self._store = store
        self._env = env
        self._tables = tables

    def __enter__(self) -> Reader:
        try:
            self._txn = self._env.begin()
        except lmdb.MapResizedError:
            self._env.set_mapsize(0)  # Another process has grown the map: adopt its size.
            self._txn = self._env.begin()
        return Reader(self._txn, self._tables)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._txn.abort()
        if isinstance(error, BROKEN):
            raise self._store.broken(error) from error


class Writer(Reader):
    """The one write transaction of a store: all of it becomes visible at once, or nothing."""

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Set *key* to *value*."""
        self._txn.put(key, value, db=self._tables[table])

    def put_many(self, table: str, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Set many keys; quickest when *items* are sorted by key."""
        with self._txn.cursor(db=self._tables[table]) as cursor:
            cursor.putmulti(items)

    def put_new(self, table: str, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Set those of many keys that are not there yet; quickest when *items* are sorted by key."""
        with self._txn.cursor(db=self._tables[table]) as cursor:
            cursor.putmulti(items, overwrite=False)

    def delete(self, table: str, key: bytes) -> bool:
        """Remove *key*; return whether it was there."""
        return bool(self._txn.delete(key, db=self._tables[table]))

    def delete_many(self, table: str, keys: Iterable[bytes]) -> None:
        """Remove those of many keys that are there; quickest when they are sorted."""
        txn, database = self._txn, self._tables[table]
        for key in keys:
            txn.delete(key, db=database)

    def clear(self, table: str) -> None:
        """Remove all entries of *table*."""
        self._txn.drop(self._tables[table], delete=False)


class Difference(NamedTuple):
    """A key at which two stores differ; `None` where one of them has no such key."""

    table: str
    key: bytes
    one: bytes | None
    other: bytes | None


def differences(one: Reader, other: Reader, tables: Iterable[str]) -> Iterator[Difference]:
    """Yield every entry of *tables* in which two stores differ, by table and key."""
    for table in tables:
        lefts, rights = one.scan(table), other.scan(table)
        left, right = next(lefts, None), next(rights, None)
        while left is not None or right is not None:
            if right is None or (left is not None and left[0] < right[0]):
                assert left is not None, "one of the two goes on"
                yield Difference(table, left[0], left[1], None)
                left = next(lefts, None)
            elif left is None or right[0] < left[0]:
                yield Difference(table, right[0], None, right[1])
                right = next(rights, None)
            else:
                if left[1] != right[1]:
                    yield Difference(table, left[0], left[1], right[1])
                left, right = next(lefts, None), next(rights, None)


def copy_tables(target: Writer, source: Reader, tables: Iterable[str]) -> None:
    """Make *tables* of one store what they are in another."""
    for table in tables:
        target.clear(table)
        target.put_many(table, source.scan(table))


class OpenWriter(Writer):
    """A write transaction that stays open across calls, for a writer that is fed piece by piece.

    Every method raises StoreError when the disk is full and StoreFullError when the map is: `abort` then, and begin
    again from what was committed.
    """

    def __init__(self, store: Store, txn: lmdb.Transaction[bytes], tables: dict[str, _Database]) -> None:
        super().__init__(txn, tables)
        self._store = store

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Set *key* to *value*."""
        with self._store.translated():
            super().put(table, key, value)

    def put_many(self, table: str, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Set many keys."""
        with self._store.translated():
            super().put_many(table, items)

    def put_new(self, table: str, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Set those of many keys that are not there yet."""
        with self._store.translated():
            super().put_new(table, items)

    def delete(self, table: str, key: bytes) -> bool:
        """Remove *key*; return whether it was there. This too takes room: pages are copied before they change."""
        with self._store.translated():
            return super().delete(table, key)

    def delete_many(self, table: str, keys: Iterable[bytes]) -> None:
        """Remove those of many keys that are there."""
        with self._store.translated():
            super().delete_many(table, keys)

    def commit(self) -> None:
        """Make everything visible at once."""
        with self._store.translated():
            self._txn.commit()

    def abort(self) -> None:
        """Drop everything since `begin`."""
        self._txn.abort()


class Store:
    """An open LMDB environment.

    Args:
        path: Folder of the store; made when absent, unless *readonly*.
        tables: Names of the tables in it.
        optional: Names of tables that are opened too where they are there; for readers.
        readonly: Open for reading; the store must exist.
        sync: Make each commit durable before it returns. Without it a crash of the machine, not of the process,
            can spoil the store; who opens it so must be able to rebuild it.

    Raises:
        StoreError: The folder cannot be opened as a store.

    LMDB refuses two environments of one path in a process, and an environment must not cross a fork.
    """

    def __init__(
        self,
        path: Path,
        tables: Iterable[str],
        *,
        optional: Iterable[str] = (),
        readonly: bool = False,
        sync: bool = True,
    ) -> None:
        self.path = path
        names, others = list(tables), list(optional)
        try:
            if not readonly:
                path.mkdir(parents=True, exist_ok=True)
            self._env = lmdb.open(
                str(path),
                map_size=_map_size_of(path),
                max_dbs=len(names) + len(others),
                max_readers=MAX_READERS,
                readonly=readonly,
                create=not readonly,
                sync=sync,
                readahead=False,
            )
        except (lmdb.Error, OSError) as error:
            raise self._unusable(error) from error
        try:
            if not readonly:
                self._fill_up()
            self._tables = {name: self._env.open_db(name.encode(), create=not readonly) for name in names}
            self._tables |= self._opened_if_there(others)
        except (lmdb.Error, OSError) as error:
            self._env.close()  # It could not be opened again otherwise: a process opens a path once.
            raise self._unusable(error) from error

    def _fill_up(self) -> None:
        """Let a file that was cut short be found broken, instead of ending every process that reads in it (SIGBUS)."""
        size = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        file = self.path / "data.mdb"
        if file.stat().st_size < size:  # The last pages may also never have been used.
            os.truncate(file, size)

    def _opened_if_there(self, names: Iterable[str]) -> dict[str, _Database]:
        found = {}
        for name in names:
            try:
                found[name] = self._env.open_db(name.encode(), create=False)
            except lmdb.NotFoundError:
                continue
        return found

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(
            f"Cannot open the local store {self.path}: {error}. It can be deleted: it is rebuilt from Kafka."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the environment; no transaction may be open."""
        self._env.close()

    def version(self) -> int:
        """Return the number of the last commit that is read: while it stays, so does everything in the store.

        Not what `info` tells: while a commit is on its way to the disk, that is a step ahead of what new readers get,
        and who kept what he reads under that number would take it for current.
        """
        try:
            txn = self._env.begin()  # Each request asks some stores: a `Moment` would take four times as long.
        except lmdb.MapResizedError:
            with self.read() as reader:
                return reader.version()
        try:
            return int(txn.id())
        finally:
            txn.abort()

    def pages(self) -> int:
        """Return how many pages the store has: at most so many copies of them does a write transaction hold."""
        return int(self._env.info()["last_pgno"]) + 1

    def size_bytes(self) -> int:
        """Return what the store takes on the disk: its file is sparse."""
        try:
            return os.stat(self.path / "data.mdb").st_blocks * 512  # noqa: PTH116 - as in _map_size_of
        except FileNotFoundError:  # It was deleted, and lives on for those who have it open.
            return self.pages() * int(self._env.stat()["psize"])

    def read(self) -> Moment:
        """Open one consistent moment for reading, for a `with`."""
        return Moment(self, self._env, self._tables)

    def update(self, change: Callable[[Writer], T]) -> T:
        """Run *change* in one write transaction and commit it.

        When the map is full it is doubled and *change* runs once more from the start, so it must not have effects
        outside the transaction.

        Raises:
            StoreError: The disk is full or the store is broken; nothing of *change* was kept.
        """
        while True:
            try:
                with self.translated(), self._env.begin(write=True) as txn:
                    return change(Writer(txn, self._tables))
            except StoreFullError:
                self.grow()

    def begin(self) -> OpenWriter:
        """Begin a write transaction that ends with `commit` or `abort`."""
        with self.translated():
            return OpenWriter(self, self._env.begin(write=True), self._tables)

    def grow(self) -> None:
        """Double the map; no transaction of this process may be open."""
        self._env.set_mapsize(2 * self._env.info()["map_size"])

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn LMDB's errors of a write into ours."""
        try:
            yield
        except lmdb.MapFullError as error:
            raise StoreFullError(f"The map of the local store {self.path} is full.") from error
        except BROKEN as error:
            raise self.broken(error) from error
        except lmdb.Error as error:
            raise StoreError(f"Cannot write to the local store {self.path}: {error}. Is the disk full?") from error

    def broken(self, error: Exception) -> StoreBrokenError:
        """Return what is told when LMDB finds the store broken."""
        return StoreBrokenError(f"The local store {self.path} is broken: {error}. It is rebuilt from Kafka.")

    def sync(self) -> None:
        """Flush what was committed without sync to the disk."""
        self._env.sync(True)  # noqa: FBT003 - lmdb's own signature

    def clean_readers(self) -> int:
        """Free the slots of readers whose process has died; return how many. They would fill the map otherwise."""
        return int(self._env.reader_check())


def _map_size_of(path: Path) -> int:
    """Return the map size to open with: never smaller than what the file already holds."""
    try:
        held = os.stat(path / "data.mdb").st_size  # noqa: PTH116 - one call, no Path object per store
    except FileNotFoundError:
        held = 0
    return max(INITIAL_MAP_BYTES, 2 * held)
