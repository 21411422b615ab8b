"""The media type `application/vnd.quick.entries`: keys in, entries out, as bytes exactly as in Kafka.

For gateways, which decode themselves: nothing is parsed on the way but lengths. Numbers are big-endian.

    request   version (1 byte, 1), number of keys (4 bytes), of each key: its length (4 bytes), the key
    answer    version (1 byte, 1), number of keys (4 bytes), of each key in the order of the request:
              0 (1 byte) where there is none, else 1 (1 byte), timestamp in milliseconds (8 bytes, signed), the length
              of the value (4 bytes), the value; a record stands behind its schema ID, as in Kafka
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from core.errors import InvalidInputError, TooLargeError
from projections.mirror_entries import Entry

MEDIA_TYPE: Final = "application/vnd.quick.entries"

_VERSION: Final = 1
_MISSING: Final = b"\x00"

_head = struct.Struct(">BI")
_length = struct.Struct(">I")
_found = struct.Struct(">?qI")


class FoundValue(NamedTuple):
    """The value of a key as an answer has it."""

    timestamp_ms: int
    value: bytes


def encode_keys(keys: Sequence[bytes]) -> bytes:
    """Return the body of a request for *keys*."""
    return _head.pack(_VERSION, len(keys)) + b"".join(_length.pack(len(key)) + key for key in keys)


def decode_keys(raw: bytes, most: int) -> list[bytes]:
    """Return the keys of a request.

    Args:
        raw: Its body.
        most: How many keys are taken at once.

    Raises:
        InvalidInputError: The body is none, or does not end with the last key.
        TooLargeError: There are more keys.
    """
    count = _count(raw)
    if count > most:
        raise TooLargeError(f"The body has {count} keys, and {most} are taken at once. Send several requests.")
    keys: list[bytes] = []
    at = _head.size
    for number in range(1, count + 1):
        try:
            (length,) = _length.unpack_from(raw, at)
        except struct.error as error:
            raise _cut_off(f"key {number} of {count}") from error
        at += _length.size
        keys.append(raw[at : at + length])
        at += length
        if at > len(raw):
            raise _cut_off(f"key {number} of {count}")
    if at < len(raw):
        raise InvalidInputError(f"The body has {len(raw) - at} bytes behind its last key. Write how many keys it has.")
    return keys


def encode_entries(entries: Iterable[Entry | None]) -> bytes:
    """Return the body of the answer with *entries*, `None` for a key that does not exist."""
    frames = [_MISSING if entry is None else _frame(entry) for entry in entries]
    return _head.pack(_VERSION, len(frames)) + b"".join(frames)


def decode_entries(raw: bytes) -> list[FoundValue | None]:
    """Return what an answer says of each key, `None` where there is none.

    Raises:
        InvalidInputError: It is no such answer, or was cut off.
    """
    count = _count(raw)
    entries: list[FoundValue | None] = []
    at = _head.size
    for number in range(1, count + 1):
        if raw[at : at + 1] == _MISSING:
            entries.append(None)
            at += 1
            continue
        try:
            _, timestamp_ms, length = _found.unpack_from(raw, at)
        except struct.error as error:
            raise _cut_off(f"entry {number} of {count}") from error
        at += _found.size
        entries.append(FoundValue(timestamp_ms, raw[at : at + length]))
        at += length
    if at != len(raw):
        raise _cut_off(f"entry {count} of {count}")
    return entries


def _count(raw: bytes) -> int:
    try:
        version, count = _head.unpack_from(raw)
    except struct.error as error:
        raise _cut_off("its head") from error
    if version != _VERSION:
        raise InvalidInputError(f"The body is of version {version}, and this program reads {_VERSION}. Upgrade it.")
    return int(count)


def _frame(entry: Entry) -> bytes:
    return _found.pack(True, entry.timestamp_ms, len(entry.value)) + entry.value  # noqa: FBT003 - the flag itself


def _cut_off(where: str) -> InvalidInputError:
    return InvalidInputError(f"The body of type {MEDIA_TYPE} does not end where it says, at {where}. Send it whole.")
