"""Mirrors: one value of each key of a topic, in LMDB, bytes exactly as in Kafka.

    key      partition (4 bytes), kind (1 byte), the Kafka key; a long one as its beginning and a hash
    value    kind of timestamp (1 byte), timestamp (8 bytes), in a mirror of an immutable topic the offset (8 bytes),
             for a long key its length and the key, the Kafka value

So the entries lie in the order of partition, then key. Nothing is decoded while folding. Entries and the next offset
of each partition commit in one transaction, without waiting for the disk: after a crash of the machine a mirror is
not trusted but built again, after a crash of the process it continues.

    of a mutable topic      the last value of each key, until a tombstone removes it. In two partitions: that with the
                            later timestamp, then that of the higher partition
    of an immutable topic   the first value of each key for ever, with its offset: tombstones are skipped, later values
                            are never looked at. In two partitions: that with the earlier timestamp, then that of the
                            lower partition

First means the lowest offset of the partition, so the mirror tells racing writers which of them has won, and says the
same after it was built again. Partitions have no common order: who writes a key to another partition than Kafka's
partitioner would, and claims an early time, wins against what is there. Which of the two a mirror is stands in its
meta; one of the other kind at the same place is given up and built again.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, islice, starmap
from operator import add
from pathlib import Path
from typing import NamedTuple, cast

from core.boot_mark import discard_untrusted, mark_clean, mark_dirty
from core.errors import StoreError, StoreFullError, ViewBehindError
from core.kafka_reader import (
    ConsumedRecord,
    PartitionEnd,
    keys_of,
    offsets_of,
    partitions_of,
    timestamps_of,
    values_of,
)
from core.position import Position
from core.store import OpenWriter, Reader, Store, Writer, key_number, number_key
from core.topics import WriteType

logger = logging.getLogger(__name__)

TABLES = ("meta", "entries")

SCAN_ENTRIES = 1000
"""Entries that a full scan reads in one moment; between two of them the writer's old pages are freed."""

_INLINE, _LONG = b"\x00", b"\x01"
_INLINE_MAX = 500
_LONG_HEAD = 200

_stamp = struct.Struct(">Bq")
_offset = struct.Struct(">Q")
_partition = struct.Struct(">I")
_length = struct.Struct(">I")

_PARTITIONS, _READY, _SKIPPED, _WRITE_TYPE = b"partitions", b"ready", b"skipped", b"write_type"


class Winner(NamedTuple):
    """The record of a key that counts in an immutable topic."""

    partition: int
    offset: int


class Entry(NamedTuple):
    """The value of a key that counts, and where it stood."""

    partition: int
    timestamp_ms: int
    key: bytes
    value: bytes
    offset: int | None = None
    """`None` in the mirror of a mutable topic, which keeps none."""


class MirrorProjection:
    """Folds one topic; used by the one process that writes its mirror.

    Args:
        path: Folder of the mirror.
        ends: High watermark of each partition when folding began. The mirror is ready once it has reached them, or the
            ends of the partitions: behind the last record there may be transaction markers.
        write_type: Whether the first value of a key counts, or the last one.
    """

    def __init__(self, path: Path, ends: Mapping[int, int], write_type: WriteType = WriteType.MUTABLE) -> None:
        self._path = path
        self._write = _write if write_type is WriteType.MUTABLE else _write_first
        discard_untrusted(path)
        self._store = _opened(path, write_type)
        mark_dirty(path)
        self._store.update(lambda txn: _put_kind(txn, len(ends), write_type))
        self._txn: OpenWriter | None = None
        self.offsets: dict[int, int] = {}
        self._load_meta(ends)
        self._awaited = {partition: end for partition, end in ends.items() if self.offsets[partition] < end}
        self._note_ready()

    def take(self, records: Sequence[ConsumedRecord]) -> None:
        """Take *records* of this topic, in the order of their partitions; nothing is visible before `commit`.

        Raises:
            StoreError: Disk or map are full: `rewind`, and continue at `offsets`.
        """
        if self._txn is None:
            self._txn = self._store.begin()
        partitions = partitions_of(records)
        for partition in set(partitions):
            column = list(compress(records, map(partition.__eq__, partitions)))
            self._skipped += self._write(self._txn, partition, column)
            self.offsets[partition] = column[-1].offset() + 1

    def commit(self) -> None:
        """Make everything that was taken visible at once, with the offsets behind it.

        Raises:
            StoreError: Disk or map are full: `rewind`, and continue at `offsets`.
        """
        assert self._txn is not None, "something was taken"
        for partition, offset in self.offsets.items():
            self._txn.put("meta", _offset_key(partition), number_key(offset))
        self._txn.put("meta", _SKIPPED, number_key(self._skipped))
        self._txn.commit()
        self._txn = None
        if self._awaited:
            self._reached(self.offsets)

    def rewind(self, error: StoreError) -> None:
        """Drop what was taken since the last commit because of *error*, and go back to the offsets that are kept."""
        self._abort()
        if isinstance(error, StoreFullError):
            self._store.grow()
        self._load_meta(self.offsets)

    def _abort(self) -> None:
        if self._txn is not None:
            self._txn.abort()
            self._txn = None

    def _load_meta(self, partitions: Iterable[int]) -> None:
        with self._store.read() as txn:
            self.offsets = {partition: _next_offset(txn, partition) for partition in partitions}
            self._skipped = _number(txn, _SKIPPED)

    def ended(self, end: PartitionEnd) -> None:
        """Note that a partition had nothing more to give; offsets behind its last record may hold none."""
        if self._awaited.pop(end.partition, None) is not None:
            self._note_ready()

    def close(self) -> None:
        """Drop what is not committed, and close the mirror so that it can be trusted after a restart of the machine."""
        self._abort()
        self._store.sync()
        self._store.close()
        mark_clean(self._path)

    def delete(self) -> None:
        """Close and remove the mirror; readers that have it open keep what they see."""
        self._abort()
        self._store.close()
        shutil.rmtree(self._path)

    def _reached(self, offsets: Mapping[int, int]) -> None:
        self._awaited = {p: end for p, end in self._awaited.items() if offsets.get(p, 0) < end}
        self._note_ready()

    def _note_ready(self) -> None:
        if not self._awaited:
            self._store.update(lambda txn: txn.put("meta", _READY, b"1"))


class MirrorView:
    """One mirror for reading."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path, TABLES, readonly=True)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def is_ready(self) -> bool:
        """Return whether the mirror has once held everything that its topic held when it was begun."""
        with self._store.read() as txn:
            return txn.get("meta", _READY) is not None

    def skipped(self) -> int:
        """Return how many records had no place: those without a key, and tombstones of an immutable topic."""
        with self._store.read() as txn:
            return _number(txn, _SKIPPED)

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key, `None` when it was never written or was deleted."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes]) -> list[Entry | None]:
        """Return the entries of *keys* in their order, all as of one moment."""
        with self._store.read() as txn:
            partitions, is_first = range(_number(txn, _PARTITIONS)), _keeps_first(txn)
            return [_get(txn, partitions, key, is_first=is_first) for key in keys]

    def winner(self, key: bytes) -> Winner | None:
        """Return which record of a key counts in an immutable topic, `None` when none is known yet.

        It is final for a writer of the partition once the mirror `includes` what that writer has written.

        Raises:
            StoreError: The mirror is one of a mutable topic, in which the last record counts.
        """
        return self.winners([key])[0]

    def winners(self, keys: Sequence[bytes]) -> list[Winner | None]:
        """Return the winners of *keys* in their order, all as of one moment.

        Raises:
            StoreError: The mirror is one of a mutable topic, in which the last record counts.
        """
        return [None if entry is None else self._winner(entry) for entry in self.get_many(keys)]

    def _winner(self, entry: Entry) -> Winner:
        if entry.offset is None:
            raise StoreError(
                f"The mirror {self._store.path} keeps the last value of a key and not which record was the first."
                " Only an immutable topic has winners."
            )
        return Winner(entry.partition, entry.offset)

    def all(self) -> Iterator[Entry]:
        """Yield all entries by partition, then key; a key that exists throughout comes exactly once."""
        start = b""
        with self._store.read() as txn:
            is_first = _keeps_first(txn)
        while True:
            page = self._page(start)
            for stored, value in page:
                yield _entry(stored, value, has_offset=is_first)
            if len(page) < SCAN_ENTRIES:
                return
            start = page[-1][0] + b"\x00"

    def offsets(self) -> dict[int, int]:
        """Return the next offset of each partition."""
        with self._store.read() as txn:
            return {partition: _next_offset(txn, partition) for partition in range(_number(txn, _PARTITIONS))}

    def wait_for(self, position: Position, timeout_s: float) -> None:
        """Block until the mirror includes the records at *position*.

        Raises:
            ViewBehindError: Time ran out.
        """
        deadline = time.monotonic() + timeout_s
        while not self.includes(position):
            if time.monotonic() > deadline:
                raise ViewBehindError(
                    f"The mirror has not reached the position yet, it stands at {self.offsets()}. Read again."
                )
            time.sleep(0.001)

    def includes(self, position: Position) -> bool:
        """Return whether the records at *position* are folded."""
        with self._store.read() as txn:
            return all(_next_offset(txn, partition) > offset for partition, offset in position.offsets.items())

    def _page(self, start: bytes) -> list[tuple[bytes, bytes]]:
        with self._store.read() as txn:
            return list(islice(txn.scan("entries", start), SCAN_ENTRIES))


def _opened(path: Path, write_type: WriteType) -> Store:
    """Open the store at *path*; one that was kept for the other write type is removed, and begins anew."""
    store = Store(path, TABLES, sync=False)
    with store.read() as txn:
        is_of_other_kind = txn.get("meta", _PARTITIONS) is not None and _kind(txn) is not write_type
    if not is_of_other_kind:
        return store
    logger.warning("the mirror %s is built again: it was not kept for an %s topic", path, write_type)
    store.close()
    shutil.rmtree(path)
    return Store(path, TABLES, sync=False)


def _put_kind(txn: Writer, partitions: int, write_type: WriteType) -> None:
    txn.put("meta", _PARTITIONS, number_key(partitions))
    txn.put("meta", _WRITE_TYPE, write_type.value.encode())


def _kind(txn: Reader) -> WriteType:
    """Return the write type that a mirror is kept for; one that does not say is older than immutable topics."""
    raw = txn.get("meta", _WRITE_TYPE)
    return WriteType.MUTABLE if raw is None else WriteType(raw.decode())


def _keeps_first(txn: Reader) -> bool:
    return _kind(txn) is WriteType.IMMUTABLE


def _write(txn: OpenWriter, partition: int, records: list[ConsumedRecord]) -> int:
    """Write what *records* leave of their keys; return how many have no key.

    A batch without tombstones, long or missing keys, as most are, is taken by columns: several times quicker.
    """
    head = _partition.pack(partition)
    keys, values = keys_of(records), values_of(records)
    stamps = starmap(_stamp.pack, timestamps_of(records))
    if None in keys or None in values or max(map(len, cast("list[bytes]", keys))) > _INLINE_MAX:
        return _write_each(txn, head, zip(keys, values, stamps, strict=True))
    stored = map(add, stamps, cast("list[bytes]", values))
    last = dict(zip(map((head + _INLINE).__add__, cast("list[bytes]", keys)), stored, strict=True))
    ordered = sorted(last)  # LMDB writes neighbours several times quicker than keys at random.
    txn.put_many("entries", zip(ordered, map(last.__getitem__, ordered), strict=True))
    return 0


def _write_each(txn: OpenWriter, head: bytes, records: Iterable[tuple[bytes | None, bytes | None, bytes]]) -> int:
    without_key = 0
    for key, value, stamp in records:
        if key is None:
            without_key += 1
        elif value is None:
            txn.delete("entries", head + _key_tail(key))
        else:
            txn.put("entries", head + _key_tail(key), _stored(key, value, stamp))
    return without_key


def _write_first(txn: OpenWriter, partition: int, records: list[ConsumedRecord]) -> int:
    """Write the first of *records* of each key that has no entry yet; return how many are none that could win.

    Records come in the order of their offsets, also again after a restart: then their keys have entries.
    """
    head = _partition.pack(partition)
    keys, values = keys_of(records), values_of(records)
    places = map(add, starmap(_stamp.pack, timestamps_of(records)), map(_offset.pack, offsets_of(records)))
    if None in keys or None in values or max(map(len, cast("list[bytes]", keys))) > _INLINE_MAX:
        first = _first_each(head, zip(keys, values, places, strict=True))
        skipped = sum(key is None or value is None for key, value in zip(keys, values, strict=True))
    else:
        tails = list(map((head + _INLINE).__add__, cast("list[bytes]", keys)))
        stored = list(map(add, places, cast("list[bytes]", values)))
        first = dict(zip(reversed(tails), reversed(stored), strict=True))
        skipped = 0
    ordered = sorted(first)
    txn.put_new("entries", zip(ordered, map(first.__getitem__, ordered), strict=True))
    return skipped


def _first_each(head: bytes, records: Iterable[tuple[bytes | None, bytes | None, bytes]]) -> dict[bytes, bytes]:
    first: dict[bytes, bytes] = {}
    for key, value, place in records:
        if key is not None and value is not None:
            first.setdefault(head + _key_tail(key), _stored(key, value, place))
    return first


def _stored(key: bytes, value: bytes, place: bytes) -> bytes:
    return place + value if len(key) <= _INLINE_MAX else place + _length.pack(len(key)) + key + value


def _get(txn: Reader, partitions: Iterable[int], key: bytes, *, is_first: bool) -> Entry | None:
    """Look in every partition: who wrote the topic chose the partitioner, and it need not be Kafka's."""
    tail = _key_tail(key)
    found = None
    for partition in partitions:
        stored = _partition.pack(partition) + tail
        value = txn.get("entries", stored)
        if value is not None:
            entry = _entry(stored, value, has_offset=is_first)
            if found is None or _counts_against(found, entry, is_first=is_first):
                found = entry
    return found


def _counts_against(found: Entry, entry: Entry, *, is_first: bool) -> bool:
    """Return whether *entry* counts and not *found*, which lies in a lower partition."""
    if is_first:
        return entry.timestamp_ms < found.timestamp_ms
    return entry.timestamp_ms >= found.timestamp_ms


def _key_tail(key: bytes) -> bytes:
    if len(key) <= _INLINE_MAX:
        return _INLINE + key
    return _LONG + key[:_LONG_HEAD] + hashlib.sha256(key).digest()


def _entry(stored: bytes, value: bytes, *, has_offset: bool) -> Entry:
    (partition,) = _partition.unpack_from(stored)
    _, timestamp_ms = _stamp.unpack_from(value)
    start, offset = _stamp.size, None
    if has_offset:
        (offset,) = _offset.unpack_from(value, start)
        start += _offset.size
    if stored[4:5] == _INLINE:
        return Entry(partition, timestamp_ms, stored[5:], value[start:], offset)
    (length,) = _length.unpack_from(value, start)
    start += _length.size
    return Entry(partition, timestamp_ms, value[start : start + length], value[start + length :], offset)


def _offset_key(partition: int) -> bytes:
    return b"offset" + _partition.pack(partition)


def _next_offset(txn: Reader, partition: int) -> int:
    return _number(txn, _offset_key(partition))


def _number(txn: Reader, key: bytes) -> int:
    raw = txn.get("meta", key)
    return 0 if raw is None else key_number(raw)
