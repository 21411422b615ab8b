"""The media type `application/vnd.quick.rows`: entries with everything that is known of them, as bytes.

For gateways in other processes, which read lists and whole topics and decode themselves. Numbers are big-endian.

    version (1 byte, 2), number of rows (4 bytes), length of the place where the rows go on, or -1 where nothing comes
    behind them (4 bytes, signed), this place; of each row: partition (4 bytes), timestamp in milliseconds (8 bytes,
    signed), offset or -1 (8 bytes, signed), lengths of place, key and value (4 bytes each), place, key and value
"""

from __future__ import annotations

import struct
from typing import Final

from core.errors import InvalidInputError
from projections.mirror_entries import Entry
from projections.pages import Placed, PlacedPage

ROWS_TYPE: Final = "application/vnd.quick.rows"

_VERSION: Final = 2
_NONE: Final = -1

_head = struct.Struct(">BIi")
_row = struct.Struct(">IqqIII")


def encode_rows(page: PlacedPage) -> bytes:
    """Return the body of an answer with *page*."""
    rows, following = page
    next_length = _NONE if following is None else len(following)
    return _head.pack(_VERSION, len(rows), next_length) + (following or b"") + b"".join(map(_framed, rows))


def decode_rows(raw: bytes) -> PlacedPage:
    """Return the page of an answer.

    Raises:
        InvalidInputError: It is no such answer, or was cut off.
    """
    if raw and raw[0] != _VERSION:
        raise InvalidInputError(
            f"The body of type {ROWS_TYPE} is of version {raw[0]}, and this program reads {_VERSION}. Upgrade the older"
            " one."
        )
    try:
        _, count, next_length = _head.unpack_from(raw)
        at = _head.size + max(0, next_length)
        following = None if next_length == _NONE else raw[_head.size : at]
        rows: list[Placed] = []
        size = _row.size
        for _ in range(count):
            partition, timestamp_ms, offset, place_length, key_length, value_length = _row.unpack_from(raw, at)
            place_at = at + size
            key_at = place_at + place_length
            value_at = key_at + key_length
            at = value_at + value_length
            number = None if offset == _NONE else offset
            entry = Entry(partition, timestamp_ms, raw[key_at:value_at], raw[value_at:at], number)
            rows.append(Placed(raw[place_at:key_at], entry))
    except struct.error as error:
        raise _cut_off() from error
    if at != len(raw):
        raise _cut_off()
    return PlacedPage(rows, following)


def _framed(row: Placed) -> bytes:
    place, (partition, timestamp_ms, key, value, offset) = row
    number = _NONE if offset is None else offset
    return _row.pack(partition, timestamp_ms, number, len(place), len(key), len(value)) + place + key + value


def _cut_off() -> InvalidInputError:
    return InvalidInputError(f"The body of type {ROWS_TYPE} does not end where it says. Send it whole.")
