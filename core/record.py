"""The record format of the command log: what one atomic save looks like in Kafka.

JSON, so that any tool shows it at 3 a.m. Three forms share the topic:

    a command     {"format": 1, "application", "command_id", "command", "target", "actor", "source", "reason",
                   "issued_at", "trace", "expected": [{"originator_id", "head"}], "events": [{"originator_id",
                   "originator_version", "topic", "state"}], "tracking": {"application", "notification_id"},
                   "recorded_at"}
    a void        {"format": 1, "application", "void": "<command id>", "issued_at"}
    a quarantine  {"format": 1, "application", "quarantine": <offset>, "reason", "actor", "source", "issued_at"}

Absent and null are the same, but for the lists; unknown properties are ignored. What decides acceptance never changes
within a format; a later program that needs more writes a higher one, at which older readers stop. Format 1 is read for
ever.

What cannot be decoded as one of these forms, and names no higher format, is garbage to every reader of every version:
only that can be quarantined. A record of any format that nests deeper than `MAX_NESTING` is garbage.
"""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from core.errors import NewerFormatError, UndecodableError

FORMAT = 1

MAX_NESTING = 64
"""How deep lists and objects of a record nest at most, in every format: the stack of a reader must not decide that."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A version or notification ID; the bounds are part of the format."""


class Base64(msgspec.Struct, frozen=True):
    """Bytes that are no text: what a cipher or compressor made."""

    base64: str


class RecordedEvent(msgspec.Struct, frozen=True):
    """One event as it stands in a record; `state` is text where the transcoder made text."""

    originator_id: str
    originator_version: Count
    topic: str
    state: str | Base64

    def state_bytes(self) -> bytes:
        """Return the state exactly as it was saved."""
        if isinstance(self.state, Base64):
            return base64.b64decode(self.state.base64, validate=True)
        return self.state.encode()


class ExpectedHead(msgspec.Struct, frozen=True):
    """A head that the decision relied on; `head` is `None` for an originator without events."""

    originator_id: str
    head: Count | None = None


class RecordedTracking(msgspec.Struct, frozen=True):
    """How far another application's notifications have been processed, saved with what came of them."""

    application: str
    notification_id: Count


class CommandRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One atomic save: a command, who asked for it and why, and the events it produced."""

    format: int
    application: str
    command_id: str
    events: tuple[RecordedEvent, ...]
    command: str | None = None
    target: str | None = None
    actor: str | None = None
    source: str | None = None
    reason: str | None = None
    issued_at: str | None = None
    trace: str | None = None
    expected: tuple[ExpectedHead, ...] = ()
    tracking: RecordedTracking | None = None
    recorded_at: str | None = None
    """Time of the first append, ISO 8601, in a record that was restored from an export; it counts then."""


class VoidRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Settles a command whose append has an unknown outcome: whichever of the two is first in the log wins."""

    format: int
    application: str
    void: str
    issued_at: str | None = None


class QuarantineRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Tells every reader to pass an earlier record that none can decode; belongs to no aggregate and has no ID."""

    format: int
    application: str
    quarantine: Count
    """Offset of the record to pass."""
    reason: str | None = None
    actor: str | None = None
    source: str | None = None
    issued_at: str | None = None


LogRecord = CommandRecord | VoidRecord | QuarantineRecord


class _Header(msgspec.Struct):
    format: int
    void: str | None = None
    quarantine: int | None = None


class _Format(msgspec.Struct):
    format: int


_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_encoder = msgspec.json.Encoder()
_format_decoder = msgspec.json.Decoder(_Format)
_header_decoder = msgspec.json.Decoder(_Header)
_command_decoder = msgspec.json.Decoder(CommandRecord)
_void_decoder = msgspec.json.Decoder(VoidRecord)
_quarantine_decoder = msgspec.json.Decoder(QuarantineRecord)


def encode(record: LogRecord) -> bytes:
    """Return *record* as the value of one Kafka record."""
    return _encoder.encode(record)


def decode(raw: bytes | None) -> LogRecord:
    """Read the value of one Kafka record.

    Raises:
        NewerFormatError: The value is a record of a newer format.
        UndecodableError: The value is no record.
    """
    if raw is None:
        raise UndecodableError("it has no value, so it is not a record of the command log")
    if _is_too_deep(raw):
        raise UndecodableError(f"it nests deeper than {MAX_NESTING}, so it is not a record of the command log")
    try:
        header = _header_of(raw)
        if header.format != FORMAT:
            raise UndecodableError(f"its format is {header.format}, which never existed")
        record: LogRecord = _form_of(header).decode(raw)
        _check_states(record)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UndecodableError(f"it is not a record of the command log: {error}") from error
    return record


def quarantine_in(raw: bytes | None) -> QuarantineRecord | None:
    """Return the quarantine that the value of a Kafka record is, `None` when it is anything else."""
    try:
        record = decode(raw)
    except UndecodableError:
        return None
    return record if isinstance(record, QuarantineRecord) else None


def state_of(raw: bytes) -> str | Base64:
    """Return the form in which an event's state stands in a record."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return Base64(base64.b64encode(raw).decode())


def new_void(application: str, command_id: str) -> VoidRecord:
    """Return the record that voids *command_id*, unless the command came first."""
    return VoidRecord(format=FORMAT, application=application, void=command_id, issued_at=now())


def new_command_id() -> str:
    """Return a fresh command id."""
    return str(uuid.uuid4())


def now() -> str:
    """Return the time of this machine, ISO 8601 in UTC with milliseconds."""
    return timestamp_text(int(datetime.now(UTC).timestamp() * 1000))


def timestamp_text(timestamp_ms: int) -> str:
    """Return Kafka's *timestamp_ms* as ISO 8601 in UTC with milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=timestamp_ms)  # In whole numbers: a float drops milliseconds.
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def timestamp_of(text: str) -> int:
    """Return the milliseconds since 1970 of a time in ISO 8601; one without an offset is taken as UTC.

    Raises:
        ValueError: It is no such time, or in UTC not of the years 1 to 9999.
    """
    moment = datetime.fromisoformat(text)
    try:
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is not of the years 1 to 9999") from error
    return (aware - _EPOCH) // timedelta(milliseconds=1)


def _header_of(raw: bytes) -> _Header:
    """Return what tells the form of a record.

    Raises:
        NewerFormatError: It is of a newer format, where all but `format` may be of another type.
    """
    try:
        header = _header_decoder.decode(raw)
    except msgspec.ValidationError:
        if (newer := _format_decoder.decode(raw).format) > FORMAT:
            raise _newer(newer) from None
        raise
    if header.format > FORMAT:
        raise _newer(header.format)
    return header


def _newer(number: int) -> NewerFormatError:
    return NewerFormatError(f"its format is {number}, this program reads up to {FORMAT}: upgrade it")


def _is_too_deep(raw: bytes) -> bool:
    if raw.count(b"[") + raw.count(b"{") <= MAX_NESTING:
        return False  # Nearly always so, and quick to see.
    depth = 0
    for bracket in _BRACKET.findall(_TEXT.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_NESTING:
            return True
    return False


def _form_of(header: _Header) -> msgspec.json.Decoder[Any]:
    if header.void is not None:
        return _void_decoder
    return _command_decoder if header.quarantine is None else _quarantine_decoder


def _check_states(record: LogRecord) -> None:
    """Decode every base64 state once, so that an undecodable one is found here and not by a projection."""
    events: Sequence[RecordedEvent] = record.events if isinstance(record, CommandRecord) else ()
    for event in events:
        event.state_bytes()
