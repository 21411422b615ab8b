"""The local index of the command log: what was accepted, in LMDB, rebuilt from Kafka whenever it is missing.

One process folds, any number of processes read. A batch of records, the acceptance decisions about them and the next
offset commit in one synced transaction: a crash replays records and never skips one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from core.acceptance import refusal
from core.errors import UndecodableError, UnreadableRecordError
from core.record import CommandRecord, LogRecord, VoidRecord, decode, timestamp_text
from core.store import Reader, Store, Writer, fixed_key, key_number, number_key

TABLES = ("meta", "decided", "outcomes", "versions", "heads", "events", "records", "tracking")

_NEXT_OFFSET, _LAST_ID, _LAST_HASH, _SUPERSEDED = b"next_offset", b"last_id", b"last_hash", b"superseded"


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
    offset: int
    recorded_at: str
    record: CommandRecord


class _RecordRow(msgspec.Struct, frozen=True, array_like=True):
    position: int
    timestamp_ms: int
    raw: bytes


_outcome_decoder = msgspec.msgpack.Decoder(Outcome)
_event_decoder = msgspec.msgpack.Decoder(IndexedEvent)
_row_decoder = msgspec.msgpack.Decoder(_RecordRow)
_pack = msgspec.msgpack.Encoder().encode


class LogIndex:
    """The accepted part of one log, identified by the folder it lies in."""

    def __init__(self, path: Path, topic: str) -> None:
        self._store = Store(path, TABLES, sync=True)
        self._topic = topic
        self.path = path

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    # Folding: by the elected process only.

    def fold(self, entries: Sequence[LogEntry]) -> None:
        """Apply the acceptance rule to *entries*, which continue where the last call ended.

        Raises:
            UnreadableRecordError: One of them cannot be decoded. Those before it are folded; it and all after it
                are not, now or later, until it is quarantined.
        """
        unreadable = self._store.update(lambda txn: _Fold(txn, self._topic).apply(entries))
        if unreadable is not None:
            raise unreadable

    def mark_superseded(self, reason: str) -> None:
        """Tell every process that still reads this index that its log is gone."""
        self._store.update(lambda txn: txn.put("meta", _SUPERSEDED, reason.encode()))

    # Reading: by anyone.

    def superseded(self) -> str | None:
        """Return why this index no longer belongs to the log, `None` while it does."""
        with self._store.read() as txn:
            reason = txn.get("meta", _SUPERSEDED)
        return None if reason is None else reason.decode()

    def next_offset(self) -> int:
        """Return the offset of the next record to fold: all records below it are decided."""
        with self._store.read() as txn:
            return _number(txn.get("meta", _NEXT_OFFSET))

    def last_folded(self) -> tuple[int, bytes] | None:
        """Return offset and SHA-256 of the last folded record, `None` when nothing was folded yet."""
        with self._store.read() as txn:
            digest = txn.get("meta", _LAST_HASH)
            return None if digest is None else (_number(txn.get("meta", _NEXT_OFFSET)) - 1, digest)

    def max_notification_id(self) -> int | None:
        """Return the ID of the last accepted event, `None` when there is none."""
        with self._store.read() as txn:
            return _number(txn.get("meta", _LAST_ID)) or None

    def outcome(self, command_id: str) -> Outcome | None:
        """Return what became of *command_id*, `None` when no record of it was accepted or voided so far."""
        with self._store.read() as txn:
            raw = txn.get("outcomes", fixed_key(command_id))
        return None if raw is None else _outcome_decoder.decode(raw)

    def has_decided(self, offset: int, command_id: str) -> bool:
        """Return whether the record at *offset* was folded, accepted or not, and was one about *command_id*."""
        with self._store.read() as txn:
            return txn.get("decided", number_key(offset)) == fixed_key(command_id)

    def tracked(self, application: str) -> int | None:
        """Return the greatest accepted tracking of *application*, `None` when there is none."""
        with self._store.read() as txn:
            return _optional_number(txn.get("tracking", fixed_key(application)))

    def head(self, originator_id: str) -> int | None:
        """Return the greatest accepted version of *originator_id*, `None` when it has no events."""
        with self._store.read() as txn:
            return _optional_number(txn.get("heads", fixed_key(originator_id)))

    def events_of(
        self,
        originator_id: str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> list[IndexedEvent]:
        """Return the accepted events of one originator by version, bounds as in the eventsourcing library."""
        with self._store.read() as txn:
            versions = txn.scan_numbers("versions", fixed_key(originator_id), gt=gt, lte=lte, desc=desc)
            return [_event(txn, event_id) for _, event_id in islice(versions, limit)]

    def notifications(
        self, start: int, limit: int, stop: int | None = None, topics: Sequence[str] = ()
    ) -> list[tuple[int, IndexedEvent]]:
        """Return up to *limit* accepted events with IDs from *start* to *stop*, both included, of these *topics*."""
        found: list[tuple[int, IndexedEvent]] = []
        with self._store.read() as txn:
            for key, raw in txn.scan("events", number_key(max(start, 1))):
                event_id = _number(key)
                if len(found) >= limit or (stop is not None and event_id > stop):
                    break
                event = _event_decoder.decode(raw)
                if not topics or event.topic in topics:
                    found.append((event_id, event))
        return found

    def commands(self, *, before: int | None = None, limit: int) -> list[IndexedCommand]:
        """Return the last *limit* accepted commands, oldest first, of those below the offset *before*."""
        with self._store.read() as txn:
            newest_first = [_command(key, raw) for key, raw in islice(_rows_before(txn, before), limit)]
        return newest_first[::-1]

    def command_of(self, position: int) -> IndexedCommand | None:
        """Return the command that recorded the event at *position*, `None` when there is no such event."""
        with self._store.read() as txn:
            if txn.get("events", number_key(position)) is None:
                return None
            key = number_key(_event(txn, number_key(position)).offset)
            raw = txn.get("records", key)
            assert raw is not None, "events and records are written in one transaction"
            return _command(key, raw)


class _Fold:
    """One write transaction over a batch; implements `core.acceptance.AcceptedSoFar` on what it has written."""

    def __init__(self, txn: Writer, topic: str) -> None:
        self._txn = txn
        self._topic = topic
        self._next_offset = _number(txn.get("meta", _NEXT_OFFSET))
        self._last_id = _number(txn.get("meta", _LAST_ID))

    def apply(self, entries: Sequence[LogEntry]) -> UnreadableRecordError | None:
        """Fold *entries* up to the first unreadable one, and return that one's error."""
        last: LogEntry | None = None
        unreadable = None
        for entry in entries:
            try:
                record = decode(entry.raw)
            except UndecodableError as error:
                unreadable = UnreadableRecordError(self._topic, 0, entry.offset, str(error))
                break
            if refusal(record, self) is None:
                self._accept(record, entry)
            about = record.void if isinstance(record, VoidRecord) else record.command_id
            self._txn.put("decided", number_key(entry.offset), fixed_key(about))
            last = entry
        if last is not None:
            self._finish(last)
        return unreadable

    # What was accepted so far, for the acceptance rule.

    def is_settled(self, command_id: str) -> bool:
        return self._txn.get("outcomes", fixed_key(command_id)) is not None

    def has_version(self, originator_id: str, version: int) -> bool:
        return self._txn.get("versions", fixed_key(originator_id) + number_key(version)) is not None

    def head(self, originator_id: str) -> int | None:
        return _optional_number(self._txn.get("heads", fixed_key(originator_id)))

    def tracked(self, application: str) -> int | None:
        return _optional_number(self._txn.get("tracking", fixed_key(application)))

    # Writing down what is accepted.

    def _accept(self, record: LogRecord, entry: LogEntry) -> None:
        if isinstance(record, VoidRecord):
            voided = Outcome(entry.offset, is_voided=True, first_id=0, last_id=0)
            self._txn.put("outcomes", fixed_key(record.void), _pack(voided))
            return
        first_id = self._last_id + 1
        self._accept_events(record, entry.offset)
        outcome = Outcome(entry.offset, is_voided=False, first_id=first_id, last_id=self._last_id)
        self._txn.put("outcomes", fixed_key(record.command_id), _pack(outcome))
        assert entry.raw is not None, "a record without value is not decodable"
        row = _RecordRow(self._last_id, entry.timestamp_ms, entry.raw)
        self._txn.put("records", number_key(entry.offset), _pack(row))
        if record.tracking is not None:
            self._txn.put(
                "tracking",
                fixed_key(record.tracking.application),
                number_key(record.tracking.notification_id),
            )

    def _accept_events(self, record: CommandRecord, offset: int) -> None:
        for event in record.events:
            self._last_id += 1
            originator, version = fixed_key(event.originator_id), event.originator_version
            indexed = IndexedEvent(event.originator_id, version, event.topic, event.state_bytes(), offset)
            self._txn.put("events", number_key(self._last_id), _pack(indexed))
            self._txn.put("versions", originator + number_key(version), number_key(self._last_id))
            head = self.head(event.originator_id)
            if head is None or version > head:
                self._txn.put("heads", originator, number_key(version))

    def _finish(self, last: LogEntry) -> None:
        assert last.raw is not None, "a record without value is not decodable"
        self._txn.put("meta", _NEXT_OFFSET, number_key(last.offset + 1))
        self._txn.put("meta", _LAST_ID, number_key(self._last_id))
        self._txn.put("meta", _LAST_HASH, hashlib.sha256(last.raw).digest())


def _rows_before(txn: Reader, before: int | None) -> Iterator[tuple[bytes, bytes]]:
    if before == 0:
        return iter(())
    return txn.scan("records", b"" if before is None else number_key(before - 1), reverse=True)


def _command(key: bytes, raw: bytes) -> IndexedCommand:
    row = _row_decoder.decode(raw)
    record = decode(row.raw)
    assert isinstance(record, CommandRecord), "only commands have a row"
    recorded_at = record.recorded_at or timestamp_text(row.timestamp_ms)
    return IndexedCommand(row.position, _number(key), recorded_at, record)


def _event(txn: Reader, event_id: bytes) -> IndexedEvent:
    raw = txn.get("events", event_id)
    assert raw is not None, "versions and events are written in one transaction"
    return _event_decoder.decode(raw)


def _number(raw: bytes | None) -> int:
    return 0 if raw is None else key_number(raw)


def _optional_number(raw: bytes | None) -> int | None:
    return None if raw is None else key_number(raw)
