"""How the indexes of a mirror lie in LMDB: rows in the order of a field's values, beside the mirror's entries.

    ranges      partition (4 bytes), owner, field → stamp, with a range key the Kafka key, the Kafka value
    range_keys  partition, the Kafka key, hash of the key of a row of `ranges` → that key; only with a range key
    found       number of the index (2 bytes), field, partition, the Kafka key → for a long key the key

    owner       the Kafka key, with a range key the ordered bytes of its field: its length and itself, or a mark and its
                hash when it is long
    field       ordered bytes of the field, escaped, and an end; of long ones the beginning and a hash. The bytes
                themselves then begin the value, behind their length

So a prefix means one owner or one index and nothing else, and rows lie in the order of the field. Only those of long
fields that begin alike do not: they are put in order when they are read.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from core.errors import InvalidInputError
from core.ordered_bytes import Bounds
from core.store import MAX_KEY_BYTES, Reader
from projections.mirror_entries import INLINE, LONG, length_struct, partition_struct

RANGES, RANGE_KEYS, FOUND = "ranges", "range_keys", "found"
INDEX_TABLES: Final = (RANGES, RANGE_KEYS, FOUND)

KEY_MAX: Final = 130
"""Longest key that stands in a row as it is; with a field it must fit into a key of LMDB."""

FIELD_MAX: Final = 300
"""Escaped bytes of a field in a row."""

_LONG_OWNER: Final = b"\xff"
_HASH_BYTES: Final = 32

_WHOLE, _CUT, _BEHIND = b"\x00\x00", b"\x00\x01", b"\x00\x02"
"""Ends of a field: of a whole one, of the beginning of a long one, and of none, behind both. A zero byte inside is
followed by 255."""

_FIELD: Final = re.compile(rb"(?P<head>(?:[^\x00]++|\x00\xff)*+)\x00(?:\x00|\x01.{32})", re.DOTALL)

_number_struct: Final = struct.Struct(">H")
_cursor_struct: Final = struct.Struct(">IH")


class Row(NamedTuple):
    """One row of an index. Rows sort by the field, then by their keys."""

    ordered: bytes
    """Ordered bytes of the field."""
    stored: bytes
    """Its key in LMDB."""
    tail: bytes
    """What of the key is behind the field."""
    value: bytes


def owner_prefix(partition: bytes, owner: bytes) -> bytes:
    """Return what the rows of an owner in a partition begin with: the Kafka key, or the bytes of the range key."""
    if len(owner) <= KEY_MAX:
        return partition + bytes((len(owner),)) + owner
    return partition + _LONG_OWNER + hashlib.sha256(owner).digest()


def prefix_of_owner(stored: bytes) -> bytes:
    """Return the `owner_prefix` that a key of `ranges` begins with."""
    start = partition_struct.size
    length = _HASH_BYTES if stored[start : start + 1] == _LONG_OWNER else stored[start]
    return stored[: start + 1 + length]


def index_prefix(number: int) -> bytes:
    """Return what the rows of the index with this number begin with."""
    return _number_struct.pack(number)


def index_row(prefix: bytes, ordered: bytes, tail: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return key and value of a row as they stand in LMDB."""
    escaped = _escaped(ordered)
    if len(escaped) <= FIELD_MAX:
        return prefix + escaped + _WHOLE + tail, value
    stored = prefix + _head(escaped) + _CUT + hashlib.sha256(ordered).digest() + tail
    return stored, length_struct.pack(len(ordered)) + ordered + value


def row_of(prefix: bytes, stored: bytes, value: bytes) -> Row:
    """Return the row that stands under a key with this prefix."""
    match = _FIELD.match(stored, len(prefix))
    assert match is not None, "every key was made by index_row"
    tail = stored[match.end() :]
    if stored.startswith(_WHOLE, match.end("head")):
        return Row(_unescaped(match["head"]), stored, tail, value)
    (length,) = length_struct.unpack_from(value)
    start = length_struct.size
    return Row(value[start : start + length], stored, tail, value[start + length :])


class RowWindow(NamedTuple):
    """A part of the rows, in the order in which they are asked for; see `projections.windows.Window`."""

    after: Row | None = None
    """What comes up to here is left out."""
    until: Row | None = None
    """What comes from here on is left out."""
    includes_after: bool = False
    """Whether what stands at `after` is not left out."""
    reverse: bool = False
    """Whether they are asked for from the greatest field down."""


def ordered_rows(txn: Reader, table: str, prefix: bytes, bounds: Bounds, window: RowWindow) -> Iterator[Row]:
    """Yield the rows with this prefix whose field lies within *bounds* and which are in *window*, in its order."""
    after, until, includes_after, reverse = window
    is_early, is_late = (Bounds.is_above, Bounds.is_below) if reverse else (Bounds.is_below, Bounds.is_above)
    start = _last_start(prefix, bounds.high, after) if reverse else _first_start(prefix, bounds.low, after)
    for row in _in_order(txn, table, prefix, start, reverse=reverse):
        if is_late(bounds, row.ordered):
            return
        if is_early(bounds, row.ordered):
            continue
        if after is not None and not _is_behind(row, after, reverse=reverse, or_at=includes_after):
            continue
        if until is not None and _is_behind(row, until, reverse=reverse, or_at=True):
            return
        yield row


def found_key(key: bytes) -> tuple[bytes, bytes]:
    """Return a Kafka key as the end of a key of `found`, and what the value must hold of it."""
    return (INLINE + key, b"") if len(key) <= KEY_MAX else (LONG + hashlib.sha256(key).digest(), key)


def kafka_key(row: Row) -> tuple[int, bytes]:
    """Return partition and Kafka key of a row of `found`."""
    (partition,) = partition_struct.unpack_from(row.tail)
    kind, key = row.tail[partition_struct.size : partition_struct.size + 1], row.tail[partition_struct.size + 1 :]
    return partition, key if kind == INLINE else row.value


def cursor_of(field: str, prefix: bytes, row: Row) -> bytes:
    """Return a cursor that names the place of *row*, also when it is gone; a long field stands in it whole.

    The number of the index does not stand in it: replicas of a mirror may have built their indexes one after the other
    in another order. A checksum of the field's name tells the cursors of one index from those of another.
    """
    place = row.stored[len(prefix) :]
    long_field = b"" if _is_whole(row) else row.ordered
    return _cursor_struct.pack(zlib.crc32(field.encode()), len(place)) + place + long_field


def row_at(field: str, prefix: bytes, cursor: bytes) -> Row:
    """Return the place that a cursor of the index of a field names among the rows with this prefix.

    Raises:
        InvalidInputError: It is none of theirs.
    """
    start = _cursor_struct.size
    end = start + int.from_bytes(cursor[start - 2 : start])
    stored, long_field = prefix + cursor[start:end], cursor[end:]
    match = _FIELD.match(stored, len(prefix))
    if len(stored) <= MAX_KEY_BYTES and match is not None:
        is_whole = stored.startswith(_WHOLE, match.end("head"))
        row = Row(_unescaped(match["head"]) if is_whole else long_field, stored, stored[match.end() :], b"")
        is_of_field = cursor_of(field, prefix, row) == cursor
        if is_of_field and index_row(prefix, row.ordered, row.tail, b"")[0] == stored:
            return row
    raise InvalidInputError(
        "This cursor is none of this query. Send the one that came with the last page, or leave it out to begin anew."
    )


def place_in_index(field: str, cursor: bytes) -> tuple[bytes, bytes]:
    """Return what the places of an index are ordered by, in every copy of the mirror.

    Raises:
        InvalidInputError: It is none of the field's.
    """
    row = row_at(field, b"", cursor)
    return row.ordered, row.stored


def _escaped(ordered: bytes) -> bytes:
    return ordered.replace(b"\x00", b"\x00\xff")


def _unescaped(head: bytes) -> bytes:
    return head.replace(b"\x00\xff", b"\x00")


def _head(escaped: bytes) -> bytes:
    """Return as much of an escaped field as a row holds, not ending within an escape."""
    head = escaped[:FIELD_MAX]
    return head[:-1] if head.endswith(b"\x00") else head


def _is_whole(row: Row) -> bool:
    return len(row.ordered) + row.ordered.count(b"\x00") <= FIELD_MAX


def _first_start(prefix: bytes, low: bytes | None, after: Row | None) -> bytes:
    """Return the key of LMDB to go up from; rows of long fields that begin alike are always read together."""
    start = prefix if low is None else prefix + _head(_escaped(low))
    if after is None:
        return start
    return max(start, after.stored if _is_whole(after) else prefix + _head(_escaped(after.ordered)) + _CUT)


def _last_start(prefix: bytes, high: bytes | None, after: Row | None) -> bytes:
    """Return the key of LMDB to go down from."""
    start = prefix + (b"\xff" * (FIELD_MAX + 1) if high is None else _head(_escaped(high)) + _BEHIND)
    if after is None:
        return start
    return min(start, after.stored if _is_whole(after) else prefix + _head(_escaped(after.ordered)) + _BEHIND)


def _in_order(txn: Reader, table: str, prefix: bytes, start: bytes, *, reverse: bool) -> Iterator[Row]:
    alike: list[Row] = []  # Rows of long fields with one beginning.
    beginning = b""
    for stored, value in txn.scan(table, start, reverse=reverse):
        if not stored.startswith(prefix):
            break
        row = row_of(prefix, stored, value)
        if alike and not stored.startswith(beginning):
            yield from sorted(alike, reverse=reverse)
            alike = []
        if _is_whole(row):
            yield row
        else:
            beginning = prefix + _head(_escaped(row.ordered)) + _CUT
            alike.append(row)
    yield from sorted(alike, reverse=reverse)


def _is_behind(row: Row, other: Row, *, reverse: bool, or_at: bool) -> bool:
    here, there = (row.ordered, row.stored), (other.ordered, other.stored)
    if here == there:
        return or_at
    return here < there if reverse else here > there
