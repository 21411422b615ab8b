"""Keeping the indexes of mirrors: the history of each key by a field, and the keys by fields of their last values.

They are kept in the transaction that writes the entries, so both always tell the same. A record whose value or field
cannot be read stays in the mirror, is in no index, and is counted. In an immutable topic the records that count are
the first of each key: only those have rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from core.comparable_fields import MirrorFields
from core.errors import InvalidInputError, NotAvailableYetError, NotFoundError
from core.mirrors import MirrorDefinition
from core.store import Reader, Writer, number_key
from core.topics import WriteType
from core.types import Codec
from projections.index_rows import (
    FOUND,
    RANGE_KEYS,
    RANGES,
    found_key,
    index_prefix,
    index_row,
    owner_prefix,
    prefix_of_owner,
    row_of,
)
from projections.mirror_entries import (
    entry_of,
    is_grave,
    key_tail,
    length_struct,
    meta_number,
    partition_struct,
    stamp_struct,
)

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
        return key_in_row(row_of(prefix_of_owner(stored), stored, value).value) == key


def _with_prefix(txn: Reader, table: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    for stored, value in txn.scan(table, prefix):
        if not stored.startswith(prefix):
            return
        yield stored, value


def key_in_row(place_and_value: bytes) -> bytes:
    """Return the Kafka key in the row of a range key."""
    (length,) = length_struct.unpack_from(place_and_value, stamp_struct.size)
    start = stamp_struct.size + length_struct.size
    return place_and_value[start : start + length]
