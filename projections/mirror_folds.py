"""The fold of one topic into its mirror.

Nothing is decoded while folding, unless the mirror has indexes. Entries and the next offset of each partition commit in
one transaction, without waiting for the disk: after a crash of the machine a mirror is not trusted but built again,
after a crash of the process it continues. What a mirror is kept for stands in its meta; one that was kept for something
else at the same place is given up and built again.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, islice, starmap
from operator import add
from pathlib import Path
from typing import Final, cast

import msgspec

from core.boot_mark import discard_untrusted, mark_clean, mark_dirty
from core.errors import StoreError, StoreFullError, UnavailableError
from core.kafka_reader import (
    ConsumedRecord,
    PartitionEnd,
    keys_of,
    offsets_of,
    partitions_of,
    timestamps_of,
    value_bytes,
    values_of,
)
from core.mirror_shares import Share
from core.mirrors import MirrorDefinition
from core.store import OpenWriter, Store, Writer, key_number, number_key
from core.topics import WriteType
from projections.mirror_entries import (
    GRAVE,
    GRAVE_KEPT_MS,
    INLINE,
    INLINE_MAX,
    KEPT,
    PARTITIONS,
    READY,
    SKIPPED,
    TABLES,
    Kept,
    due_key,
    incomplete_key,
    is_grave,
    kept_for,
    key_tail,
    meta_number,
    next_offset,
    offset_key,
    offset_struct,
    partition_struct,
    stamp_struct,
    stored_value,
    timestamp_of,
)
from projections.mirror_indexes import IndexWriter

logger = logging.getLogger(__name__)

FORGOTTEN_AT_ONCE: Final = 10_000
"""Entries at most that are forgotten between two batches of records."""

MAX_CHANGED_PAGES: Final = 40_000
"""Pages that may have changed before a commit is due: of 4 KiB each they lie in this process's memory until then."""

_BYTES_A_PAGE: Final = 2_048
"""New rows that make a page: they come sorted, but not all at its end."""

_BYTES_A_ROW: Final = 64
"""What a row takes beside the value of its record."""

_LAST_VALUES: Final = MirrorDefinition()


class MirrorProjection:
    """Folds one topic; used by the one process that writes its mirror.

    Args:
        path: Folder of the mirror.
        ends: High watermark of each partition when folding began. The mirror is ready once it has reached them, or the
            ends of the partitions: behind the last record there may be transaction markers.
        write_type: Whether the first value of a key counts, or the last one.
        definition: What is kept beside.
        share: Which of the keys are kept, `None` for all; the others are passed over.
        indexer: Keeps the indexes of the mirror, where it has any.
    """

    def __init__(
        self,
        path: Path,
        ends: Mapping[int, int],
        write_type: WriteType = WriteType.MUTABLE,
        definition: MirrorDefinition = _LAST_VALUES,
        indexer: IndexWriter | None = None,
        share: Share | None = None,
    ) -> None:
        self._path = path
        self._indexer = indexer
        self.kept = Kept(write_type=write_type, definition=definition, share=share)
        discard_untrusted(path)
        self._store = _opened(path, self.kept, () if indexer is None else indexer.tables)
        mark_dirty(path)
        self._store.update(lambda txn: _put_kept(txn, len(ends), self.kept))
        self._txn: OpenWriter | None = None
        self._pages = self._store.pages()
        self._taken = self._taken_bytes = 0
        self._first_due: bytes | None = None
        """The first key of `dues` as it is committed, empty where there is none; `None` while that is not known."""
        self.offsets: dict[int, int] = {}
        self.committed: Mapping[int, int] = {}
        """The offsets that readers see; replaced as a whole."""
        self.entries = 0
        """How many entries readers see, graves and hidden ones included."""
        self._load_meta(ends)
        self._ends = dict(ends)
        self._awaited = self._not_reached()
        if not self._awaited:
            self.commit()

    def is_ready(self) -> bool:
        """Return whether everything is folded that the topic held when folding began."""
        return not self._awaited

    def begin_at(self, lows: Mapping[int, int]) -> None:
        """Skip what Kafka has removed before it was read, and keep that the mirror is incomplete before there.

        Args:
            lows: Offset of the first record that each partition still holds.
        """
        gone = {partition: low for partition, low in lows.items() if self.offsets[partition] < low}
        if not gone:
            return
        self.offsets |= gone
        self._store.update(lambda txn: _put_gone(txn, gone))

    def widen(self, partitions: int) -> None:
        """Take in partitions that were added to the topic; what they hold now is soon folded, so readers go on."""
        self.offsets |= dict.fromkeys(range(len(self.offsets), partitions), 0)
        self.committed = dict(self.offsets)
        self._store.update(lambda txn: txn.put("meta", PARTITIONS, number_key(partitions)))

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
            if held := self._held(column):
                self._take(self._txn, partition, held)
            self.offsets[partition] = column[-1].offset() + 1
        self._taken += len(records)
        self._taken_bytes += value_bytes(records)

    def _held(self, records: list[ConsumedRecord]) -> list[ConsumedRecord]:
        """Return those of *records* whose keys are held here."""
        share = self.kept.share
        if share is None:
            return records
        return list(compress(records, share.holds([key or b"" for key in keys_of(records)])))

    def _take(self, txn: OpenWriter, partition: int, records: list[ConsumedRecord]) -> None:
        if self._indexer is not None:
            stamps = list(starmap(stamp_struct.pack, timestamps_of(records)))
            self._indexer.take(txn, partition, keys_of(records), values_of(records), stamps)
        self._skipped += self._write(txn, partition, records)

    def changed_pages(self) -> int:
        """Return how many pages may have changed since the last commit: those that there were, and new ones.

        Records of a large mirror lie each on a page of its own, in a small one they share the pages that it has.
        """
        tables = 1 if self._indexer is None else 1 + len(self._indexer.tables)
        added = (self._taken_bytes + self._taken * _BYTES_A_ROW) * tables
        return min(self._taken * tables, self._pages) + added // _BYTES_A_PAGE

    def _write(self, txn: OpenWriter, partition: int, records: list[ConsumedRecord]) -> int:
        if self.kept.is_first:
            return _write_first(txn, partition, records)
        skipped = _write(txn, partition, records)
        if (retention_ms := self.kept.definition.retention_ms) is not None:
            _note_dues(txn, partition, records, retention_ms)
        return skipped

    def forget(self, now_ms: int) -> bool:
        """Remove what is past its retention time, and graves that nothing needs any more; return whether some was.

        The cost is that of what is removed. Nothing is visible before `commit`.

        Raises:
            StoreError: Disk or map are full: `rewind`, and continue at `offsets`.
        """
        if not self._has_due(now_ms):
            return False
        if self._txn is None:
            self._txn = self._store.begin()
        due = [
            (key, stored) for key, stored in islice(self._txn.scan("dues"), FORGOTTEN_AT_ONCE) if _is_due(key, now_ms)
        ]
        for key, stored in due:
            _forget(self._txn, stored, now_ms, self.kept.definition.retention_ms, self.offsets)
            self._txn.delete("dues", key)
        return True

    def _has_due(self, now_ms: int) -> bool:
        """Return whether the first of what is to be looked at is due: asked of each mirror again and again."""
        if self._first_due is None:
            with self._store.read() as txn:
                first = next(txn.scan("dues"), None)
            self._first_due = b"" if first is None else first[0]
        return self._first_due != b"" and _is_due(self._first_due, now_ms)

    def commit(self) -> None:
        """Make everything that was taken visible at once, with the offsets behind it.

        Raises:
            StoreError: Disk or map are full: `rewind`, and continue at `offsets`.
        """
        if self._txn is None:
            self._txn = self._store.begin()
        for partition, offset in self.offsets.items():
            self._txn.put("meta", offset_key(partition), number_key(offset))
        self._txn.put("meta", SKIPPED, number_key(self._skipped))
        if self._awaited:
            self._awaited &= self._not_reached()
        if not self._awaited:
            self._txn.put("meta", READY, b"1")
        self.entries = self._txn.count("entries")
        self._txn.commit()
        self._txn = None
        self._first_due = None
        self._taken = self._taken_bytes = 0
        self._pages = self._store.pages()
        self.committed = dict(self.offsets)

    def rewind(self, error: StoreError | UnavailableError) -> None:
        """Drop what was taken since the last commit because of *error*, and go back to the offsets that are kept."""
        self._abort()
        if isinstance(error, StoreFullError):
            self._store.grow()
        self._load_meta(self.offsets)
        self._awaited = self._not_reached()

    def _not_reached(self) -> set[int]:
        """Return the partitions that held more when folding began than is folded."""
        return {partition for partition, end in self._ends.items() if self.offsets[partition] < end}

    def _abort(self) -> None:
        if self._txn is not None:
            self._txn.abort()
            self._txn = None
            self._taken = self._taken_bytes = 0

    def _load_meta(self, partitions: Iterable[int]) -> None:
        with self._store.read() as txn:
            self.offsets = {partition: next_offset(txn, partition) for partition in partitions}
            self.committed = dict(self.offsets)
            self._skipped = meta_number(txn, SKIPPED)
            self.entries = txn.count("entries")

    def ended(self, end: PartitionEnd) -> bool:
        """Note that a partition had nothing more to give; return whether there is something to `commit`.

        Behind the last record there may be markers of transactions: its end is the offset to go on from.
        """
        is_news = end.offset > self.offsets[end.partition] or end.partition in self._awaited
        self.offsets[end.partition] = max(end.offset, self.offsets[end.partition])
        self._awaited.discard(end.partition)
        return is_news

    def close(self) -> None:
        """Drop what is not committed, and close the mirror so that it can be trusted after a restart of the machine."""
        self._abort()
        self._store.sync()
        self._store.close()
        mark_clean(self._path)

    def clean_readers(self) -> None:
        """Free the slots of readers that were killed: what they read would be kept for ever."""
        self._store.clean_readers()

    def abandon(self) -> None:
        """Close a mirror that cannot be used any more."""
        self._abort()
        self._store.close()


def _opened(path: Path, kept: Kept, more_tables: Iterable[str]) -> Store:
    """Open the store at *path*; one that was built for something else is removed, and begins anew."""
    tables = (*more_tables, *TABLES)  # A reader that sees the last one sees all.
    store = Store(path, tables, sync=False)
    with store.read() as txn:
        before = kept_for(txn)
    if before is None or before == kept:
        return store
    logger.warning("the mirror %s is built again: it was not kept for %s", path, kept)
    store.close()
    shutil.rmtree(path)
    return Store(path, tables, sync=False)


def _put_kept(txn: Writer, partitions: int, kept: Kept) -> None:
    txn.put("meta", PARTITIONS, number_key(partitions))
    txn.put("meta", KEPT, msgspec.json.encode(kept))


def _put_gone(txn: Writer, gone: Mapping[int, int]) -> None:
    for partition, low in gone.items():
        txn.put("meta", offset_key(partition), number_key(low))
        txn.put("meta", incomplete_key(partition), number_key(low))


def _write(txn: OpenWriter, partition: int, records: list[ConsumedRecord]) -> int:
    """Write what *records* leave of their keys; return how many have no key.

    A batch without tombstones, long or missing keys, as most are, is taken by columns: several times quicker.
    """
    head = partition_struct.pack(partition)
    keys, values = keys_of(records), values_of(records)
    stamps = timestamps_of(records)
    if None in keys or None in values or max(map(len, cast("list[bytes]", keys))) > INLINE_MAX:
        return _write_each(txn, head, zip(keys, values, stamps, strict=True))
    stored = map(add, starmap(stamp_struct.pack, stamps), cast("list[bytes]", values))
    last = dict(zip(map((head + INLINE).__add__, cast("list[bytes]", keys)), stored, strict=True))
    ordered = sorted(last)  # LMDB writes neighbours several times quicker than keys at random.
    txn.put_many("entries", zip(ordered, map(last.__getitem__, ordered), strict=True))
    return 0


def _write_each(
    txn: OpenWriter, head: bytes, records: Iterable[tuple[bytes | None, bytes | None, tuple[int, int]]]
) -> int:
    now_ms = int(time.time() * 1000)
    without_key = 0
    for key, value, (kind, timestamp_ms) in records:
        if key is None:
            without_key += 1
            continue
        stored = head + key_tail(key)
        if value is not None:
            txn.put("entries", stored, stored_value(key, value, stamp_struct.pack(kind, timestamp_ms)))
        else:  # Older values may come in other partitions, also in such as are added later.
            grave = stored_value(key, number_key(now_ms), stamp_struct.pack(kind | GRAVE, timestamp_ms))
            txn.put("entries", stored, grave)
            txn.put("dues", due_key(now_ms + GRAVE_KEPT_MS, stored), stored)
    return without_key


def _note_dues(txn: OpenWriter, partition: int, records: list[ConsumedRecord], retention_ms: int) -> None:
    """Note when the records that were just written are past."""
    head = partition_struct.pack(partition)
    due = {
        due_key(timestamp_ms + retention_ms, stored): stored
        for key, (_, timestamp_ms) in zip(keys_of(records), timestamps_of(records), strict=True)
        if key is not None and timestamp_ms >= 0
        for stored in (head + key_tail(key),)
    }
    txn.put_many("dues", sorted(due.items()))


def _is_due(key: bytes, now_ms: int) -> bool:
    return key_number(key[:8]) <= now_ms


def _forget(txn: OpenWriter, stored: bytes, now_ms: int, retention_ms: int | None, partitions: Iterable[int]) -> None:
    """Remove what stands under *stored* if its time has passed; it may have been written again since that was noted."""
    value = txn.get("entries", stored)
    if value is None:
        return
    timestamp_ms = timestamp_of(value)
    if is_grave(value):
        if key_number(value[-8:]) + GRAVE_KEPT_MS <= now_ms:
            _forget_hidden(txn, stored, timestamp_ms, partitions)
            txn.delete("entries", stored)
    elif retention_ms is not None and 0 <= timestamp_ms <= now_ms - retention_ms:
        txn.delete("entries", stored)


def _forget_hidden(txn: OpenWriter, grave: bytes, timestamp_ms: int, partitions: Iterable[int]) -> None:
    """Remove the older values that a grave has hidden in other partitions: nothing hides them when it is gone."""
    (own,) = partition_struct.unpack_from(grave)
    for partition in partitions:
        stored = partition_struct.pack(partition) + grave[partition_struct.size :]
        value = txn.get("entries", stored)
        if value is not None and (timestamp_of(value), partition) < (timestamp_ms, own):
            txn.delete("entries", stored)


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
