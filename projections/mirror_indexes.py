"""Indexes of mirrors: the history of each key by a field, and the keys by fields of their last values.

They are kept in the transaction that writes the entries, so both always tell the same. A record whose value or field
cannot be read stays in the mirror, is in no index, and is counted. In an immutable topic the records that count are
the first of each key: only those have rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from core.comparable_fields import MirrorFields
from core.errors import InvalidInputError, NotAvailableYetError, NotFoundError, UnavailableError
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from core.store import Reader, Store, Writer, number_key
from core.topics import WriteType
from core.types import Codec
from projections.index_rows import (
    FOUND,
    RANGE_KEYS,
    RANGES,
    Row,
    cursor_of,
    found_key,
    index_prefix,
    index_row,
    kafka_key,
    ordered_rows,
    owner_prefix,
    prefix_of_owner,
    row_at,
    row_of,
)
from projections.mirror_entries import (
    PARTITIONS,
    Entry,
    Kept,
    entry_of,
    get_entry,
    is_grave,
    keeps_first,
    kept_for,
    key_tail,
    latest_grave,
    length_struct,
    meta_number,
    partition_struct,
    stamp_struct,
)
from projections.pages import Page

UNINDEXED: Final = b"unindexed"
"""Key of the table `meta`: the number of records that are in no index."""

_UNREADABLE: Final = (InvalidInputError, NotFoundError, NotAvailableYetError)
"""What makes a record one without a place. A registry that does not answer is none of them: it is asked again."""

_LINK_BYTES: Final = 20

_Fields = tuple[bytes | None, ...]
"""Ordered bytes of the fields of one record: range field, range key, then those of the indexes."""


class _Record(NamedTuple):
    key: bytes
    value: bytes | None
    stamp: bytes


def _built_for(txn: Reader) -> MirrorDefinition:
    return (kept_for(txn) or Kept()).definition


class IndexWriter:
    """Keeps the indexes of one mirror, for the fold that writes its entries.

    Args:
        definition: What is indexed.
        values: Decodes the topic's values, each with the schema that it was written with.
        fields: The fields of *definition* in the schema that the indexes are built for.
        write_type: Whether the first value of a key counts, or the last one.
    """

    def __init__(
        self,
        definition: MirrorDefinition,
        values: Codec,
        fields: MirrorFields,
        write_type: WriteType = WriteType.MUTABLE,
    ) -> None:
        self.definition = definition
        self._values = values
        self._fields = [field for field in (fields.range_field, fields.range_key) if field] + list(fields.indexes)
        self._first_index = len(self._fields) - len(fields.indexes)
        self._has_range_key = fields.range_key is not None
        self._keeps_first = write_type is WriteType.IMMUTABLE
        self._nowhere: _Fields = (None,) * len(self._fields)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that the indexes need."""
        ranges = (RANGES,) if self.definition.range_field is not None else ()
        links = (RANGE_KEYS,) if self.definition.range_key is not None else ()
        return (*ranges, *links, *((FOUND,) if self.definition.indexes else ()))

    def take(
        self,
        txn: Writer,
        partition: int,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        stamps: Sequence[bytes],
    ) -> None:
        """Take records of one partition, in the order of their offsets, *before* their entries are written.

        Args:
            txn: The transaction in which the entries will be written.
            partition: Their partition.
            keys: Their keys; one without is in no index.
            values: Their values, `None` for a tombstone, which removes all rows of its key in this partition.
            stamps: Kind and time of each, as they stand in an entry.

        Raises:
            UnavailableError: A schema is not known yet and its registry does not answer: abort, and take them again.
            StoreError: Disk or map are full.
        """
        head = partition_struct.pack(partition)
        records = [
            _Record(key, value, stamp)
            for key, value, stamp in zip(keys, values, stamps, strict=True)
            if key is not None
        ]
        if self._keeps_first:
            records = list(_first_of_keys(txn, head, records))
        found, misfits = [], 0
        for record in records:
            fields = self._nowhere if record.value is None else self._fields_of(record.value)
            misfits += fields is None
            found.append(fields or self._nowhere)
        if misfits:
            txn.put("meta", UNINDEXED, number_key(meta_number(txn, UNINDEXED) + misfits))
        if self._first_index:
            self._take_ranges(txn, head, records, found)
        if self.definition.indexes:
            self._take_found(txn, head, records, found)

    def _fields_of(self, raw: bytes) -> _Fields | None:
        """Return the fields of a value, `None` where it or one of them cannot be read."""
        try:
            record = self._values.decode(raw)
            if not isinstance(record, dict):
                return None
            return tuple([field.of_value(record.get(field.name)) for field in self._fields])
        except _UNREADABLE:
            return None

    def _take_ranges(self, txn: Writer, head: bytes, records: list[_Record], found: list[_Fields]) -> None:
        histories = _Histories(txn, head, has_range_key=self._has_range_key)
        for record, fields in zip(records, found, strict=True):
            owner = fields[1] if self._has_range_key else record.key
            if record.value is None:
                histories.forget(record.key)
            elif fields[0] is not None and owner is not None:
                histories.add(record.key, owner, fields[0], record.stamp, record.value)
        histories.write()

    def _take_found(self, txn: Writer, head: bytes, records: list[_Record], found: list[_Fields]) -> None:
        last = {record.key: fields for record, fields in zip(records, found, strict=True)}
        new: dict[bytes, bytes] = {}
        old: set[bytes] = set()
        for key in sorted(last):  # LMDB finds neighbours quicker than keys at random.
            new.update(self._found_rows(head, key, last[key]))
            if not self._keeps_first:
                old.update(stored for stored, _ in self._found_rows(head, key, self._kept_fields(txn, head, key)))
        txn.delete_many(FOUND, sorted(old - new.keys()))
        txn.put_many(FOUND, [(stored, new[stored]) for stored in sorted(new.keys() - old)])

    def _kept_fields(self, txn: Reader, head: bytes, key: bytes) -> _Fields:
        """Return the fields of the value that stands under a key."""
        stored = head + key_tail(key)
        value = txn.get("entries", stored)
        if value is None or is_grave(value):
            return self._nowhere
        return self._fields_of(entry_of(stored, value, has_offset=self._keeps_first).value) or self._nowhere

    def _found_rows(self, head: bytes, key: bytes, fields: _Fields) -> Iterator[tuple[bytes, bytes]]:
        tail, value = found_key(key)
        for number, ordered in enumerate(fields[self._first_index :]):
            if ordered is not None:
                yield index_row(index_prefix(number), ordered, head + tail, value)


def _first_of_keys(txn: Reader, head: bytes, records: Iterable[_Record]) -> Iterator[_Record]:
    """Yield the records that are the first of their keys in a partition; tombstones are none."""
    seen: set[bytes] = set()
    for record in records:
        if record.value is None or record.key in seen:
            continue
        seen.add(record.key)
        if txn.get("entries", head + key_tail(record.key)) is None:
            yield record


class _Histories:
    """What one batch makes of the rows of `ranges` in a partition."""

    def __init__(self, txn: Writer, head: bytes, *, has_range_key: bool) -> None:
        self._txn = txn
        self._head = head
        self._has_range_key = has_range_key
        self._rows: dict[bytes, bytes | None] = {}
        self._links: dict[bytes, bytes | None] = {}
        self._rows_of_key: dict[bytes, list[bytes]] = {}

    def add(self, key: bytes, owner: bytes, ordered: bytes, stamp: bytes, value: bytes) -> None:
        """Set the row of an owner at a value of the range field."""
        place = stamp + length_struct.pack(len(key)) + key if self._has_range_key else stamp
        stored, row = index_row(owner_prefix(self._head, owner), ordered, b"", place + value)
        self._rows[stored] = row
        self._rows_of_key.setdefault(key, []).append(stored)
        if self._has_range_key:
            self._links[self._link(key, stored)] = stored

    def forget(self, key: bytes) -> None:
        """Remove all rows that came of records of a key."""
        written = self._written_links(key) if self._has_range_key else self._written_rows(key)
        for stored in [*written, *self._rows_of_key.pop(key, ())]:
            if self._is_of(key, stored):
                self._rows[stored] = None
            if self._has_range_key:
                self._links[self._link(key, stored)] = None

    def write(self) -> None:
        """Write what has come together."""
        for table, rows in ((RANGES, self._rows), (RANGE_KEYS, self._links)):
            if rows:
                ordered = sorted(rows)
                self._txn.delete_many(table, [stored for stored in ordered if rows[stored] is None])
                self._txn.put_many(table, [(stored, row) for stored in ordered if (row := rows[stored]) is not None])

    def _link(self, key: bytes, stored: bytes) -> bytes:
        """Return where `range_keys` says that a row of `ranges` came of a key; another key may have it now."""
        return owner_prefix(self._head, key) + hashlib.blake2b(stored, digest_size=_LINK_BYTES).digest()

    def _written_rows(self, key: bytes) -> list[bytes]:
        return [stored for stored, _ in _with_prefix(self._txn, RANGES, owner_prefix(self._head, key))]

    def _written_links(self, key: bytes) -> list[bytes]:
        return [stored for _, stored in _with_prefix(self._txn, RANGE_KEYS, owner_prefix(self._head, key))]

    def _is_of(self, key: bytes, stored: bytes) -> bool:
        if not self._has_range_key:
            return True
        value = self._rows[stored] if stored in self._rows else self._txn.get(RANGES, stored)
        if value is None:
            return False
        return _key_in(row_of(prefix_of_owner(stored), stored, value).value) == key


def _with_prefix(txn: Reader, table: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    for stored, value in txn.scan(table, prefix):
        if not stored.startswith(prefix):
            return
        yield stored, value


def _key_in(place_and_value: bytes) -> bytes:
    """Return the Kafka key in the row of a range key."""
    (length,) = length_struct.unpack_from(place_and_value, stamp_struct.size)
    start = stamp_struct.size + length_struct.size
    return place_and_value[start : start + length]


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

    def range(
        self,
        key: bytes,
        bounds: Bounds,
        *,
        reverse: bool = False,
        limit: int | None = None,
        declared: MirrorDefinition | None = None,
    ) -> list[Entry]:
        """Return the history of a key in the order of the range field, at most *limit* of it.

        Of two records with one value of the field in different partitions the later one counts, then that of the
        higher partition.

        Args:
            key: The Kafka key; with a range key the ordered bytes of its field.
            bounds: Of the range field.
            reverse: Begin with the greatest value.
            limit: How many at most.
            declared: See the class.

        Raises:
            InvalidInputError: The mirror has no range index.
            UnavailableError: It is declared and not built yet.
        """
        with self._store.read() as txn:
            return self.range_in(txn, key, bounds, reverse=reverse, limit=limit, declared=declared)

    def range_in(
        self,
        txn: Reader,
        key: bytes,
        bounds: Bounds,
        *,
        reverse: bool = False,
        limit: int | None = None,
        declared: MirrorDefinition | None = None,
    ) -> list[Entry]:
        """Return what `range` does, as of the moment that *txn* is."""
        built = _built_for(txn)
        _check_range(built, declared)
        has_range_key, is_first = built.range_key is not None, keeps_first(txn)
        partitions = range(meta_number(txn, PARTITIONS))
        grave_of = cache(partial(latest_grave, txn, partitions))  # Without a range key all rows are of one key.

        def rows_in(partition: int) -> Iterator[tuple[bytes, Entry]]:
            prefix = owner_prefix(partition_struct.pack(partition), key)
            for row in ordered_rows(txn, RANGES, prefix, bounds, reverse=reverse):
                entry = _entry_of(row, partition, None if has_range_key else key)
                if _counts(txn, partitions, entry) if is_first else not _is_hidden(entry, grave_of):
                    yield row.ordered, entry

        merged = merge(*map(rows_in, partitions), key=itemgetter(0), reverse=reverse)
        entries: list[Entry] = []
        for _, group in groupby(merged, key=itemgetter(0)):
            if len(entries) == limit:
                break
            entries.append(max((entry for _, entry in group), key=_time_and_partition))
        return entries

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
        """Return the keys whose value has a field within *bounds*, in the order of the field, at most *limit*.

        A key whose value stays comes exactly once over all pages, whatever is written meanwhile.

        Args:
            field: Name of the field.
            bounds: Of the field.
            reverse: Begin with the greatest value.
            limit: How many at most, at least one.
            after: The cursor of the page before, of the same query.
            declared: See the class.

        Raises:
            InvalidInputError: The mirror has no index of the field, or the cursor is none.
            UnavailableError: The index is declared and not built yet.
        """
        with self._store.read() as txn:
            built = _built_for(txn)
            _check_index(field, built, declared)
            prefix = index_prefix(built.indexes.index(field))
            place = None if after is None else row_at(prefix, after)
            partitions, is_first = range(meta_number(txn, PARTITIONS)), keeps_first(txn)
            entries: list[Entry] = []
            last: Row | None = None
            for row in ordered_rows(txn, FOUND, prefix, bounds, reverse=reverse, after=place):
                partition, key = kafka_key(row)
                entry = get_entry(txn, partitions, key, is_first=is_first)
                if entry is None or entry.partition != partition:
                    continue  # In another partition the key has a value that counts.
                if len(entries) == limit:
                    return Page(entries, None if last is None else cursor_of(last))
                entries.append(entry)
                last = row
            return Page(entries, None)


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
        key = _key_in(row.value)
        start += length_struct.size + len(key)
    return Entry(partition, timestamp_ms, key, row.value[start:])


def _time_and_partition(entry: Entry) -> tuple[int, int]:
    return entry.timestamp_ms, entry.partition
