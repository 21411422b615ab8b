"""Mirrors for reading: one value of each key of a topic, bytes exactly as in Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from core.errors import StoreError
from core.mirror_shares import Share
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from core.position import Position
from core.store import Store
from projections.index_reading import IndexReader
from projections.index_rows import INDEX_TABLES
from projections.mirror_entries import (
    PARTITIONS,
    READY,
    SKIPPED,
    TABLES,
    Entry,
    Winner,
    incomplete_key,
    meta_number,
    next_offset,
    next_offsets,
)
from projections.mirror_moment import MirrorFacts, MirrorMoment
from projections.pages import Page
from projections.windows import WHOLE, Window


class MirrorSize(NamedTuple):
    """How much a mirror holds."""

    entries: int
    """A key that stands in several partitions counts in each."""
    bytes: int
    """What it takes on the disk."""


class MirrorView:
    """One mirror for reading."""

    def __init__(self, path: Path) -> None:
        self._facts = MirrorFacts()
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

    def share(self) -> Share | None:
        """Return which of the keys it holds, `None` for all; that stays so for a copy."""
        if (kept := self._facts.known) is None:
            with self._store.read() as txn:
                kept = self._facts.kept(txn)
        return kept.share

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
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> list[Entry]:
        """Return the history of a key within bounds of the range field; see `MirrorMoment.range`."""
        with self.moment() as moment:
            return moment.range(key, bounds, window, declared=declared)

    def find(
        self, field: str, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> Page:
        """Return the entries whose field lies within bounds; see `MirrorMoment.find`."""
        with self.moment() as moment:
            return moment.find(field, bounds, window, declared=declared)

    def moment(self) -> MirrorMoment:
        """Open one consistent moment, for a `with`: everything that is read in it is as of the same commit."""
        return MirrorMoment(self._store, self._indexes, self._facts)

    def value(self, key: bytes) -> bytes | None:
        """Return the value of a key, `None` for none; quicker than `get`, since it makes no entry."""
        with self.moment() as moment:
            return moment.value(key)

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key, `None` when it was never written or was deleted."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes], *, max_bytes: int | None = None) -> list[Entry | None]:
        """Return the entries of *keys* in their order, all as of one moment.

        Raises:
            TooLargeError: The values together have more than *max_bytes*.
        """
        with self.moment() as moment:
            return moment.get_many(keys, max_bytes=max_bytes)

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
        page = self.page()
        yield from page.entries
        while page.next is not None:
            page = self.page(WHOLE.behind(page.next))
            yield from page.entries

    def page(self, window: Window = WHOLE) -> Page:
        """Return the entries in *window*, by key and all as of one moment; see `MirrorMoment.page`."""
        with self.moment() as moment:
            return moment.page(window)

    def offsets(self) -> dict[int, int]:
        """Return the next offset of each partition."""
        with self._store.read() as txn:
            return next_offsets(txn)

    def includes(self, position: Position) -> bool:
        """Return whether the records at *position* are folded."""
        with self._store.read() as txn:
            return all(next_offset(txn, partition) > offset for partition, offset in position.offsets.items())
