"""The fold of one topic into its mirror.

Nothing is decoded while folding, unless the mirror has indexes. Entries and the next offset of each partition commit in
one transaction, without waiting for the disk: after a crash of the machine a mirror is not trusted but built again,
after a crash of the process it continues. What a mirror is kept for stands in its meta; one that was kept for something
else at the same place is given up and built again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, starmap
from operator import add
from pathlib import Path
from typing import cast

from core.boot_mark import discard_untrusted, mark_clean, mark_dirty
from core.errors import StoreError, StoreFullError, UnavailableError
from core.kafka_reader import (
    ConsumedRecord,
    PartitionEnd,
    keys_of,
    offsets_of,
    partitions_of,
    timestamps_of,
    values_of,
)
from core.mirrors import MirrorDefinition
from core.store import OpenWriter, Store, Writer, number_key
from core.topics import WriteType
from projections.mirror_entries import (
    INLINE,
    INLINE_MAX,
    PARTITIONS,
    READY,
    SKIPPED,
    TABLES,
    WRITE_TYPE,
    kept_for,
    key_tail,
    meta_number,
    next_offset,
    offset_key,
    offset_struct,
    partition_struct,
    stamp_struct,
    stored_value,
)
from projections.mirror_indexes import IndexWriter, indexed_for

logger = logging.getLogger(__name__)


class MirrorProjection:
    """Folds one topic; used by the one process that writes its mirror.

    Args:
        path: Folder of the mirror.
        ends: High watermark of each partition when folding began. The mirror is ready once it has reached them, or the
            ends of the partitions: behind the last record there may be transaction markers.
        write_type: Whether the first value of a key counts, or the last one.
        indexer: Keeps the indexes of the mirror, where it has any.
    """

    def __init__(
        self,
        path: Path,
        ends: Mapping[int, int],
        write_type: WriteType = WriteType.MUTABLE,
        indexer: IndexWriter | None = None,
    ) -> None:
        self._path = path
        self._indexer = indexer
        self._write = _write if write_type is WriteType.MUTABLE else _write_first
        discard_untrusted(path)
        self._store = _opened(path, write_type, indexer)
        mark_dirty(path)
        self._store.update(lambda txn: _put_kind(txn, len(ends), write_type, indexer))
        self._txn: OpenWriter | None = None
        self.offsets: dict[int, int] = {}
        self._load_meta(ends)
        self._awaited = {partition: end for partition, end in ends.items() if self.offsets[partition] < end}
        self._note_ready()

    def take(self, records: Sequence[ConsumedRecord]) -> None:
        """Take *records* of this topic, in the order of their partitions; nothing is visible before `commit`.

        Raises:
            StoreError: Disk or map are full: `rewind`, and continue at `offsets`.
            UnavailableError: A schema that the indexes need is not known yet: do the same, after a pause.
        """
        if self._txn is None:
            self._txn = self._store.begin()
        partitions = partitions_of(records)
        for partition in set(partitions):
            column = list(compress(records, map(partition.__eq__, partitions)))
            if self._indexer is not None:
                stamps = list(starmap(stamp_struct.pack, timestamps_of(column)))
                self._indexer.take(self._txn, partition, keys_of(column), values_of(column), stamps)
            self._skipped += self._write(self._txn, partition, column)
            self.offsets[partition] = column[-1].offset() + 1

    def commit(self) -> None:
        """Make everything that was taken visible at once, with the offsets behind it.

        Raises:
            StoreError: Disk or map are full: `rewind`, and continue at `offsets`.
        """
        assert self._txn is not None, "something was taken"
        for partition, offset in self.offsets.items():
            self._txn.put("meta", offset_key(partition), number_key(offset))
        self._txn.put("meta", SKIPPED, number_key(self._skipped))
        self._txn.commit()
        self._txn = None
        if self._awaited:
            self._reached(self.offsets)

    def rewind(self, error: StoreError | UnavailableError) -> None:
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
            self.offsets = {partition: next_offset(txn, partition) for partition in partitions}
            self._skipped = meta_number(txn, SKIPPED)

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
            self._store.update(lambda txn: txn.put("meta", READY, b"1"))


def _opened(path: Path, write_type: WriteType, indexer: IndexWriter | None) -> Store:
    """Open the store at *path*; one that was kept for something else is removed, and begins anew."""
    tables = TABLES if indexer is None else (*indexer.tables, *TABLES)  # A reader that sees the last one sees all.
    definition = MirrorDefinition() if indexer is None else indexer.definition
    store = Store(path, tables, sync=False)
    with store.read() as txn:
        is_kept = (kept_for(txn), indexed_for(txn)) == (write_type, definition)
        is_of_other_kind = txn.get("meta", PARTITIONS) is not None and not is_kept
    if not is_of_other_kind:
        return store
    logger.warning("the mirror %s is built again: it was kept for another write type, or for other indexes", path)
    store.close()
    shutil.rmtree(path)
    return Store(path, tables, sync=False)


def _put_kind(txn: Writer, partitions: int, write_type: WriteType, indexer: IndexWriter | None) -> None:
    txn.put("meta", PARTITIONS, number_key(partitions))
    txn.put("meta", WRITE_TYPE, write_type.value.encode())
    if indexer is not None:
        indexer.declare(txn)


def _write(txn: OpenWriter, partition: int, records: list[ConsumedRecord]) -> int:
    """Write what *records* leave of their keys; return how many have no key.

    A batch without tombstones, long or missing keys, as most are, is taken by columns: several times quicker.
    """
    head = partition_struct.pack(partition)
    keys, values = keys_of(records), values_of(records)
    stamps = starmap(stamp_struct.pack, timestamps_of(records))
    if None in keys or None in values or max(map(len, cast("list[bytes]", keys))) > INLINE_MAX:
        return _write_each(txn, head, zip(keys, values, stamps, strict=True))
    stored = map(add, stamps, cast("list[bytes]", values))
    last = dict(zip(map((head + INLINE).__add__, cast("list[bytes]", keys)), stored, strict=True))
    ordered = sorted(last)  # LMDB writes neighbours several times quicker than keys at random.
    txn.put_many("entries", zip(ordered, map(last.__getitem__, ordered), strict=True))
    return 0


def _write_each(txn: OpenWriter, head: bytes, records: Iterable[tuple[bytes | None, bytes | None, bytes]]) -> int:
    without_key = 0
    for key, value, stamp in records:
        if key is None:
            without_key += 1
        elif value is None:
            txn.delete("entries", head + key_tail(key))
        else:
            txn.put("entries", head + key_tail(key), stored_value(key, value, stamp))
    return without_key


def _write_first(txn: OpenWriter, partition: int, records: list[ConsumedRecord]) -> int:
    """Write the first of *records* of each key that has no entry yet; return how many are none that could win.

    Records come in the order of their offsets, also again after a restart: then their keys have entries.
    """
    head = partition_struct.pack(partition)
    keys, values = keys_of(records), values_of(records)
    places = map(add, starmap(stamp_struct.pack, timestamps_of(records)), map(offset_struct.pack, offsets_of(records)))
    if None in keys or None in values or max(map(len, cast("list[bytes]", keys))) > INLINE_MAX:
        first = _first_each(head, zip(keys, values, places, strict=True))
        skipped = sum(key is None or value is None for key, value in zip(keys, values, strict=True))
    else:
        tails = list(map((head + INLINE).__add__, cast("list[bytes]", keys)))
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
            first.setdefault(head + key_tail(key), stored_value(key, value, place))
    return first
