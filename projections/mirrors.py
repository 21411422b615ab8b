"""Mirrors for reading: one value of each key of a topic, bytes exactly as in Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple

from core.errors import StoreError, TooLargeError
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from core.position import Position
from core.store import Reader, Store
from projections.index_rows import INDEX_TABLES
from projections.mirror_entries import (
    PARTITIONS,
    READY,
    SKIPPED,
    TABLES,
    Entry,
    Kept,
    Winner,
    counts_against,
    entry_of,
    get_entry,
    incomplete_key,
    is_grave,
    kept_for,
    meta_number,
    next_offset,
    partition_struct,
)
from projections.mirror_indexes import IndexReader
from projections.pages import Page

SCAN_ENTRIES: Final = 1000
"""Entries that a full scan reads in one moment; between two of them the writer's old pages are freed."""


class MirrorSize(NamedTuple):
    """How much a mirror holds."""

    entries: int
    """A key that stands in several partitions counts in each."""
    bytes: int
    """What it takes on the disk."""


class MirrorView:
    """One mirror for reading."""

    def __init__(self, path: Path) -> None:
        self._kept: Kept | None = None
        self._is_ready = False
        self._store = Store(path, TABLES, optional=INDEX_TABLES, readonly=True)
        self._indexes = IndexReader(self._store)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def version(self) -> int:
        """Return a number that changes with every commit: cheaper to ask for than the offsets."""
        return self._store.version()

    def size(self) -> MirrorSize:
        """Return how much the mirror holds."""
        with self._store.read() as txn:
            return MirrorSize(txn.count("entries"), self._store.size_bytes())

    def is_ready(self) -> bool:
        """Return whether the mirror has once held everything that its topic held when it was begun."""
        if not self._is_ready:  # Once it is, it stays so.
            with self._store.read() as txn:
                self._is_ready = txn.get("meta", READY) is not None
        return self._is_ready

    def skipped(self) -> int:
        """Return how many records had no place: those without a key, and tombstones of an immutable topic."""
        with self._store.read() as txn:
            return meta_number(txn, SKIPPED)

    def incomplete_before(self) -> dict[int, int]:
        """Return the partitions of which records were gone before they were read, and before which offset."""
        with self._store.read() as txn:
            partitions = range(meta_number(txn, PARTITIONS))
            found = {partition: meta_number(txn, incomplete_key(partition)) for partition in partitions}
        return {partition: offset for partition, offset in found.items() if offset}

    def unindexed(self) -> int:
        """Return how many records are in no index, because their value or a field of it cannot be read."""
        return self._indexes.unindexed()

    def range(
        self,
        key: bytes,
        bounds: Bounds,
        *,
        reverse: bool = False,
        limit: int | None = None,
        declared: MirrorDefinition | None = None,
    ) -> list[Entry]:
        """Return the history of a key within bounds of the range field; see `IndexReader.range`."""
        return self._indexes.range(key, bounds, reverse=reverse, limit=limit, declared=declared)

    def find(
        self,
        field: str,
        bounds: Bounds,
        *,
        reverse: bool = False,
        limit: int | None = None,
        after: bytes | None = None,
        declared: MirrorDefinition | None = None,
    ) -> Page:
        """Return the entries whose field lies within bounds; see `IndexReader.find`."""
        return self._indexes.find(field, bounds, reverse=reverse, limit=limit, after=after, declared=declared)

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key, `None` when it was never written or was deleted."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes], *, max_bytes: int | None = None) -> list[Entry | None]:
        """Return the entries of *keys* in their order, all as of one moment.

        Raises:
            TooLargeError: The values together have more than *max_bytes*.
        """
        entries: list[Entry | None] = []
        held = 0
        with self._store.read() as txn:
            partitions, kept = range(meta_number(txn, PARTITIONS)), self._kept_for(txn)
            oldest_ms = _oldest_ms(kept)
            for key in keys:
                entry = get_entry(txn, partitions, key, is_first=kept.is_first)
                if entry is not None and _is_past(entry, oldest_ms):
                    entry = None
                held += 0 if entry is None else len(entry.value)
                if max_bytes is not None and held > max_bytes:
                    raise TooLargeError(
                        f"The values of {len(keys)} keys have more than {max_bytes} bytes. Ask for fewer keys at once."
                    )
                entries.append(entry)
        return entries

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
        """Yield all entries by key; a key that exists throughout comes exactly once, whatever is written meanwhile."""
        after: bytes | None = b""
        while after is not None:
            page = self.page(after)
            yield from page.entries
            after = page.next

    def page(self, after: bytes = b"", limit: int = SCAN_ENTRIES) -> Page:
        """Return the entries behind the cursor *after*, at most *limit*, by key and all as of one moment."""
        with self._store.read() as txn:
            partitions, kept = meta_number(txn, PARTITIONS), self._kept_for(txn)
            share = -(-limit // max(1, partitions))
            rows: list[tuple[bytes, bytes, bytes]] = []
            end: bytes | None = None  # Up to here every partition was read.
            for partition in range(partitions):
                head = partition_struct.pack(partition)
                found = list(islice(txn.scan("entries", head + after + b"\x00" if after else head), share))
                rows += [(stored[4:], stored, value) for stored, value in found if stored.startswith(head)]
                if len(found) == share and found[-1][0].startswith(head):
                    end = found[-1][0][4:] if end is None else min(end, found[-1][0][4:])
        if partitions > 1:
            rows.sort(key=itemgetter(0, 1))
        return _page(rows, end, limit, kept)

    def offsets(self) -> dict[int, int]:
        """Return the next offset of each partition."""
        with self._store.read() as txn:
            return {partition: next_offset(txn, partition) for partition in range(meta_number(txn, PARTITIONS))}

    def includes(self, position: Position) -> bool:
        """Return whether the records at *position* are folded."""
        with self._store.read() as txn:
            return all(next_offset(txn, partition) > offset for partition, offset in position.offsets.items())

    def _kept_for(self, txn: Reader) -> Kept:
        """Return what the mirror was built for, which never changes once it stands there."""
        if self._kept is None:
            self._kept = kept_for(txn)
        return self._kept or Kept()


def _page(rows: list[tuple[bytes, bytes, bytes]], end: bytes | None, limit: int, kept: Kept) -> Page:
    """Return one entry for each key of *rows*, which are sorted by key, then partition, up to the key *end*."""
    is_first, oldest_ms = kept.is_first, _oldest_ms(kept)
    entries: list[Entry] = []
    counts: Entry | None = None
    is_deleted, last = True, b""
    for tail, stored, value in rows:
        if end is not None and tail > end:
            break
        entry = entry_of(stored, value, has_offset=is_first)
        if counts is not None and tail == last:  # The key in another partition.
            if counts_against(counts, entry, is_first=is_first):
                counts, is_deleted = entry, is_grave(value)
            continue
        if counts is not None and not is_deleted and not _is_past(counts, oldest_ms):
            entries.append(counts)
            if len(entries) == limit:
                return Page(entries, last)
        counts, is_deleted, last = entry, is_grave(value), tail
    if counts is not None and not is_deleted and not _is_past(counts, oldest_ms):
        entries.append(counts)
    return Page(entries, end)


def _oldest_ms(kept: Kept) -> int | None:
    """Return the time before which records are past, `None` where they are kept for ever."""
    retention_ms = kept.definition.retention_ms
    return None if retention_ms is None else int(time.time() * 1000) - retention_ms


def _is_past(entry: Entry, oldest_ms: int | None) -> bool:
    """Return whether the retention time of a record has passed; one without a timestamp is kept for ever."""
    return oldest_ms is not None and 0 <= entry.timestamp_ms < oldest_ms
