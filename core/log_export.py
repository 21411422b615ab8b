"""The command log as a file: an Avro object container file that any Avro tool reads, and that can be restored.

It holds every accepted command in order, with its position, offset and time. Voids and what was refused are left out:
they decide about records on their way, of which an empty cluster has none. The header tells how many records follow,
so that a file that was cut off is noticed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any, NamedTuple

import fastavro
import fastavro.write

from core.errors import InvalidInputError
from core.log_index import LogIndex
from core.log_rows import IndexedCommand
from core.record import (
    FORMAT,
    CommandRecord,
    ExpectedHead,
    RecordedEvent,
    RecordedTracking,
    now,
    state_of,
    timestamp_of,
    timestamp_text,
)

_SYNC_BYTES = 256 * 1024
"""Size of a block of the file before it is compressed."""

_FORMAT, _COMMANDS, _LAST_POSITION = "quick.format", "quick.commands", "quick.last_position"
_TOPIC, _LOG, _EXPORTED_AT = "quick.topic", "quick.log", "quick.exported_at"

_OPTIONAL_TEXT = ["null", "string"]

SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Command",
        "namespace": "quick.log",
        "doc": "An accepted command of the log, with the events that it recorded.",
        "fields": [
            {"name": "position", "type": "long", "doc": "ID of its last event; counts from 1 without gaps."},
            {"name": "first_id", "type": "long", "doc": "ID of its first event."},
            {"name": "offset", "type": "long", "doc": "Offset in the Kafka topic that it was exported from."},
            {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "application", "type": "string"},
            {"name": "command_id", "type": "string"},
            *(
                {"name": name, "type": _OPTIONAL_TEXT}
                for name in ("command", "target", "actor", "source", "reason", "issued_at", "trace")
            ),
            {
                "name": "expected",
                "type": {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "ExpectedHead",
                        "fields": [
                            {"name": "originator_id", "type": "string"},
                            {"name": "head", "type": ["null", "long"]},
                        ],
                    },
                },
            },
            {
                "name": "events",
                "type": {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "Event",
                        "fields": [
                            {"name": "originator_id", "type": "string"},
                            {"name": "originator_version", "type": "long"},
                            {"name": "topic", "type": "string"},
                            {"name": "state", "type": ["string", "bytes"]},
                        ],
                    },
                },
            },
            {
                "name": "tracking",
                "type": [
                    "null",
                    {
                        "type": "record",
                        "name": "Tracking",
                        "fields": [
                            {"name": "application", "type": "string"},
                            {"name": "notification_id", "type": "long"},
                        ],
                    },
                ],
            },
        ],
    }
)


class ExportedCommand(NamedTuple):
    """One command of a file: the record to append, and where it stood."""

    position: int
    record: CommandRecord
    """Remembers the time of its first append."""


class ExportHeader(NamedTuple):
    """What a file says of itself."""

    topic: str
    log: str
    """Identity of the log: IDs of cluster and topic."""
    exported_at: str
    commands: int
    last_position: int


class LogExport:
    """A file that is read; `header` first, then `commands`.

    Raises:
        InvalidInputError: It is no export of a command log.
    """

    def __init__(self, file: IO[bytes]) -> None:
        try:
            # As it was written: resolved against our schema, a state of bytes would become a text.
            self._reader = fastavro.reader(file)
            metadata = self._reader.metadata
            found = int(metadata[_FORMAT])
            self.header = ExportHeader(
                metadata[_TOPIC],
                metadata[_LOG],
                metadata[_EXPORTED_AT],
                int(metadata[_COMMANDS]),
                int(metadata[_LAST_POSITION]),
            )
        except Exception as error:  # fastavro promises nothing of what it raises for a file that is none.
            raise InvalidInputError(
                f"The file is no export of a command log ({_text(error)}). Make one with: quick log export FILE"
            ) from error
        if found != FORMAT:
            raise InvalidInputError(
                f"The file holds records of format {found}, this program reads {FORMAT}: upgrade it."
            )

    def commands(self) -> Iterator[ExportedCommand]:
        """Yield the commands in order.

        Raises:
            InvalidInputError: The file is damaged, or was cut off.
        """
        count, position = 0, 0
        try:
            for row in self._reader:
                command = _from_row(row)
                count, position = count + 1, command.position
                yield command
        except Exception as error:  # As above.
            raise InvalidInputError(
                f"The file is damaged behind command {count} ({_text(error)}). Export it again."
            ) from error
        if (count, position) != (self.header.commands, self.header.last_position):
            raise InvalidInputError(
                f"The file ends after command {count} at position {position}, and was to hold {self.header.commands}"
                f" up to position {self.header.last_position}: it was cut off. Export it again."
            )


def export_log(index: LogIndex, topic: str, log: str) -> Iterator[bytes]:
    """Yield the file with all commands that *index* holds now, piece by piece.

    Args:
        index: Index of the log.
        topic: Name of the log topic, for the file's header.
        log: Identity of the log, as well.
    """
    until = index.next_offset()
    metadata = {
        _FORMAT: str(FORMAT),
        _TOPIC: topic,
        _LOG: log,
        _EXPORTED_AT: now(),
        _COMMANDS: str(index.command_count(until)),
        _LAST_POSITION: str(_last_position(index, until)),
    }
    buffer = io.BytesIO()
    writer = fastavro.write.Writer(buffer, SCHEMA, codec="deflate", sync_interval=_SYNC_BYTES, metadata=metadata)
    for command in index.all_commands(until):
        writer.write(_row(command))
        if buffer.tell():
            yield _drained(buffer)
    writer.flush()
    yield _drained(buffer)


def _last_position(index: LogIndex, until: int) -> int:
    last = index.commands(before=until, limit=1)
    return last[0].position if last else 0


def _drained(buffer: io.BytesIO) -> bytes:
    piece = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return piece


def _row(command: IndexedCommand) -> dict[str, Any]:
    record = command.record
    return {
        "position": command.position,
        "first_id": command.first_id,
        "offset": command.offset,
        "time": command.time_ms,
        "application": record.application,
        "command_id": record.command_id,
        "command": record.command,
        "target": record.target,
        "actor": record.actor,
        "source": record.source,
        "reason": record.reason,
        "issued_at": record.issued_at,
        "trace": record.trace,
        "expected": [{"originator_id": head.originator_id, "head": head.head} for head in record.expected],
        "events": [
            {
                "originator_id": event.originator_id,
                "originator_version": event.originator_version,
                "topic": event.topic,
                "state": event.state if isinstance(event.state, str) else event.state_bytes(),
            }
            for event in record.events
        ],
        "tracking": None
        if record.tracking is None
        else {
            "application": record.tracking.application,
            "notification_id": record.tracking.notification_id,
        },
    }


def _from_row(row: Any) -> ExportedCommand:
    moment = row["time"]
    time_ms = timestamp_of(moment.isoformat()) if isinstance(moment, datetime) else int(moment)
    record = CommandRecord(
        format=FORMAT,
        application=row["application"],
        command_id=row["command_id"],
        command=row["command"],
        target=row["target"],
        actor=row["actor"],
        source=row["source"],
        reason=row["reason"],
        issued_at=row["issued_at"],
        trace=row["trace"],
        expected=tuple(ExpectedHead(head["originator_id"], head["head"]) for head in row["expected"]),
        events=tuple(_event(event) for event in row["events"]),
        tracking=None
        if row["tracking"] is None
        else RecordedTracking(row["tracking"]["application"], row["tracking"]["notification_id"]),
        recorded_at=timestamp_text(time_ms),
    )
    return ExportedCommand(row["position"], record)


def _event(event: Any) -> RecordedEvent:
    state = event["state"]
    return RecordedEvent(
        event["originator_id"],
        event["originator_version"],
        event["topic"],
        state if isinstance(state, str) else state_of(state),
    )


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
