"""Folds records of the command log into its index: one write transaction over a batch.

Implements `core.acceptance.AcceptedSoFar` on what the transaction has written so far, so that each record of a batch
is judged after the one before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from core.acceptance import refusal
from core.errors import NewerFormatError, UndecodableError
from core.log_rows import CommandRow, IndexedEvent, LogEntry, Outcome, Quarantined, Unreadable, pack, unpack_unreadable
from core.record import CommandRecord, LogRecord, QuarantineRecord, VoidRecord, decode, timestamp_of
from core.store import Writer, fixed_key, key_number, number_key

NEXT_OFFSET, LAST_ID, LAST_RECORD, UNREADABLE = b"next_offset", b"last_id", b"last_record", b"unreadable"

_ABOUT_NOTHING = b""


class LogFold:
    """One fold over the index that *txn* writes."""

    def __init__(self, txn: Writer) -> None:
        self._txn = txn
        self._last_id = _number(txn.get("meta", LAST_ID)) or 0

    def apply(self, entries: Sequence[LogEntry]) -> Unreadable | None:
        """Fold *entries*, which continue where the last fold ended, up to the first unreadable one; return that one."""
        self._txn.delete("meta", UNREADABLE)  # A newer program may read what an older one could not.
        last: LogEntry | None = None
        unreadable: Unreadable | None = None
        for entry in entries:
            try:
                record = decode(entry.raw)
            except UndecodableError as error:
                unreadable = _unreadable(entry, error)
                self._txn.put("meta", UNREADABLE, pack(unreadable))
                break
            self._decide(record, entry)
            last = entry
        if last is not None:
            self._move_behind(last.offset, _digest(last.raw))
        return unreadable

    def note_searching(self) -> None:
        """Note that the rest of the log is searched again for a quarantine of the unreadable record, if any."""
        if self._txn.get("meta", UNREADABLE) is not None:
            self._txn.put("meta", UNREADABLE, pack(msgspec.structs.replace(self._unreadable(), is_released=None)))

    def note_not_released(self) -> None:
        """Note that the rest of the log holds no quarantine of the unreadable record."""
        self._txn.put("meta", UNREADABLE, pack(msgspec.structs.replace(self._unreadable(), is_released=False)))

    def skip(self, quarantine: QuarantineRecord, entry: LogEntry) -> None:
        """Pass the unreadable record that *quarantine*, read as *entry*, names."""
        unreadable = self._unreadable()
        assert unreadable.offset == quarantine.quarantine < entry.offset, "it names an earlier record"
        row = Quarantined(
            unreadable.offset,
            unreadable.cause,
            entry.offset,
            entry.timestamp_ms,
            quarantine.reason,
            quarantine.actor,
            quarantine.source,
        )
        self._txn.put("quarantined", number_key(unreadable.offset), pack(row))
        self._txn.put("decided", number_key(unreadable.offset), _ABOUT_NOTHING)
        self._txn.delete("meta", UNREADABLE)
        self._move_behind(unreadable.offset, unreadable.digest)

    def move_to(self, next_offset: int) -> None:
        """Note that all records below *next_offset* are decided."""
        self._txn.put("meta", NEXT_OFFSET, number_key(next_offset))

    # What was accepted so far, for the acceptance rule.

    def is_settled(self, command_id: str) -> bool:
        """Return whether a command of this id was accepted or voided."""
        return self._txn.get("outcomes", fixed_key(command_id)) is not None

    def has_version(self, originator_id: str, version: int) -> bool:
        """Return whether an event of this originator and version was accepted."""
        return self._txn.get("versions", fixed_key(originator_id) + number_key(version)) is not None

    def head(self, originator_id: str) -> int | None:
        """Return the greatest accepted version of this originator."""
        return _number(self._txn.get("heads", fixed_key(originator_id)))

    def tracked(self, application: str) -> int | None:
        """Return the last accepted notification ID of this tracked application."""
        return _number(self._txn.get("tracking", fixed_key(application)))

    # Writing down what is decided.

    def _decide(self, record: LogRecord, entry: LogEntry) -> None:
        """Apply the acceptance rule to *record*, and note that it was decided here."""
        about = _ABOUT_NOTHING
        if isinstance(record, CommandRecord):
            about = fixed_key(record.command_id)
            if refusal(record, self) is None:
                self._accept(record, entry)
        elif isinstance(record, VoidRecord):
            about = fixed_key(record.void)
            if refusal(record, self) is None:
                self._txn.put("outcomes", about, pack(Outcome(entry.offset, is_voided=True, first_id=0, last_id=0)))
        self._txn.put("decided", number_key(entry.offset), about)

    def _accept(self, record: CommandRecord, entry: LogEntry) -> None:
        first_id = self._last_id + 1
        self._accept_events(record, entry.offset)
        outcome = Outcome(entry.offset, is_voided=False, first_id=first_id, last_id=self._last_id)
        self._txn.put("outcomes", fixed_key(record.command_id), pack(outcome))
        assert entry.raw is not None, "a record without value is not decodable"
        row = CommandRow(self._last_id, first_id, _time_ms(record, entry), entry.raw)
        self._txn.put("commands", number_key(entry.offset), pack(row))
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
            self._txn.put("events", number_key(self._last_id), pack(indexed))
            self._txn.put("versions", originator + number_key(version), number_key(self._last_id))
            head = self.head(event.originator_id)
            if head is None or version > head:
                self._txn.put("heads", originator, number_key(version))

    def _unreadable(self) -> Unreadable:
        raw = self._txn.get("meta", UNREADABLE)
        assert raw is not None, "a quarantine is looked for only where the fold stands still"
        return unpack_unreadable(raw)

    def _move_behind(self, offset: int, digest: bytes) -> None:
        self.move_to(offset + 1)
        self._txn.put("meta", LAST_ID, number_key(self._last_id))
        self._txn.put("meta", LAST_RECORD, pack((offset, digest)))


def _unreadable(entry: LogEntry, error: UndecodableError) -> Unreadable:
    return Unreadable(entry.offset, _digest(entry.raw), str(error), isinstance(error, NewerFormatError))


def _digest(raw: bytes | None) -> bytes:
    return hashlib.sha256(raw or b"").digest()


def _time_ms(record: CommandRecord, entry: LogEntry) -> int:
    """Return the time that counts: a restored record remembers its first append."""
    if record.recorded_at is not None:
        try:
            return timestamp_of(record.recorded_at)
        except ValueError:
            return entry.timestamp_ms  # Not written by a restore; a wrong time must not stop the fold.
    return entry.timestamp_ms


def _number(raw: bytes | None) -> int | None:
    return None if raw is None else key_number(raw)
