"""A writer of tests/core/test_log_concurrency.py: threads that append to the same aggregates as those of its siblings.

What a thread is about to do and what it was told go line by line into the report before it goes on: kill -9 loses
nothing that was acknowledged. After SIGTERM it finishes what it has begun; after a line on stdin it reports what it has
read of the log, and ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from eventsourcing.persistence import IntegrityError, OperationalError, StoredEvent

import core.command_log
from core.command_log import CommandLog
from core.errors import CommandNotRecordedError, CommandRepeatedError, KafkaUnavailableError, OutcomeUnknownError
from core.log_index import LogIndex
from core.log_recorders import CommandInfo, KafkaApplicationRecorder
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, ExpectedHead, RecordedEvent, new_command_id
from tests.running import until

STRICT = ["strict-0", "strict-1", "strict-2"]
"""Aggregates whose heads are always stated: their versions have no gaps."""

LOOSE = ["loose-0", "loose-1"]
"""Aggregates that are written as the library's bare recorder does: first write wins, gaps are allowed."""

SHARED_IDS = 200
"""Command ids that all threads use, each with events of its own: one of them wins."""

APPEND_TIMEOUT_S = 1.0
"""Shorter than an outage of the broker, so that outcomes are unknown."""

Versions = list[tuple[str, int]]


def digest(index: LogIndex) -> list[Any]:
    """Return the last ID, and a hash of all events with their IDs."""
    events = index.notifications(1, sys.maxsize)
    assert list(range(1, len(events) + 1)) == [event_id for event_id, _ in events]
    return [len(events), hashlib.sha256(repr(events).encode()).hexdigest()]


def main(bootstrap: str, topic_name: str, folder: Path, report_path: Path, seed: str, threads: int) -> None:
    core.command_log.APPEND_TIMEOUT_S = APPEND_TIMEOUT_S
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    report = os.open(report_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def tell(what: str, **more: object) -> None:
        os.write(report, f"{json.dumps({'what': what, **more})}\n".encode())

    topic = LogTopic(bootstrap, topic_name)
    log = _open(topic, folder)
    writers = [_Writer(log, tell, Random(f"{seed}/{number}"), stopping) for number in range(threads)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    tell("idle")
    sys.stdin.readline()
    end = topic.end_offset()
    until(lambda: end == log.index.next_offset())
    tell("digest", digest=digest(log.index))
    log.close()


def _open(topic: LogTopic, folder: Path) -> CommandLog:
    """Open the log, also when the broker is away at first."""
    while True:
        try:
            return CommandLog(topic, folder)
        except KafkaUnavailableError:
            continue


class _Writer(threading.Thread):
    def __init__(self, log: CommandLog, tell: Callable[..., None], random: Random, stopping: threading.Event) -> None:
        super().__init__()
        self._log = log
        self._tell = tell
        self._random = random
        self._stopping = stopping
        self._recorder = KafkaApplicationRecorder(log, "hammer", originator_ids_are_uuids=False)

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._carry_out(*self._decide())
        except BaseException as error:
            self._tell("failed", error=repr(error))
            raise

    def _decide(self) -> tuple[str, Versions, list[tuple[str, int | None]]]:
        kind = self._random.random()
        if kind < 0.2:
            names = self._random.sample(LOOSE, self._random.randint(1, 2))
            return new_command_id(), [(name, self._random.randint(1, 5000)) for name in names], []
        if kind < 0.3:
            command_id = f"shared-{self._random.randrange(SHARED_IDS)}"
            return command_id, [(f"of {command_id}", self._random.randint(1, 100))], []
        names = self._random.sample(STRICT, self._random.randint(1, 3))
        heads = [(name, self._log.index.head(name)) for name in names]
        changed = heads[: self._random.randint(1, 2)]  # The others are only relied on.
        return new_command_id(), [(name, (head or 0) + 1) for name, head in changed], heads

    def _carry_out(self, command_id: str, versions: Versions, heads: list[tuple[str, int | None]]) -> None:
        """Append, report, and repeat the same command for as long as its outcome is unknown."""
        self._tell("try", id=command_id, versions=versions)
        append = self._random.choice([self._append_record, self._append_events])
        try:
            while True:
                try:
                    ids = append(command_id, versions, heads)
                    break
                except OutcomeUnknownError:
                    self._tell("unknown", id=command_id)
        except CommandNotRecordedError:
            self._tell("not recorded", id=command_id)
        except CommandRepeatedError as error:
            self._tell("repeated", id=command_id, position=error.position)
        else:
            if ids is None:
                self._tell("refused", id=command_id)
            else:
                self._tell("accepted", id=command_id, ids=ids)

    def _append_record(
        self, command_id: str, versions: Versions, heads: list[tuple[str, int | None]]
    ) -> list[int] | None:
        record = CommandRecord(
            format=FORMAT,
            application="hammer",
            command_id=command_id,
            events=tuple(RecordedEvent(name, version, "topic", command_id) for name, version in versions),
            expected=tuple(ExpectedHead(name, head) for name, head in heads),
        )
        outcome = self._log.append(record)
        if outcome is None:
            return None
        if outcome.is_voided:
            raise CommandNotRecordedError(command_id)
        return outcome.notification_ids

    def _append_events(
        self, command_id: str, versions: Versions, heads: list[tuple[str, int | None]]
    ) -> list[int] | None:
        events = [StoredEvent(name, version, "topic", command_id.encode()) for name, version in versions]
        try:
            return self._recorder.append(events, command=CommandInfo(command_id), expected=heads)
        except IntegrityError:
            return None
        except OperationalError as error:
            raise (error.__cause__ or error) from None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5], int(sys.argv[6]))
