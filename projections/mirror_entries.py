"""How a mirror lies in LMDB: what stands in its tables, for the one that folds and for those that read.

    entries  partition (4 bytes), kind (1 byte), the Kafka key; a long one as its beginning and a hash
             → kind of timestamp (1 byte), timestamp (8 bytes), in a mirror of an immutable topic the offset (8 bytes),
               for a long key its length and the key, the Kafka value
    dues     time (8 bytes), hash of a key of `entries` → that key: what is to be looked at again at that time
    meta     offsets, what the mirror is kept for, whether it is ready, and what it could not read

So the entries lie in the order of partition, then key. Which record of a key counts:

    of a mutable topic      the last record of each key; where that is a tombstone there is no value. In two partitions:
                            the last record of the one with the later timestamp, then of the higher partition. For this
                            a tombstone leaves a grave with the time when it was folded: it hides older values of its
                            key in other partitions, in whatever order they are read, as long as Kafka keeps tombstones
    of an immutable topic   the first value of each key for ever, with its offset: tombstones are skipped, later values
                            are never looked at. In two partitions: that with the earlier timestamp, then that of the
                            lower partition

First means the lowest offset of the partition, so the mirror tells racing writers which of them has won, and says the
same after it was built again. Partitions have no common order: who writes a key to another partition than Kafka's
partitioner would, and claims an early time, wins against what is there.

A mirror with a retention time forgets a record when that time has passed since the record's own: readers do so at
once, and the fold removes it soon after.
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, cast

import msgspec

from core.mirror_shares import Share
from core.mirrors import MirrorDefinition
from core.store import GREATEST_NUMBER, Reader, key_number, number_key
from core.topics import WriteType

TABLES: Final = ("meta", "entries", "dues")

INLINE, LONG = b"\x00", b"\x01"
"""Kinds of stored keys: the whole Kafka key, or its beginning and a hash."""

INLINE_MAX: Final = 500
_LONG_HEAD: Final = 200

stamp_struct = struct.Struct(">Bq")
offset_struct = struct.Struct(">Q")
partition_struct = struct.Struct(">I")
length_struct = struct.Struct(">I")

GRAVE: Final = 0x80
"""Bit in the kind of timestamp: the entry stands for a tombstone and has no value."""

GRAVE_KEPT_MS: Final = 24 * 60 * 60 * 1000
"""How long graves are kept: as long as Kafka keeps tombstones by default (`delete.retention.ms`)."""

PARTITIONS, READY, SKIPPED, KEPT = b"partitions", b"ready", b"skipped", b"kept"
"""Keys of the table `meta`."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a mirror was built for. One that is to be something else is built again."""

    write_type: WriteType = WriteType.MUTABLE
    definition: MirrorDefinition = MirrorDefinition()
    share: Share | None = None
    """Which of the keys, `None` for all."""

    @property
    def is_first(self) -> bool:
        """Whether the first value of a key counts, and not the last one."""
        return self.write_type is WriteType.IMMUTABLE


_kept_decoder = msgspec.json.Decoder(Kept)


class Winner(NamedTuple):
    """The record of a key that counts in an immutable topic."""

    partition: int
    offset: int


class Entry(NamedTuple):
    """The value of a key that counts, and where it stood."""

    partition: int
    timestamp_ms: int
    key: bytes
    value: bytes
    offset: int | None = None
    """`None` in the mirror of a mutable topic, which keeps none."""


def kept_for(txn: Reader) -> Kept | None:
    """Return what a mirror was built for, `None` when it was just made."""
    raw = txn.get("meta", KEPT)
    return None if raw is None else _kept_decoder.decode(raw)


def keeps_first(txn: Reader) -> bool:
    """Return whether the first value of a key counts, and not the last one."""
    return (kept_for(txn) or Kept()).is_first


def stored_value(key: bytes, value: bytes, place: bytes) -> bytes:
    """Return what stands under a key: its place, for a long key the key, and the Kafka value."""
    return place + value if len(key) <= INLINE_MAX else place + length_struct.pack(len(key)) + key + value


def get_entry(txn: Reader, partitions: Iterable[int], key: bytes, *, is_first: bool) -> Entry | None:
    """Look in every partition: who wrote the topic chose the partitioner, and it need not be Kafka's."""
    tail = key_tail(key)
    found, is_deleted = None, False
    for partition in partitions:
        stored = partition_struct.pack(partition) + tail
        value = txn.get("entries", stored)
        if value is not None:
            entry = entry_of(stored, value, has_offset=is_first)
            if found is None or counts_against(found, entry, is_first=is_first):
                found, is_deleted = entry, is_grave(value)
    return None if is_deleted else found


_HEAD_BYTES: Final = partition_struct.size + len(INLINE)


_SECOND_LOOK: Final = bytes([GRAVE])
"""Stands for what has to be looked at partition by partition."""


def key_heads(partitions: Iterable[int]) -> list[bytes]:
    """Return what stands before a short key in each of *partitions*."""
    return [partition_struct.pack(partition) + INLINE for partition in partitions]


def value_getter(
    txn: Reader, heads: Sequence[bytes], *, is_first: bool, oldest_ms: int | None
) -> Callable[[bytes], bytes | None]:
    """Return what finds the value of a key as `get_entry` does, in half the time: it makes no entry.

    Args:
        txn: Where it looks; what is returned is good for as long.
        heads: The `key_heads` of all partitions of the mirror.
        is_first: Whether the first value of a key counts, and not the last one.
        oldest_ms: The time before which records are past, `None` where they are kept for ever.
    """
    get = txn.getter("entries")
    start = stamp_struct.size + (offset_struct.size if is_first else 0)

    def value_of(key: bytes) -> bytes | None:
        found = None
        if len(key) <= INLINE_MAX:
            for head in heads:
                stored = get(head + key)
                if stored is not None:
                    if found is not None:
                        break  # Two partitions hold the key.
                    found = stored
            else:
                if found is None or found[0] & GRAVE:
                    return None
                if oldest_ms is None:
                    return found[start:]
        entry = get_entry(txn, range(len(heads)), key, is_first=is_first)
        return None if entry is None or is_past(entry, oldest_ms) else entry.value

    return value_of


def values_of(
    txn: Reader,
    heads: Sequence[bytes],
    keys: Sequence[bytes],
    one: Callable[[bytes], bytes | None],
    *,
    is_first: bool,
    oldest_ms: int | None,
) -> list[bytes | None]:
    """Return the value of each of many keys in half the time, asking LMDB once.

    Args:
        txn: Where it looks.
        heads: The `key_heads` of all partitions of the mirror.
        keys: Whose values are wanted.
        one: The `value_getter` of the mirror, for what takes a second look.
        is_first: As for `value_getter`.
        oldest_ms: As for `value_getter`.
    """
    if oldest_ms is not None or max(map(len, keys), default=0) > INLINE_MAX:
        return [one(key) for key in keys]
    start = stamp_struct.size + (offset_struct.size if is_first else 0)
    ordered = sorted(keys)  # So that LMDB finds some of them on the page at which it stands.
    rows = txn.found("entries", [head + key for head in heads for key in ordered])
    found = {stored[_HEAD_BYTES:]: value for stored, value in rows}
    if len(found) < len(rows):  # Several partitions hold a key.
        for key, count in Counter(stored[_HEAD_BYTES:] for stored, _ in rows).items():
            if count > 1:
                found[key] = _SECOND_LOOK
    stored_of = found.get
    return [
        None if (stored := stored_of(key)) is None else one(key) if stored[0] & GRAVE else stored[start:]
        for key in keys
    ]


def is_past(entry: Entry, oldest_ms: int | None) -> bool:
    """Return whether the retention time of a record has passed; one without a timestamp is kept for ever."""
    return oldest_ms is not None and 0 <= entry.timestamp_ms < oldest_ms


def latest_grave(txn: Reader, partitions: Iterable[int], key: bytes) -> tuple[int, int] | None:
    """Return time and partition of the latest tombstone of a key that is the last record of its partition."""
    tail = key_tail(key)
    stored = ((partition, txn.get("entries", partition_struct.pack(partition) + tail)) for partition in partitions)
    graves = [(timestamp_of(value), partition) for partition, value in stored if value is not None and is_grave(value)]
    return max(graves, default=None)


def is_grave(value: bytes) -> bool:
    """Return whether what stands under a key of `entries` is a tombstone."""
    return bool(value[0] & GRAVE)


def timestamp_of(value: bytes) -> int:
    """Return the timestamp of what stands under a key of `entries`, negative where the record had none."""
    return cast("int", stamp_struct.unpack_from(value)[1])


def due_key(at_ms: int, stored: bytes) -> bytes:
    """Return where it stands that the entry under *stored* is to be looked at again at a time."""
    return number_key(min(max(at_ms, 0), GREATEST_NUMBER)) + hashlib.blake2b(stored, digest_size=16).digest()


def counts_against(found: Entry, entry: Entry, *, is_first: bool) -> bool:
    """Return whether *entry* counts and not *found*, which lies in a lower partition."""
    if is_first:
        return entry.timestamp_ms < found.timestamp_ms
    return entry.timestamp_ms >= found.timestamp_ms


def key_tail(key: bytes) -> bytes:
    """Return a Kafka key of any length as the end of a stored key. Short ones keep their order."""
    if len(key) <= INLINE_MAX:
        return INLINE + key
    return LONG + key[:_LONG_HEAD] + hashlib.sha256(key).digest()


def is_key_tail(raw: bytes) -> bool:
    """Return whether bytes can be what `key_tail` returns, and fit into a key of LMDB."""
    return raw[:1] in {INLINE, LONG} and len(raw) <= len(INLINE) + INLINE_MAX


def entry_of(stored: bytes, value: bytes, *, has_offset: bool) -> Entry:
    """Return the entry that stands as *value* under the key *stored*."""
    (partition,) = partition_struct.unpack_from(stored)
    _, timestamp_ms = stamp_struct.unpack_from(value)
    start, offset = stamp_struct.size, None
    if has_offset:
        (offset,) = offset_struct.unpack_from(value, start)
        start += offset_struct.size
    if stored[4:5] == INLINE:
        return Entry(partition, timestamp_ms, stored[5:], value[start:], offset)
    (length,) = length_struct.unpack_from(value, start)
    start += length_struct.size
    return Entry(partition, timestamp_ms, value[start : start + length], value[start + length :], offset)


def offset_key(partition: int) -> bytes:
    """Return where the next offset of a partition stands in `meta`."""
    return b"offset" + partition_struct.pack(partition)


def next_offset(txn: Reader, partition: int) -> int:
    """Return the offset behind the last folded record of a partition."""
    return meta_number(txn, offset_key(partition))


def next_offsets(txn: Reader) -> dict[int, int]:
    """Return `next_offset` of each partition."""
    return {partition: next_offset(txn, partition) for partition in range(meta_number(txn, PARTITIONS))}


def incomplete_key(partition: int) -> bytes:
    """Return where in `meta` it stands that records of a partition were gone before they were read."""
    return b"incomplete" + partition_struct.pack(partition)


def meta_number(txn: Reader, key: bytes) -> int:
    """Return a number of `meta`, 0 where it was never set."""
    raw = txn.get("meta", key)
    return 0 if raw is None else key_number(raw)
