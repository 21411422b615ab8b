"""One consistent moment of a mirror: several things read as of one commit, whatever the projector writes meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from types import TracebackType
from typing import Final, Self

from core.errors import InvalidInputError, TooLargeError
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from core.store import BROKEN, Moment, Reader, Store
from projections.index_reading import IndexReader
from projections.mirror_entries import (
    PARTITIONS,
    Entry,
    Kept,
    counts_against,
    entry_of,
    get_entry,
    is_grave,
    is_key_tail,
    is_past,
    kept_for,
    key_heads,
    meta_number,
    next_offsets,
    partition_struct,
    value_getter,
    values_of,
)
from projections.pages import Page, Placed, PlacedPage
from projections.windows import WHOLE, Window

SCAN_ENTRIES: Final = 1000
"""Entries that a full scan reads at once."""

_BEHIND_ALL: Final = b"\xff"
"""Behind every key of a partition: the first byte of each is its kind."""

KEYS_AT_ONCE: Final = 100
"""Keys whose values are looked up together."""


def too_large(keys: int, max_bytes: int) -> TooLargeError:
    """Return the refusal to read so many keys at once."""
    return TooLargeError(f"The values of {keys} keys have more than {max_bytes} bytes. Ask for fewer keys at once.")


class MirrorFacts:
    """What all moments of a mirror share, or all those of one commit: it is read once. Safe in several threads."""

    def __init__(self) -> None:
        self.known: Kept | None = None
        """What the mirror was built for, once it was read."""
        self._heads: tuple[int, list[bytes]] = (-1, [])

    def kept(self, txn: Reader) -> Kept:
        """Return what the mirror was built for, which never changes once it stands there."""
        if self.known is None:
            self.known = kept_for(txn)
        return self.known or Kept()

    def heads(self, txn: Reader) -> list[bytes]:
        """Return the heads of keys in each partition; there may be more partitions with any commit."""
        version, heads = self._heads
        if version != txn.version():
            heads = key_heads(range(meta_number(txn, PARTITIONS)))
            self._heads = txn.version(), heads
        return heads


class MirrorMoment:
    """One moment of a mirror, open while its `with` lasts: LMDB keeps every page of it for so long.

    Not for two threads at a time; another thread than the one that opened it may use and end it.

    Args:
        store: Of the mirror.
        indexes: Of the mirror.
        facts: Of the mirror, kept between moments.
    """

    __slots__ = (
        "_facts",
        "_indexes",
        "_is_first",
        "_moment",
        "_oldest_ms",
        "_partitions",
        "_store",
        "_txn",
        "_value_of",
    )

    def __init__(self, store: Store, indexes: IndexReader, facts: MirrorFacts) -> None:
        self._store = store
        self._indexes = indexes
        self._facts = facts

    def __enter__(self) -> Self:
        self._moment: Moment = self._store.read()
        self._txn = txn = self._moment.__enter__()
        try:
            kept, heads = self._facts.kept(txn), self._facts.heads(txn)
            self._is_first, self._oldest_ms = is_first, oldest_ms = kept.is_first, _oldest_ms(kept)
            self._partitions = range(len(heads))
            self._value_of = value_getter(txn, heads, is_first=is_first, oldest_ms=oldest_ms)
        except BaseException as error:
            self._moment.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._moment.__exit__(kind, error, trace)

    def version(self) -> int:
        """Return the number of the commit that is read."""
        return self._txn.version()

    def offsets(self) -> dict[int, int]:
        """Return the next offset of each partition."""
        return next_offsets(self._txn)

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key, `None` when it was never written or was deleted."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes], *, max_bytes: int | None = None) -> list[Entry | None]:
        """Return the entries of *keys* in their order.

        Raises:
            TooLargeError: The values together have more than *max_bytes*.
        """
        txn, partitions, is_first, oldest_ms = self._txn, self._partitions, self._is_first, self._oldest_ms
        entries: list[Entry | None] = []
        held = 0
        try:
            for key in keys:
                entry = get_entry(txn, partitions, key, is_first=is_first)
                if entry is not None and is_past(entry, oldest_ms):
                    entry = None
                held += 0 if entry is None else len(entry.value)
                if max_bytes is not None and held > max_bytes:
                    raise too_large(len(keys), max_bytes)
                entries.append(entry)
        except BROKEN as error:
            raise self._store.broken(error) from error
        return entries

    def values(self, keys: Sequence[bytes]) -> Iterator[bytes | None]:
        """Yield the values of *keys* in their order, without what else is known of their entries."""
        txn, heads, one = self._txn, self._facts.heads(self._txn), self._value_of
        is_first, oldest_ms = self._is_first, self._oldest_ms
        try:
            for start in range(0, len(keys), KEYS_AT_ONCE):
                wanted = keys[start : start + KEYS_AT_ONCE]
                yield from values_of(txn, heads, wanted, one, is_first=is_first, oldest_ms=oldest_ms)
        except BROKEN as error:
            raise self._store.broken(error) from error

    def value(self, key: bytes) -> bytes | None:
        """Return the value of a key, `None` for none."""
        try:
            return self._value_of(key)
        except BROKEN as error:
            raise self._store.broken(error) from error

    def range(
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> list[Entry]:
        """Return the history of a key within bounds of the range field; see `ranged`."""
        return [row.entry for row in self.ranged(key, bounds, window, declared=declared).rows]

    def ranged(
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> PlacedPage:
        """Return the history of a key with the place of each record; see `IndexReader.ranged_in`."""
        return self._taken(
            lambda: self._indexes.ranged_in(self._txn, key, bounds, window, declared=declared), window.limit
        )

    def find(
        self, field: str, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> Page:
        """Return the entries whose value has a field within *bounds*, in the order of the field.

        A key whose value stays comes exactly once over all pages, whatever is written meanwhile. The page has a
        following one only if something is there. Raises what `found` does.
        """
        limit = window.limit
        more = window if limit is None else window.at_most(limit + 1)
        rows = self.found(field, [bounds], more, declared=declared).rows
        following = rows[limit - 1].place if limit is not None and len(rows) > limit else None
        return Page([row.entry for row in rows[:limit]], following)

    def found(
        self, field: str, parts: Sequence[Bounds], window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> PlacedPage:
        """Return the entries whose value has a field within one of *parts*; see `IndexReader.found_in`.

        Args:
            field: Name of the field.
            parts: Bounds that come one after the other and do not overlap.
            window: Which of them.
            declared: What the mirror is to keep by now, where the caller knows it.
        """
        return self._taken(
            lambda: self._indexes.found_in(self._txn, field, parts, window, declared=declared), window.limit
        )

    def _taken(self, rows: Callable[[], Iterator[Placed]], limit: int | None) -> PlacedPage:
        """Return the first of *rows* whose retention time has not passed."""
        oldest_ms = self._oldest_ms
        try:
            taken = list(islice((row for row in rows() if not is_past(row.entry, oldest_ms)), limit))
        except BROKEN as error:
            raise self._store.broken(error) from error
        return PlacedPage(taken, taken[-1].place if taken and len(taken) == limit else None)

    def pages(self, limit: int = SCAN_ENTRIES) -> Iterator[list[Entry]]:
        """Yield all entries by key, so many at a time."""
        window = Window(limit=limit)
        page = self.page(window)
        yield page.entries
        while page.next is not None:
            page = self.page(window.behind(page.next))
            yield page.entries

    def page(self, window: Window = WHOLE) -> Page:
        """Return the entries in *window*, by key; its places are each a `key_tail`.

        Without a limit they are as many as a scan reads at once.

        Raises:
            InvalidInputError: A place is none.
        """
        after, until, reverse = window.after, window.until, window.reverse
        if not all(place is None or is_key_tail(place) for place in (after, until)):
            raise InvalidInputError("This cursor was made up. Send one as it was answered, or leave it out.")
        limit = window.limit or SCAN_ENTRIES
        share = -(-limit // max(1, len(self._partitions)))
        rows: list[_StoredEntry] = []
        ends: list[bytes] = []  # Up to the first of them every partition was read.
        try:
            for partition in self._partitions:
                head = partition_struct.pack(partition)
                stored_entries = self._scan(head, after, reverse=reverse, is_included=window.includes_after)
                found = [
                    (stored[len(head) :], stored, value)
                    for stored, value in islice(stored_entries, share)
                    if stored.startswith(head)
                ]
                if len(found) == share:
                    ends.append(found[-1][0])
                rows += found
        except BROKEN as error:
            raise self._store.broken(error) from error
        end = (max(ends) if reverse else min(ends)) if ends else None
        if len(self._partitions) > 1:
            rows.sort(key=itemgetter(0), reverse=reverse)  # Of one key the lower partition stays before the higher one.
        if until is not None:
            rows, end = _cut(rows, end, until, reverse=reverse)
        return _page(rows, end, limit, is_first=self._is_first, oldest_ms=self._oldest_ms, reverse=reverse)

    def _scan(
        self, head: bytes, after: bytes | None, *, reverse: bool, is_included: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        """Return what stands in a partition behind *after*, and then in the following partitions."""
        if after is None:
            return self._txn.scan("entries", head + _BEHIND_ALL if reverse else head, reverse=reverse)
        start = head + after
        if is_included or reverse:
            found = self._txn.scan("entries", start, reverse=reverse)
            return found if is_included else (row for row in found if row[0] != start)
        return self._txn.scan("entries", start + b"\x00")


_StoredEntry = tuple[bytes, bytes, bytes]
"""End of a key of `entries`, the key, and what stands there."""


def _cut(
    rows: list[_StoredEntry], end: bytes | None, until: bytes, *, reverse: bool
) -> tuple[list[_StoredEntry], bytes | None]:
    """Return the rows before *until*, and where they end, `None` where nothing comes behind them."""
    kept = [row for row in rows if (row[0] > until if reverse else row[0] < until)]
    is_over = end is None or (end <= until if reverse else end >= until)
    return kept, None if is_over else end


def _page(
    rows: list[_StoredEntry], end: bytes | None, limit: int, *, is_first: bool, oldest_ms: int | None, reverse: bool
) -> Page:
    """Return one entry for each key of *rows*, which are sorted by key, then partition, up to the key *end*."""
    entries: list[Entry] = []
    counts: Entry | None = None
    is_deleted, last = True, b""
    for tail, stored, value in rows:
        if end is not None and (tail < end if reverse else tail > end):
            break
        entry = entry_of(stored, value, has_offset=is_first)
        if counts is not None and tail == last:  # The key in another partition.
            if counts_against(counts, entry, is_first=is_first):
                counts, is_deleted = entry, is_grave(value)
            continue
        if counts is not None and not is_deleted and not is_past(counts, oldest_ms):
            entries.append(counts)
            if len(entries) == limit:
                return Page(entries, last)
        counts, is_deleted, last = entry, is_grave(value), tail
    if counts is not None and not is_deleted and not is_past(counts, oldest_ms):
        entries.append(counts)
    return Page(entries, end)


def _oldest_ms(kept: Kept) -> int | None:
    """Return the time before which records are past, `None` where they are kept for ever."""
    retention_ms = kept.definition.retention_ms
    return None if retention_ms is None else int(time.time() * 1000) - retention_ms
