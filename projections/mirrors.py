"""Mirrors: the last value of each key of a topic, in LMDB, bytes exactly as in Kafka.

    key      partition (4 bytes), kind (1 byte), the Kafka key; a long one as its beginning and a hash
    value    timestamp (8 bytes), for a long key also its length and the key itself, then the Kafka value

So the entries lie in the order of partition, then key. Nothing is decoded while folding. Entries and the next offset
of each partition commit in one transaction, without waiting for the disk: after a crash of the machine a mirror is
not trusted but built again, after a crash of the process it continues.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from core.errors import ViewBehindError
from core.kafka import ConsumedRecord, PartitionEnd
from core.position import Position
from core.store import Reader, Store, Writer, key_number, number_key
from projections.places import boot_id

TABLES = ("meta", "entries")

SCAN_ENTRIES = 1000
"""Entries that a full scan reads in one moment; between two of them the writer's old pages are freed."""

_INLINE, _LONG = b"\x00", b"\x01"
_INLINE_MAX = 500
_LONG_HEAD = 200

_timestamp = struct.Struct(">q")
_partition = struct.Struct(">I")
_length = struct.Struct(">I")

_PARTITIONS, _READY, _SKIPPED = b"partitions", b"ready", b"skipped"


class Entry(NamedTuple):
    """A key's last value and where it stood."""

    partition: int
    timestamp_ms: int
    key: bytes
    value: bytes


class MirrorProjection:
    """Folds one topic; used by the one process that writes its mirror.

    Args:
        path: Folder of the mirror.
        ends: Offset at which each partition ended when folding began: the mirror is ready once it has reached them.
    """

    def __init__(self, path: Path, ends: Mapping[int, int]) -> None:
        self._path = path
        _discard_untrusted(path)
        self._store = Store(path, TABLES, sync=False)
        _mark_dirty(path)
        self._store.update(lambda txn: txn.put("meta", _PARTITIONS, number_key(len(ends))))
        with self._store.read() as txn:
            self.offsets = {partition: _next_offset(txn, partition) for partition in ends}
            is_ready = txn.get("meta", _READY) is not None
        self._awaited = {partition: end for partition, end in ends.items() if self.offsets[partition] < end}
        if not is_ready:
            self._note_ready()

    def fold(self, records: Sequence[ConsumedRecord]) -> None:
        """Apply *records* of this topic, in the order of their partitions.

        Raises:
            StoreError: The disk is full; nothing of this call was kept.
        """
        last_of_key, last_of_partition, skipped = _latest(records)
        offsets = {partition: record.offset() + 1 for partition, record in last_of_partition.items()}

        def change(txn: Writer) -> None:
            puts, tombstones = _changes(last_of_key)
            txn.put_many("entries", puts)
            for key in tombstones:
                txn.delete("entries", key)
            for partition, offset in offsets.items():
                txn.put("meta", _offset_key(partition), number_key(offset))
            if skipped:
                txn.put("meta", _SKIPPED, number_key(_number(txn, _SKIPPED) + skipped))

        self._store.update(change)
        self.offsets.update(offsets)
        if self._awaited:
            self._reached(offsets)

    def ended(self, end: PartitionEnd) -> None:
        """Note that a partition has nothing more to give, also where its last offsets hold no records."""
        if self._awaited:
            self._reached({end.partition: end.offset})

    def close(self) -> None:
        """Close the mirror so that it can be trusted after a restart of the machine."""
        self._store.sync()
        self._store.close()
        _dirty_mark(self._path).unlink(missing_ok=True)

    def delete(self) -> None:
        """Close and remove the mirror; readers that have it open keep what they see."""
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
        with self._store.read() as txn:
            self._partitions = _number(txn, _PARTITIONS)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def is_ready(self) -> bool:
        """Return whether the mirror has once held everything that its topic held when it was begun."""
        with self._store.read() as txn:
            return txn.get("meta", _READY) is not None

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key, `None` when it was never written or was deleted."""
        with self._store.read() as txn:
            return self._get(txn, key)

    def get_many(self, keys: Sequence[bytes]) -> list[Entry | None]:
        """Return the entries of *keys* in their order, all as of one moment."""
        with self._store.read() as txn:
            return [self._get(txn, key) for key in keys]

    def all(self) -> Iterator[Entry]:
        """Yield all entries by partition, then key; a key that exists throughout comes exactly once."""
        start = b""
        while True:
            page = self._page(start)
            for stored, value in page:
                yield _entry(stored, value)
            if len(page) < SCAN_ENTRIES:
                return
            start = page[-1][0] + b"\x00"

    def offsets(self) -> dict[int, int]:
        """Return the next offset of each partition."""
        with self._store.read() as txn:
            return {partition: _next_offset(txn, partition) for partition in range(self._partitions)}

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

    def _get(self, txn: Reader, key: bytes) -> Entry | None:
        """Look in every partition: who wrote the topic chose the partitioner, and it need not be Kafka's."""
        tail = _key_tail(key)
        found = None
        for partition in range(self._partitions):
            stored = _partition.pack(partition) + tail
            value = txn.get("entries", stored)
            if value is not None:
                entry = _entry(stored, value)
                if found is None or entry.timestamp_ms >= found.timestamp_ms:
                    found = entry
        return found

    def _page(self, start: bytes) -> list[tuple[bytes, bytes]]:
        with self._store.read() as txn:
            return [item for _, item in zip(range(SCAN_ENTRIES), txn.scan("entries", start), strict=False)]


class _Latest(NamedTuple):
    """A batch reduced to what matters of it."""

    of_key: dict[int, dict[bytes, ConsumedRecord]]
    of_partition: dict[int, ConsumedRecord]
    skipped: int
    """Records without a key: a mirror has no place for them."""


def _latest(records: Sequence[ConsumedRecord]) -> _Latest:
    of_key: dict[int, dict[bytes, ConsumedRecord]] = {}
    of_partition: dict[int, ConsumedRecord] = {}
    skipped = 0
    for record in records:
        partition, key = record.partition(), record.key()
        of_partition[partition] = record
        if key is None:
            skipped += 1
            continue
        try:
            of_key[partition][key] = record
        except KeyError:
            of_key[partition] = {key: record}
    return _Latest(of_key, of_partition, skipped)


def _changes(
    latest: Mapping[int, Mapping[bytes, ConsumedRecord]],
) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    """Return what to put, sorted as the store is, and what to delete."""
    puts: list[tuple[bytes, bytes]] = []
    tombstones: list[bytes] = []
    pack_timestamp = _timestamp.pack
    for partition, records in sorted(latest.items()):
        head = _partition.pack(partition)
        inline = head + _INLINE
        for key, record in records.items():
            value = record.value()
            if value is None:
                tombstones.append(head + _key_tail(key))
            elif len(key) <= _INLINE_MAX:
                puts.append((inline + key, pack_timestamp(record.timestamp()[1]) + value))
            else:
                stored = pack_timestamp(record.timestamp()[1]) + _length.pack(len(key)) + key + value
                puts.append((head + _key_tail(key), stored))
    puts.sort()
    return puts, tombstones


def _key_tail(key: bytes) -> bytes:
    if len(key) <= _INLINE_MAX:
        return _INLINE + key
    return _LONG + key[:_LONG_HEAD] + hashlib.sha256(key).digest()


def _entry(stored: bytes, value: bytes) -> Entry:
    (partition,) = _partition.unpack_from(stored)
    (timestamp_ms,) = _timestamp.unpack_from(value)
    if stored[4:5] == _INLINE:
        return Entry(partition, timestamp_ms, stored[5:], value[8:])
    (length,) = _length.unpack_from(value, 8)
    return Entry(partition, timestamp_ms, value[12 : 12 + length], value[12 + length :])


def _offset_key(partition: int) -> bytes:
    return b"offset" + _partition.pack(partition)


def _next_offset(txn: Reader, partition: int) -> int:
    return _number(txn, _offset_key(partition))


def _number(txn: Reader, key: bytes) -> int:
    raw = txn.get("meta", key)
    return 0 if raw is None else key_number(raw)


def _dirty_mark(path: Path) -> Path:
    """Return the file that exists while the mirror may hold what is not on the disk yet."""
    return path / "dirty"


def _mark_dirty(path: Path) -> None:
    """Leave the mark, on the disk before anything of the mirror is."""
    with _dirty_mark(path).open("w") as file:
        file.write(boot_id())
        file.flush()
        os.fsync(file.fileno())


def _discard_untrusted(path: Path) -> None:
    """Remove a mirror that was being written when the machine, not only the process, stopped."""
    mark = _dirty_mark(path)
    if mark.exists() and mark.read_text() != boot_id():
        shutil.rmtree(path)
