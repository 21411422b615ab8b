"""The local index of the command log: what was accepted, in LMDB, rebuilt from Kafka whenever it is missing.

One process folds, any number of processes read. A batch of records, the acceptance decisions about them and the next
offset commit in one transaction: a crash replays records and never skips one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from pathlib import Path

from core.boot_mark import mark_clean, mark_dirty
from core.errors import UnreadableRecordError
from core.log_fold import LAST_ID, LAST_RECORD, NEXT_OFFSET, UNREADABLE, LogFold
from core.log_rows import (
    TABLES,
    IndexedCommand,
    IndexedEvent,
    LogEntry,
    Outcome,
    Quarantined,
    Unreadable,
    pack,
    unpack_command,
    unpack_event,
    unpack_outcome,
    unpack_quarantined,
    unpack_record_id,
    unpack_texts,
    unpack_unreadable,
)
from core.record import CommandRecord, QuarantineRecord, decode
from core.store import GREATEST_NUMBER, Reader, Store, fixed_key, key_number, number_key

_READ_AT_ONCE = 1_000
"""Rows that one read transaction hands out: an open one keeps the writer from using pages again."""

_SUPERSEDED, _UNSAFE = b"superseded", b"unsafe"


class LogIndex:
    """The accepted part of one log, identified by the folder it lies in.

    Args:
        path: Folder of the index; made when absent, unless *readonly*.
        topic: Name of the log topic, for messages.
        readonly: Open for reading the index that another process keeps.

    Its commits are not flushed one by one, which would cost more than everything else of an append; who keeps an index
    marks it meanwhile (core.boot_mark).
    """

    def __init__(self, path: Path, topic: str, *, readonly: bool = False) -> None:
        self.store = Store(path, TABLES, sync=False, readonly=readonly)
        self._topic = topic
        self.path = path

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    # Folding: by the elected process only.

    def begin_folding(self) -> None:
        """Mark the index: from now on the disk may not hold all that it says."""
        mark_dirty(self.path)

    def end_folding(self) -> None:
        """Flush the index and take the mark away."""
        self.store.sync()
        mark_clean(self.path)

    def fold(self, entries: Sequence[LogEntry]) -> None:
        """Apply the acceptance rule to *entries*, which continue where the last call ended.

        Raises:
            UnreadableRecordError: One of them cannot be decoded. Those before it are folded; it and all after it
                are not, now or later, until it is quarantined.
        """
        unreadable = self.store.update(lambda txn: LogFold(txn).apply(entries))
        if unreadable is not None:
            raise self._error(unreadable)

    def move_to(self, end: int) -> None:
        """Move on to the offset *end*, up to which there is nothing more to fold."""
        self.store.update(lambda txn: LogFold(txn).move_to(end))

    def note_searching(self) -> None:
        """Tell every process that where the fold stood still, if it did, a quarantine is looked for again."""
        self.store.update(lambda txn: LogFold(txn).note_searching())

    def note_not_released(self) -> None:
        """Tell every process that nothing in the log tells to pass the record at which the fold stands still."""
        self.store.update(lambda txn: LogFold(txn).note_not_released())

    def skip(self, quarantine: QuarantineRecord, entry: LogEntry) -> None:
        """Pass the record at which the fold stands still, as the *quarantine* that was read as *entry* tells."""
        self.store.update(lambda txn: LogFold(txn).skip(quarantine, entry))

    def mark_superseded(self, reason: str) -> None:
        """Tell every process that still reads this index that its log is gone."""
        self.store.update(lambda txn: txn.put("meta", _SUPERSEDED, reason.encode()))

    def mark_unsafe(self, dangers: Sequence[str]) -> None:
        """Tell every process what could lose commands of this log; nothing, when it is safe again."""
        if self.unsafe() != list(dangers):
            self.store.update(lambda txn: txn.put("meta", _UNSAFE, pack(list(dangers))))

    # The state of the fold, for anyone.

    def superseded(self) -> str | None:
        """Return why this index no longer belongs to the log, `None` while it does."""
        with self.store.read() as txn:
            reason = txn.get("meta", _SUPERSEDED)
        return None if reason is None else reason.decode()

    def unsafe(self) -> list[str]:
        """Return what could lose commands, as it was found while the log was followed."""
        with self.store.read() as txn:
            dangers = txn.get("meta", _UNSAFE)
        return [] if dangers is None else unpack_texts(dangers)

    def unreadable(self) -> UnreadableRecordError | None:
        """Return the record at which the fold stands still, `None` while it goes on or is looking for a quarantine."""
        with self.store.read() as txn:
            raw = txn.get("meta", UNREADABLE)
        if raw is None or (unreadable := unpack_unreadable(raw)).is_released is None:
            return None
        return self._error(unreadable)

    def quarantined(self) -> list[Quarantined]:
        """Return the records that were passed because none can decode them, by offset."""
        with self.store.read() as txn:
            return [unpack_quarantined(raw) for _, raw in txn.scan("quarantined")]

    def next_offset(self) -> int:
        """Return the offset of the next record to fold: all records below it are decided."""
        with self.store.read() as txn:
            return _number(txn.get("meta", NEXT_OFFSET))

    def last_folded(self) -> tuple[int, bytes] | None:
        """Return offset and SHA-256 of the last folded record, `None` when nothing was folded yet."""
        with self.store.read() as txn:
            last = txn.get("meta", LAST_RECORD)
        return None if last is None else unpack_record_id(last)

    # What was accepted, for anyone.

    def max_notification_id(self) -> int | None:
        """Return the ID of the last accepted event, `None` when there is none."""
        with self.store.read() as txn:
            return _number(txn.get("meta", LAST_ID)) or None

    def outcome(self, command_id: str) -> Outcome | None:
        """Return what became of *command_id*, `None` when nothing with it was accepted."""
        with self.store.read() as txn:
            raw = txn.get("outcomes", fixed_key(command_id))
        return None if raw is None else unpack_outcome(raw)

    def decision(self, offset: int, command_id: str) -> tuple[bool, Outcome | None]:
        """Return whether the record at *offset* was folded and was one about *command_id*, and what became of that."""
        key = fixed_key(command_id)
        with self.store.read() as txn:
            is_about = txn.get("decided", number_key(offset)) == key
            raw = txn.get("outcomes", key)
        return is_about, None if raw is None else unpack_outcome(raw)

    def tracked(self, application: str) -> int | None:
        """Return the greatest accepted tracking of *application*, `None` when there is none."""
        with self.store.read() as txn:
            return _optional_number(txn.get("tracking", fixed_key(application)))

    def head(self, originator_id: str) -> int | None:
        """Return the greatest accepted version of *originator_id*, `None` when it has no events."""
        with self.store.read() as txn:
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
        with self.store.read() as txn:
            versions = txn.scan_numbers("versions", fixed_key(originator_id), gt=gt, lte=lte, desc=desc)
            return [_event(txn, event_id) for _, event_id in islice(versions, limit)]

    def notifications(
        self, start: int, limit: int, stop: int | None = None, topics: Sequence[str] = ()
    ) -> list[tuple[int, IndexedEvent]]:
        """Return up to *limit* accepted events with IDs from *start* to *stop*, both included, of these *topics*."""
        found: list[tuple[int, IndexedEvent]] = []
        with self.store.read() as txn:
            for key, raw in txn.scan("events", number_key(max(start, 1))):
                event_id = key_number(key)
                if len(found) >= limit or (stop is not None and event_id > stop):
                    break
                event = unpack_event(raw)
                if not topics or event.topic in topics:
                    found.append((event_id, event))
        return found

    def commands(self, *, before: int | None = None, limit: int) -> list[IndexedCommand]:
        """Return the last *limit* accepted commands, newest first, of those below the offset *before*."""
        with self.store.read() as txn:
            return [_command(key, raw) for key, raw in islice(_rows_before(txn, before), limit)]

    def commands_from(self, offset: int, limit: int) -> list[IndexedCommand]:
        """Return the first *limit* accepted commands, oldest first, of those at the offset *offset* or behind it."""
        with self.store.read() as txn:
            return [_command(key, raw) for key, raw in islice(txn.scan("commands", number_key(offset)), limit)]

    def all_commands(self, until: int | None = None) -> Iterator[IndexedCommand]:
        """Yield the accepted commands below the offset *until*, oldest first, reading a few at a time."""
        offset = 0
        while page := self.commands_from(offset, _READ_AT_ONCE):
            for command in page:
                if until is not None and command.offset >= until:
                    return
                yield command
            offset = page[-1].offset + 1

    def command_count(self, until: int | None = None) -> int:
        """Return the number of accepted commands below the offset *until*, without a look into them."""
        with self.store.read() as txn:
            if until is None:
                return txn.count("commands")
            return sum(1 for _ in takewhile(lambda row: key_number(row[0]) < until, txn.scan("commands")))

    def all_events(self, after: int = 0, upto: int | None = None) -> Iterator[tuple[int, IndexedEvent]]:
        """Yield the accepted events with IDs above *after* and up to *upto*, reading a few at a time."""
        while found := self.notifications(after + 1, _READ_AT_ONCE, upto):
            yield from found
            after = found[-1][0]

    def command_of(self, position: int) -> IndexedCommand | None:
        """Return the command that recorded the event at *position*, `None` when there is no such event."""
        if not 0 <= position <= GREATEST_NUMBER:
            return None
        with self.store.read() as txn:
            if txn.get("events", number_key(position)) is None:
                return None
            key = number_key(_event(txn, number_key(position)).offset)
            raw = txn.get("commands", key)
            assert raw is not None, "events and commands are written in one transaction"
            return _command(key, raw)

    def gaps(self) -> Iterator[tuple[int, int]]:
        """Yield the first and last offset of each stretch below `next_offset` that held no record."""
        with self.store.read() as txn:
            expected = 0
            for key, _ in txn.scan("decided"):
                if (offset := key_number(key)) > expected:
                    yield expected, offset - 1
                expected = offset + 1
            if (end := _number(txn.get("meta", NEXT_OFFSET))) > expected:
                yield expected, end - 1

    def position_at(self, time_ms: int) -> int:
        """Return the position of the last command that was recorded at *time_ms* (since 1970) or before, 0 for none."""
        with self.store.read() as txn:
            for _, raw in _rows_before(txn, None):
                row = unpack_command(raw)
                if row.time_ms <= time_ms:
                    return row.position
        return 0

    def _error(self, unreadable: Unreadable) -> UnreadableRecordError:
        return UnreadableRecordError(self._topic, 0, unreadable.offset, unreadable.cause, is_newer=unreadable.is_newer)


def _rows_before(txn: Reader, before: int | None) -> Iterator[tuple[bytes, bytes]]:
    if before == 0:
        return iter(())
    return txn.scan("commands", b"" if before is None else number_key(before - 1), reverse=True)


def _command(key: bytes, raw: bytes) -> IndexedCommand:
    row = unpack_command(raw)
    record = decode(row.raw)
    assert isinstance(record, CommandRecord), "only commands have a row"
    return IndexedCommand(row.position, row.first_id, key_number(key), row.time_ms, record)


def _event(txn: Reader, event_id: bytes) -> IndexedEvent:
    raw = txn.get("events", event_id)
    assert raw is not None, "versions and events are written in one transaction"
    return unpack_event(raw)


def _number(raw: bytes | None) -> int:
    return 0 if raw is None else key_number(raw)


def _optional_number(raw: bytes | None) -> int | None:
    return None if raw is None else key_number(raw)
