"""What the index of the command log holds, and how it is packed."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from core.record import CommandRecord

LAYOUT = 2
"""Version of the index on disk. An index of another layout is left alone and built anew from Kafka."""

TABLES = ("meta", "decided", "outcomes", "versions", "heads", "events", "commands", "tracking", "quarantined")


class LogEntry(NamedTuple):
    """One Kafka record of the log topic, undecoded."""

    offset: int
    timestamp_ms: int
    raw: bytes | None


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What became of a command id: accepted at *offset* with events *first_id* to *last_id*, or voided there."""

    offset: int
    is_voided: bool
    first_id: int
    last_id: int
    """Equal to `first_id - 1` for a command without events."""

    @property
    def notification_ids(self) -> list[int]:
        """Return the IDs of the command's events, in order."""
        return list(range(self.first_id, self.last_id + 1))


class IndexedEvent(msgspec.Struct, frozen=True, array_like=True):
    """An accepted event, with the offset of its record."""

    originator_id: str
    originator_version: int
    topic: str
    state: bytes
    offset: int


class IndexedCommand(NamedTuple):
    """An accepted command record with its position (the ID of its last event) and the time that counts."""

    position: int
    first_id: int
    """ID of its first event."""
    offset: int
    time_ms: int
    """Time of its first append in milliseconds since 1970: the broker's, or what a restored record remembers."""
    record: CommandRecord


class CommandRow(msgspec.Struct, frozen=True, array_like=True):
    """An accepted command as it lies in the index, by its offset."""

    position: int
    first_id: int
    time_ms: int
    raw: bytes


class Unreadable(msgspec.Struct, frozen=True, array_like=True):
    """The record at which the fold stands still."""

    offset: int
    digest: bytes
    """SHA-256 of its value."""
    cause: str
    is_newer: bool
    is_released: bool | None = None
    """`None` until the rest of the log was searched for its quarantine; `False` when there is none so far."""


class Quarantined(msgspec.Struct, frozen=True, array_like=True):
    """A record that no reader can decode, and who told the readers to pass it."""

    offset: int
    cause: str
    quarantined_at: int
    """Offset of the quarantine."""
    time_ms: int
    reason: str | None
    actor: str | None
    source: str | None


pack = msgspec.msgpack.Encoder().encode
unpack_outcome = msgspec.msgpack.Decoder(Outcome).decode
unpack_event = msgspec.msgpack.Decoder(IndexedEvent).decode
unpack_command = msgspec.msgpack.Decoder(CommandRow).decode
unpack_unreadable = msgspec.msgpack.Decoder(Unreadable).decode
unpack_quarantined = msgspec.msgpack.Decoder(Quarantined).decode
unpack_texts = msgspec.msgpack.Decoder(list[str]).decode
unpack_record_id = msgspec.msgpack.Decoder(tuple[int, bytes]).decode
"""Offset of a record and SHA-256 of its value."""
