"""The media type `application/vnd.quick.rows`: entries with everything that is known of them, as bytes.

For gateways in other processes, which read ranges and whole topics and decode themselves. Numbers are big-endian.

    version (1 byte, 1), number of rows (4 bytes), of each row: partition (4 bytes), timestamp in milliseconds (8 bytes,
    signed), offset or -1 (8 bytes, signed), lengths of key and value (4 bytes each), the key, the value
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from core.errors import InvalidInputError
from projections.mirror_entries import Entry

ROWS_TYPE: Final = "application/vnd.quick.rows"

_VERSION: Final = 1
_NO_OFFSET: Final = -1

_head = struct.Struct(">BI")
_row = struct.Struct(">IqqII")


def encode_rows(entries: Sequence[Entry]) -> bytes:
    """Return the body of an answer with *entries*."""
    return _head.pack(_VERSION, len(entries)) + b"".join(map(_framed, entries))


def decode_rows(raw: bytes) -> list[Entry]:
    """Return the entries of an answer.

    Raises:
        InvalidInputError: It is no such answer, or was cut off.
    """
    try:
        version, count = _head.unpack_from(raw)
        if version != _VERSION:
            raise InvalidInputError(
                f"The body of type {ROWS_TYPE} is of version {version}, and this program reads {_VERSION}. Upgrade it."
            )
        entries: list[Entry] = []
        at = _head.size
        for _ in range(count):
            partition, timestamp_ms, offset, key_length, value_length = _row.unpack_from(raw, at)
            key_at = at + _row.size
            value_at = key_at + key_length
            at = value_at + value_length
            place = None if offset == _NO_OFFSET else offset
            entries.append(Entry(partition, timestamp_ms, raw[key_at:value_at], raw[value_at:at], place))
    except struct.error as error:
        raise _cut_off() from error
    if at != len(raw):
        raise _cut_off()
    return entries


def _framed(entry: Entry) -> bytes:
    offset = _NO_OFFSET if entry.offset is None else entry.offset
    lengths = len(entry.key), len(entry.value)
    return _row.pack(entry.partition, entry.timestamp_ms, offset, *lengths) + entry.key + entry.value


def _cut_off() -> InvalidInputError:
    return InvalidInputError(f"The body of type {ROWS_TYPE} does not end where it says. Send it whole.")
