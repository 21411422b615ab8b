"""The command log of one process: append, read back, know.

    append      write to Kafka, read the log back up to the record's own offset, and know whether it was accepted
    settle      when Kafka did not acknowledge: append a void and let the log decide
    follow      one process of a machine folds the log into the index, the others watch (core.log_follower)

Everything that decides is in Kafka: the index can be deleted, the lock protects only the local file.
"""

from __future__ import annotations

import threading
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path

from core.errors import (
    CommandNotRecordedError,
    InvalidInputError,
    KafkaUnavailableError,
    LogError,
    NewerFormatError,
    OutcomeUnknownError,
    QuickError,
    UnavailableError,
    UndecodableError,
    UnreadableRecordError,
)
from core.kafka_writer import OutRecord, RecordWriter
from core.log_follower import READ_BACK_TIMEOUT_S, LogFollower
from core.log_identity import trusted_index
from core.log_index import LogIndex
from core.log_rows import Outcome
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, LogRecord, QuarantineRecord, decode, encode, new_void, now

APPEND_TIMEOUT_S = 4.0
"""Longest wait for Kafka's acknowledgement of an append, and again of the void that settles it."""


APPLICATION = "quick"
"""Name under which the log itself writes, where no application does."""


class CommandLog:
    """An open command log. Use one per process, topic and data folder, opened after the fork.

    Args:
        topic: The Kafka topic; created when absent.
        folder: Where the index and the lock live; shared by all processes of a machine that read this log.
        limit: The offset before which the fold waits until `fold_to` raises it; `None` folds all that comes.

    A record that cannot be decoded does not keep it from being opened: what lies before it can be read.

    Raises:
        UnsafeLogError: The topic's settings could lose commands.
        KafkaUnavailableError: No broker answered.
    """

    def __init__(self, topic: LogTopic, folder: Path, *, limit: int | None = None) -> None:
        self.topic = topic
        self.identity = topic.ensure()
        self._index = trusted_index(topic, self.identity, folder)
        self._opened_writer: RecordWriter | None = None
        self._writer_lock = threading.Lock()
        self._follower = LogFollower(topic, self.identity, self._index, folder / "fold.lock", limit=limit)
        self._follower.start()
        try:
            end = topic.end_offset()
            self._follower.wait_until_folded((end if limit is None else min(end, limit)) - 1, timeout_s=None)
        except UnreadableRecordError:
            pass  # Reads go on, and whoever appends is told.
        except BaseException:
            self.close()
            raise

    @property
    def index(self) -> LogIndex:
        """The accepted part of the log."""
        return self._index

    def append(self, record: CommandRecord) -> Outcome | None:
        """Append *record*, read the log back up to it, and return what became of its command id.

        `None` means that it was refused: something it relied on had changed. An outcome with other events is that of
        an earlier append of the same command.

        Raises:
            CommandNotRecordedError: Kafka did not acknowledge it, and it is settled that it never will count.
            OutcomeUnknownError: Kafka did not acknowledge it, and that could not be settled either.
            KafkaRefusedError: Kafka does not take it, for example because it is too large.
            LogError: The log can no longer be followed, or stands still; nothing was appended.
        """
        if (failure := self.failure()) is not None:
            raise failure
        try:
            offset = self._write(record)
        except KafkaUnavailableError as error:
            return self._settle(record, str(error))
        return self._read_back(record.command_id, offset)

    def prepare_to_append(self) -> None:
        """Make the producer now: the first append would wait half a second for its producer ID."""
        self._writer()

    def outcome(self, command_id: str) -> Outcome | None:
        """Return what is known to have become of *command_id*."""
        return self._index.outcome(command_id)

    def failure(self) -> QuickError | None:
        """Return why nothing can be recorded now, `None` when all is well.

        An UnreadableRecordError ends when the record is quarantined; after anything else this process must start anew.
        """
        return self._follower.failure or self._index.unreadable()

    def quarantine(self, offset: int, *, actor: str, source: str | None, reason: str) -> bool:
        """Tell every reader to pass the record at *offset*, which none can decode.

        Return whether this process has passed it already; it may stand still at an earlier one.

        Raises:
            NotFoundError: The log holds no such offset.
            InvalidInputError: The record can be decoded, here or by a newer program.
            UnavailableError: Kafka did not answer or did not acknowledge. Quarantining twice does no harm: try again.
        """
        _check_garbage(self.topic, offset)
        if offset >= self._index.next_offset():  # Otherwise it was passed before, and nothing is left to do.
            record = QuarantineRecord(
                format=FORMAT,
                application=APPLICATION,
                quarantine=offset,
                reason=reason,
                actor=actor,
                source=source,
                issued_at=now(),
            )
            self._write(record)
        return self._follower.wait_until_passed(offset, timeout_s=READ_BACK_TIMEOUT_S)

    def wait_until_folded(self, offset: int, timeout_s: float) -> None:
        """Block until the record at *offset*, which is in the log, is decided here.

        Raises:
            KafkaUnavailableError: *timeout_s* has passed.
            LogError: The log can no longer be followed, or stands still before it.
        """
        self._follower.wait_until_folded(offset, timeout_s=timeout_s)

    def fold_to(self, offset: int, timeout_s: float) -> None:
        """Fold up to *offset*, and not beyond it; for a log with a limit, on a folder of its own.

        Raises:
            KafkaUnavailableError: *timeout_s* has passed.
            LogError: The log can no longer be followed, or stands still before it.
        """
        self._follower.limit = offset
        self._follower.wait_until_folded(offset - 1, timeout_s=timeout_s)

    def wait_for_position(self, above: int, timeout_s: float) -> int:
        """Block until there are events above the ID *above*, or *timeout_s* has passed; return the last ID."""
        return self._follower.wait_for_position(above, timeout_s)

    def close(self) -> None:
        """Stop following, deliver what is queued, free the lock."""
        self._follower.stop()
        if self._opened_writer is not None:
            self._opened_writer.close()
        self._index.close()

    def _writer(self) -> RecordWriter:
        """Return the producer, made at the first append: many processes only read."""
        with self._writer_lock:
            if self._opened_writer is None:
                self._opened_writer = RecordWriter(self.topic.bootstrap, delivery_timeout_s=APPEND_TIMEOUT_S)
            return self._opened_writer

    def _write(self, record: LogRecord) -> int | None:
        """Return the offset at which Kafka has acknowledged *record*, `None` where it has not said it."""
        # No key on purpose: if somebody switches compaction on, Kafka refuses appends instead of losing commands.
        future = self._writer().write(self.topic.name, [OutRecord(None, encode(record))])
        try:
            return future.result(timeout=2 * APPEND_TIMEOUT_S)[0].offset
        except FutureTimeoutError as error:
            raise KafkaUnavailableError("Kafka did not acknowledge in time. Check the broker.") from error

    def _read_back(self, command_id: str, offset: int | None) -> Outcome | None:
        try:
            # A record that was acknowledged lies somewhere before the end.
            last = self.topic.end_offset() - 1 if offset is None else offset
            self._follower.wait_until_folded(last, timeout_s=READ_BACK_TIMEOUT_S)
        except (UnavailableError, LogError) as error:
            raise OutcomeUnknownError(command_id, str(error)) from error
        if offset is None:
            return self._index.outcome(command_id)
        is_about, outcome = self._index.decision(offset, command_id)
        if not is_about:
            # Our record lies at an offset where this index has read another one: the topic was replaced under us.
            raise OutcomeUnknownError(command_id, f"the log topic {self.topic.name} is not the one that was read")
        return outcome

    def _settle(self, record: CommandRecord, cause: str) -> Outcome:
        """Let the log decide about a record that may still land: it or its void, whichever comes first."""
        try:
            offset = self._write(new_void(record.application, record.command_id))
        except QuickError as error:
            raise OutcomeUnknownError(record.command_id, cause) from error
        outcome = self._read_back(record.command_id, offset)
        assert outcome is not None, "a command id is settled once its void is folded"
        if outcome.is_voided:
            raise CommandNotRecordedError(f"{cause} Nothing was recorded: send it again with a new command id.")
        return outcome


def _check_garbage(topic: LogTopic, offset: int) -> None:
    """Make sure that no program of any version can decode the record at *offset*."""
    try:
        decode(topic.read(offset))
    except NewerFormatError as error:
        raise InvalidInputError(
            f"The record at {topic.name}[0]@{offset} cannot be quarantined, since a newer program reads it: {error}"
        ) from error
    except UndecodableError:
        return
    raise InvalidInputError(f"The record at {topic.name}[0]@{offset} can be decoded: there is nothing to quarantine.")
