"""Asking the indexes of mirrors, which `projections.mirror_indexes` keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from heapq import merge
from itertools import groupby
from operator import itemgetter

from core.errors import InvalidInputError, UnavailableError
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from core.store import Reader, Store
from projections.index_rows import (
    FOUND,
    RANGES,
    Row,
    RowWindow,
    cursor_of,
    index_prefix,
    kafka_key,
    ordered_rows,
    owner_prefix,
    row_at,
)
from projections.mirror_entries import (
    PARTITIONS,
    Entry,
    Kept,
    get_entry,
    keeps_first,
    kept_for,
    latest_grave,
    length_struct,
    meta_number,
    partition_struct,
    stamp_struct,
)
from projections.mirror_indexes import UNINDEXED, key_in_row
from projections.pages import Placed
from projections.windows import Window


class IndexReader:
    """Asks the indexes of one mirror; each answer is as of one moment.

    `declared` is what the mirror is to keep by now, where the caller knows it: it tells an index that is still being
    built from one that nobody wants.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def unindexed(self) -> int:
        """Return how many records are in no index, because their value or a field of it cannot be read."""
        with self._store.read() as txn:
            return meta_number(txn, UNINDEXED)

    def ranged_in(
        self, txn: Reader, key: bytes, bounds: Bounds, window: Window, *, declared: MirrorDefinition | None = None
    ) -> Iterator[Placed]:
        """Yield the history of a key in the order of the range field, whose ordered bytes are the place of each.

        Of two records with one value of the field in different partitions the later one counts, then that of the
        higher partition.

        Args:
            txn: The moment.
            key: The Kafka key; with a range key the ordered bytes of its field.
            bounds: Of the range field.
            window: Where it begins and ends, and in which direction; its limit is the caller's.
            declared: See the class.

        Raises:
            InvalidInputError: The mirror has no range index.
            UnavailableError: It is declared and not built yet.
        """
        built = _built_for(txn)
        _check_range(built, declared)
        has_range_key, is_first = built.range_key is not None, keeps_first(txn)
        partitions = range(meta_number(txn, PARTITIONS))
        grave_of = cache(partial(latest_grave, txn, partitions))  # Without a range key all rows are of one key.
        within, order = _narrowed(bounds, window), RowWindow(reverse=window.reverse)

        def rows_in(partition: int) -> Iterator[tuple[bytes, Entry]]:
            prefix = owner_prefix(partition_struct.pack(partition), key)
            for row in ordered_rows(txn, RANGES, prefix, within, order):
                entry = _entry_of(row, partition, None if has_range_key else key)
                if _counts(txn, partitions, entry) if is_first else not _is_hidden(entry, grave_of):
                    yield row.ordered, entry

        merged = merge(*map(rows_in, partitions), key=itemgetter(0), reverse=window.reverse)
        for ordered, group in groupby(merged, key=itemgetter(0)):
            yield Placed(ordered, max((entry for _, entry in group), key=_time_and_partition))

    def found_in(
        self,
        txn: Reader,
        field: str,
        parts: Sequence[Bounds],
        window: Window,
        *,
        declared: MirrorDefinition | None = None,
    ) -> Iterator[Placed]:
        """Yield the keys whose value has a field within one of *parts*, in its order; the places are cursors.

        Args:
            txn: The moment.
            field: Name of the field.
            parts: Bounds of the field that come one after the other and do not overlap.
            window: Where it begins and ends, by cursors, and in which direction; its limit is the caller's.
            declared: See the class.

        Raises:
            InvalidInputError: The mirror has no index of the field, or a cursor is none.
            UnavailableError: The index is declared and not built yet.
        """
        built = _built_for(txn)
        _check_index(field, built, declared)
        prefix = index_prefix(built.indexes.index(field))
        after, until = (None if at is None else row_at(field, prefix, at) for at in (window.after, window.until))
        rows = RowWindow(after, until, window.includes_after, window.reverse)
        partitions, is_first = range(meta_number(txn, PARTITIONS)), keeps_first(txn)
        for bounds in reversed(parts) if window.reverse else parts:
            if after is not None and _is_behind(after, bounds, reverse=window.reverse):
                continue  # Nothing is read to find that it is left out.
            for row in ordered_rows(txn, FOUND, prefix, bounds, rows):
                partition, key = kafka_key(row)
                entry = get_entry(txn, partitions, key, is_first=is_first)
                if entry is not None and entry.partition == partition:  # Else another partition's value counts.
                    yield Placed(cursor_of(field, prefix, row), entry)


def _built_for(txn: Reader) -> MirrorDefinition:
    return (kept_for(txn) or Kept()).definition


def _is_behind(place: Row, bounds: Bounds, *, reverse: bool) -> bool:
    """Return whether *bounds* end before a place, in the order asked for."""
    return bounds.is_below(place.ordered) if reverse else bounds.is_above(place.ordered)


def _narrowed(bounds: Bounds, window: Window) -> Bounds:
    """Return what of *bounds* lies in a window whose places are ordered bytes."""
    if window.after is not None:
        narrowed = bounds.to if window.reverse else bounds.from_
        bounds = narrowed(window.after, is_included=window.includes_after)
    if window.until is not None:
        narrowed = bounds.from_ if window.reverse else bounds.to
        bounds = narrowed(window.until)
    return bounds


def _check_range(built: MirrorDefinition, declared: MirrorDefinition | None) -> None:
    wanted = built if declared is None else declared
    if wanted.range_field is None:
        raise InvalidInputError(
            "You are trying to query a range. But no range index set. Let the mirror have a range field."
        )
    if (built.range_field, built.range_key) != (wanted.range_field, wanted.range_key):
        raise UnavailableError(
            f"The range index of the field {wanted.range_field} is declared, but not built yet. Try again later."
        )


def _check_index(field: str, built: MirrorDefinition, declared: MirrorDefinition | None) -> None:
    wanted = built if declared is None else declared
    if field not in wanted.indexes:
        known = f"It has indexes of {', '.join(wanted.indexes)}" if wanted.indexes else "It has none"
        raise InvalidInputError(f"The mirror has no index of the field {field}. {known}: declare one, or ask by key.")
    if field not in built.indexes:
        raise UnavailableError(f"The index of the field {field} is declared, but not built yet. Try again later.")


def _counts(txn: Reader, partitions: Iterable[int], entry: Entry) -> bool:
    """Return whether a record is the first of its key in all partitions."""
    winner = get_entry(txn, partitions, entry.key, is_first=True)
    return winner is not None and winner.partition == entry.partition


def _is_hidden(entry: Entry, grave_of: Callable[[bytes], tuple[int, int] | None]) -> bool:
    """Return whether a later tombstone of another partition has removed a record; those of its own have already."""
    grave = grave_of(entry.key)
    return grave is not None and grave > (entry.timestamp_ms, entry.partition)


def _entry_of(row: Row, partition: int, key: bytes | None) -> Entry:
    """Return what stands in a row of `ranges`; its key is in it unless it is the owner."""
    _, timestamp_ms = stamp_struct.unpack_from(row.value)
    start = stamp_struct.size
    if key is None:
        key = key_in_row(row.value)
        start += length_struct.size + len(key)
    return Entry(partition, timestamp_ms, key, row.value[start:])


def _time_and_partition(entry: Entry) -> tuple[int, int]:
    return entry.timestamp_ms, entry.partition
