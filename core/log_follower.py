"""Keeps the index of the command log current, and wakes who waits for it.

fold         one process of a machine at a time, elected by a file lock, turns the log into the index
stand still  at a record that cannot be decoded, until a quarantine behind it tells to pass it; reads go on
watch        the other processes look at the index that the elected one writes
look around  before anything more is folded, confirm that the topic is still the same one
"""

from __future__ import annotations

import fcntl
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from confluent_kafka import KafkaError, Message

from core.errors import KafkaUnavailableError, LogError, LogIdentityError, QuickError, UnreadableRecordError
from core.fold_progress import FoldProgress
from core.kafka_reader import partition_end
from core.log_identity import confirm_last_record, confirm_topic, raise_superseded
from core.log_index import LogIndex
from core.log_reader import LogReader
from core.log_rows import LogEntry
from core.log_topic import LogIdentity, LogTopic
from core.record import quarantine_in

logger = logging.getLogger(__name__)

READ_BACK_TIMEOUT_S = 10.0
"""Longest wait until the index has passed an offset that is known to be in the log."""

BATCH_RECORDS = 10_000
"""Most records that one transaction of the index holds."""

LOOK_AROUND_S = 5.0
"""How often the folding process looks whether the topic is still the same one when nothing comes from it."""

CONFIRM_S = 0.1
"""How old such a look may be for records that come: less than `core.kafka_reader.DELETION_PAUSE_S`."""

CHECK_SETTINGS_S = 180.0
"""How often it looks whether somebody has made the topic's settings unsafe."""

_ELECTION_S = 0.2
_HELD_S = 0.005
_WATCH_S = 0.001
_IDLE_WATCH_S = 0.005


class LogFollower(threading.Thread):
    """Keeps the index current: folds when elected, watches otherwise, and wakes who waits.

    Args:
        topic: The topic of the log.
        identity: Its identity.
        index: What is kept current.
        lock_path: The file whose lock elects who folds.
        limit: The offset before which the fold waits until `limit` is raised; `None` folds all that comes.
    """

    def __init__(
        self, topic: LogTopic, identity: LogIdentity, index: LogIndex, lock_path: Path, *, limit: int | None = None
    ) -> None:
        super().__init__(name=f"log {topic.name}", daemon=True)
        self._topic = topic
        self._identity = identity
        self._index = index
        self._lock = _FoldLock(lock_path)
        self._stopping = threading.Event()
        self._progress = FoldProgress()
        self._is_doubtful = False
        self._end = 0
        self.limit = limit
        self._looked_around = self._checked_settings = time.monotonic()
        self.failure: QuickError | None = None
        self._take_over()

    # Waiting, in any thread.

    def wait_until_folded(self, offset: int, *, timeout_s: float | None) -> None:
        """Block until the record at *offset* is decided.

        Raises:
            UnreadableRecordError: The fold stands still at a record before it, or at it.
            KafkaUnavailableError: *timeout_s* has passed (`None`: wait as long as records keep coming in).
            LogError: The log can no longer be followed.
        """
        deadline = time.monotonic() + (READ_BACK_TIMEOUT_S if timeout_s is None else timeout_s)
        seen = self._progress.count
        while (next_offset := self._next_offset()) <= offset:
            self._raise_failure()
            if (unreadable := self._index.unreadable()) is not None:
                raise unreadable
            if time.monotonic() > deadline:
                raise KafkaUnavailableError(
                    f"The index of {self._topic.name} stands at offset {next_offset} and has not reached {offset}."
                    " Try again."
                )
            self._progress.wait_for_offset(offset, self._pause_s(_WATCH_S))
            if timeout_s is None and (self._progress.count != seen or self._next_offset() > next_offset):
                seen, deadline = self._progress.count, time.monotonic() + READ_BACK_TIMEOUT_S

    def wait_until_passed(self, offset: int, *, timeout_s: float) -> bool:
        """Block until the record at *offset* is folded or quarantined; return whether it was within *timeout_s*."""
        deadline = time.monotonic() + timeout_s
        while self._next_offset() <= offset:
            self._raise_failure()
            if time.monotonic() > deadline:
                return False
            self._progress.wait_for_offset(offset, self._pause_s(_IDLE_WATCH_S))
        return True

    def wait_for_position(self, above: int, timeout_s: float) -> int:
        """Block until an event with an ID above *above* is accepted or *timeout_s* has passed."""
        deadline = time.monotonic() + timeout_s
        while True:
            count = self._progress.count
            self._raise_failure()
            last_id = self._index.max_notification_id() or 0
            if last_id > above or time.monotonic() > deadline:
                return last_id
            self._progress.wait_for_change(count, self._pause_s(_IDLE_WATCH_S))

    def _next_offset(self) -> int:
        """Return how far the log is folded: here without a look at the disk, or by another process."""
        return self._progress.next_offset if self._lock.is_held else self._index.next_offset()

    def _pause_s(self, watch_s: float) -> float:
        """Return how long to sleep unless woken: another process that folds wakes nobody here."""
        return 0.2 if self._lock.is_held else watch_s

    def _raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure

    # Following, in this thread.

    def run(self) -> None:
        """Fold when elected, watch otherwise, until stopped or the log cannot be followed any more."""
        try:
            while not self._stopping.is_set():
                if self._take_over():
                    self._fold_until_stopped()
                else:
                    self._watch()
        except QuickError as error:
            logger.error("the log %s cannot be followed: %s", self._topic.name, error)
            self.failure = error
        except Exception as error:  # A thread ends here: who waits for it must learn why.
            logger.exception("the log %s cannot be followed", self._topic.name)
            self.failure = LogError(f"The log {self._topic.name} cannot be followed: {error!r}. Restart this process.")
        finally:
            self._lock.release()
            self._progress.wake_all()

    def stop(self) -> None:
        """End the thread, wherever it stands."""
        self._stopping.set()
        self._progress.wake_all()
        self.join()

    def _take_over(self) -> bool:
        """Begin to fold, unless another process does; return whether this one folds now."""
        if not self._lock.acquire():
            return False
        self._index.begin_folding()
        self._index.note_searching()  # What was found before may have been quarantined while nobody looked.
        return True

    def _watch(self) -> None:
        """Let another process fold; notice when its index has been given up."""
        raise_superseded(self._index)
        self._stopping.wait(_ELECTION_S)

    def _fold_until_stopped(self) -> None:
        """Fold while elected. An end by an error leaves the index marked: whether it is whole shows the next start."""
        self._progress.move(self._index.next_offset())
        self._checked_settings = -math.inf  # What the process before this one has noted may be mended: look soon.
        while not self._stopping.is_set():
            unreadable = self._fold_from(self._index.next_offset())
            if unreadable is not None:
                self._stand_still(unreadable)
        self._index.end_folding()

    def _fold_from(self, offset: int) -> UnreadableRecordError | None:
        """Fold until stopped; return the record at which that was not possible."""
        with self._reading_from(offset) as next_entries:
            while not self._stopping.is_set():
                entries = next_entries()
                try:
                    if entries:
                        self._index.fold(entries)
                        self._progress.move(entries[-1].offset + 1)
                    if (end := self._known_end()) > self._progress.next_offset:
                        self._index.move_to(end)
                        self._progress.move(end)
                except UnreadableRecordError as error:
                    self._progress.move(error.offset)
                    return error
        return None

    def _stand_still(self, unreadable: UnreadableRecordError) -> None:
        """Scan ahead for the quarantine of the record at which the fold stands still, until stopped.

        The records on the way are folded afterwards, from the start: none is decided before those in front of it.
        """
        has_searched_all = False
        with self._reading_from(unreadable.offset + 1, is_limited=False) as next_entries:
            while not self._stopping.is_set():
                entries = next_entries()
                if self._pass(unreadable, entries):
                    return
                if self._end and not has_searched_all:
                    has_searched_all = True
                    logger.error("the log %s stands still: %s", self._topic.name, unreadable)
                    self._index.note_not_released()
                    self._progress.wake_all()
                elif entries:
                    self._progress.wake_all()

    def _pass(self, unreadable: UnreadableRecordError, entries: list[LogEntry]) -> bool:
        """Pass the unreadable record if one of *entries*, which lie behind it, tells to; return whether that was so."""
        if unreadable.is_newer:
            return False  # A newer program can read it, and there it counts.
        for entry in entries:
            quarantine = quarantine_in(entry.raw)
            if quarantine is not None and quarantine.quarantine == unreadable.offset:
                self._index.skip(quarantine, entry)
                self._progress.move(unreadable.offset + 1)
                logger.warning("passed %s[0]@%s: quarantined", self._topic.name, unreadable.offset)
                return True
        return False

    @contextmanager
    def _reading_from(self, offset: int, *, is_limited: bool = True) -> Iterator[Callable[[], list[LogEntry]]]:
        """Read the topic from *offset* on: yield what returns the records at hand, in order; none after a while."""
        reader = LogReader(self._topic.bootstrap, self._topic.name, offset, self._on_error, self._on_replaced)
        self._end = 0
        waiting: list[Message] = []

        def next_entries() -> list[LogEntry]:
            nonlocal waiting
            waiting = waiting or reader.next_batch(limit=BATCH_RECORDS, timeout_s=0.2)
            if not self._look_around(has_news=any(message.error() is None for message in waiting)):
                return []  # They wait until it is certain which log they are of.
            messages, waiting = self._split_at_limit(waiting) if is_limited else (waiting, [])
            return [_entry(message) for message in messages if not self._is_event(message)]

        try:
            yield next_entries
        finally:
            reader.close()

    def _split_at_limit(self, messages: list[Message]) -> tuple[list[Message], list[Message]]:
        """Return those of *messages* that may be folded, and the others, which wait."""
        limit = self.limit
        if limit is None:
            return messages, []
        for count, message in enumerate(messages):
            if message.error() is None and (message.offset() or 0) >= limit:
                self._end = limit  # Between the records before and this one there is nothing, or markers.
                if count == 0:
                    self._stopping.wait(_HELD_S)
                return messages[:count], messages[count:]
        return messages, []

    def _known_end(self) -> int:
        """Return the offset before which the topic holds nothing more that is to be folded now."""
        return self._end if self.limit is None else min(self._end, self.limit)

    def _is_event(self, message: Message) -> bool:
        """Return whether *message* carries an error instead of a record."""
        error = message.error()
        if error is None:
            return False
        if (end := partition_end(message)) is not None:
            self._end = end.offset  # Markers of transactions that somebody made here take offsets without a record.
            return True
        logger.warning("reading %s[0]: %s", self._topic.name, error)
        self._is_doubtful = True
        return True

    def _on_error(self, error: KafkaError) -> None:
        """Note that the broker was away: what comes back may be another one. Called by librdkafka in `poll`."""
        logger.info("the log's broker: %s", error)
        self._is_doubtful = True

    def _on_replaced(self) -> None:
        """Note that the consumer is another one: it has not heard whether the topic was deleted meanwhile."""
        self._is_doubtful = True

    def _look_around(self, *, has_news: bool) -> bool:
        """Return whether the topic is the one that the index belongs to, as far as that has to be asked.

        A consumer goes on in a topic that was created again, at the old offset and without a word. But it hears when
        its topic is deleted, and pauses then for longer than `CONFIRM_S` (see `log_consumer`). So what comes within
        that time of a confirmation is of the same topic; for what comes later, the topic is confirmed first.
        """
        raise_superseded(self._index)
        now = time.monotonic()
        if not self._is_doubtful and now - self._looked_around < (CONFIRM_S if has_news else LOOK_AROUND_S):
            return True
        try:
            confirm_topic(self._topic, self._identity)
            are_settings_due = now - self._checked_settings >= CHECK_SETTINGS_S
            if self._is_doubtful or are_settings_due:
                confirm_last_record(self._topic, self._index)
                self._is_doubtful = False
            if are_settings_due:
                self._look_for_dangers()
                self._checked_settings = now
        except KafkaUnavailableError:
            self._is_doubtful = True  # The broker is still away; what came from it before must wait.
            return False
        except LogIdentityError as error:
            self._index.mark_superseded(str(error))
            raise
        self._looked_around = now
        return True

    def _look_for_dangers(self) -> None:
        """Note whether somebody has made the topic unsafe. What is recorded still counts, so the fold goes on."""
        dangers = self._topic.dangers()
        for danger in dangers:
            logger.error("%s", danger)
        self._index.mark_unsafe(dangers)


class _FoldLock:
    """Elects the folding process of a machine; the kernel frees the lock of a killed holder at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = path.open("a")
        self.is_held = False

    def acquire(self) -> bool:
        """Return whether this process holds the lock now."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.is_held = True
        return True

    def release(self) -> None:
        """Let another process fold."""
        self.is_held = False
        self._file.close()


def _entry(message: Message) -> LogEntry:
    offset, (_, timestamp_ms) = message.offset(), message.timestamp()
    assert offset is not None, "a consumed record has an offset"
    return LogEntry(offset, timestamp_ms, message.value())
