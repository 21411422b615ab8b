"""The command log on a real broker: append, settle, follow."""

from __future__ import annotations

import multiprocessing
import os
import signal
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from core.command_log import CommandLog
from core.errors import (
    CommandNotRecordedError,
    KafkaUnavailableError,
    OutcomeUnknownError,
    UnsafeLogError,
)
from core.kafka_admin import KafkaAdmin
from core.kafka_writer import OutRecord, RecordWriter, Written
from core.log_topic import LOG_CONFIG, LogTopic
from core.record import FORMAT, CommandRecord, ExpectedHead, RecordedEvent, new_command_id
from tests.running import until

Open = Callable[[Path], CommandLog]


@pytest.fixture
def topic(kafka: str) -> LogTopic:
    return LogTopic(kafka, f"log-{uuid.uuid4().hex}")


@pytest.fixture
def open_log(topic: LogTopic) -> Iterator[Open]:
    opened: list[CommandLog] = []

    def open_log(folder: Path) -> CommandLog:
        log = CommandLog(topic, folder)
        opened.append(log)
        return log

    yield open_log
    for log in opened:
        log.close()


def command(name: str, version: int, command_id: str | None = None, head: int | None = -1) -> CommandRecord:
    return CommandRecord(
        format=FORMAT,
        application="test",
        command_id=command_id or new_command_id(),
        events=(RecordedEvent(name, version, "topic", "{}"),),
        expected=() if head == -1 else (ExpectedHead(name, head),),
    )


def test_an_append_answers_with_its_ids(open_log: Open, tmp_path: Path) -> None:
    log = open_log(tmp_path)
    first, second = log.append(command("a", 1)), log.append(command("b", 1))
    assert first is not None
    assert second is not None
    assert ([1], [2]) == (first.notification_ids, second.notification_ids)


def test_a_refused_append_answers_nothing(open_log: Open, tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.append(command("a", 1))
    assert log.append(command("a", 1)) is None
    assert log.append(command("a", 2, head=5)) is None


def test_an_append_whose_place_kafka_does_not_tell_is_found_by_its_command_id(
    open_log: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path)
    # As of a repetition of an append whose acknowledgement was lost with the broker.
    monkeypatch.setattr("core.kafka_writer.written_at", lambda message: Written(message.partition(), None))
    first, again, refused = (
        log.append(command("a", 1, "first")),
        log.append(command("b", 1, "first")),
        log.append(command("a", 1)),
    )
    assert first is not None
    assert ([1], first, None) == (first.notification_ids, again, refused)


def test_two_machines_agree_on_the_winner(open_log: Open, tmp_path: Path) -> None:
    here, there = open_log(tmp_path / "here"), open_log(tmp_path / "there")
    with ThreadPoolExecutor(16) as threads:
        outcomes = list(threads.map(lambda i: ([here, there][i % 2]).append(command("a", i // 4 + 1)), range(40)))
    assert 10 == sum(outcome is not None for outcome in outcomes)
    until(lambda: here.index.next_offset() == there.index.next_offset())
    assert here.index.notifications(1, 100) == there.index.notifications(1, 100)
    assert list(range(1, 11)) == [event_id for event_id, _ in here.index.notifications(1, 100)]


def test_the_same_command_answers_the_same(open_log: Open, tmp_path: Path) -> None:
    log = open_log(tmp_path)
    assert log.append(command("a", 1, "c1")) == log.append(command("a", 1, "c1"))
    assert 1 == log.index.max_notification_id()


class LossyWriter:
    """A real producer whose first acknowledgements are lost."""

    def __init__(self, writer: RecordWriter, *, lands: bool, losses: int = 1) -> None:
        self._writer = writer
        self._lands = lands
        self._losses = losses

    def write(self, topic: str, records: Sequence[OutRecord]) -> Future[list[Written]]:
        if self._losses == 0:
            return self._writer.write(topic, records)
        self._losses -= 1
        if self._lands:
            self._writer.write(topic, records).result(60)
        lost: Future[list[Written]] = Future()
        lost.set_exception(KafkaUnavailableError("the acknowledgement was lost."))
        return lost

    def close(self) -> None:
        self._writer.close()


def test_a_lost_acknowledgement_is_settled_as_recorded_when_the_command_came_first(
    open_log: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path)
    writer = LossyWriter(log._writer(), lands=True)
    monkeypatch.setattr(log, "_writer", lambda: writer)
    outcome = log.append(command("a", 1, "c1"))
    assert outcome is not None
    assert [1] == outcome.notification_ids


def test_a_lost_append_is_settled_as_never_recorded(
    open_log: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path)
    real = log._writer()
    monkeypatch.setattr(log, "_writer", lambda: LossyWriter(real, lands=False))
    monkeypatch.setattr(log, "_writer", _once(LossyWriter(real, lands=False), real))
    with pytest.raises(CommandNotRecordedError):
        log.append(command("a", 1, "c1"))
    # The record lands late, as one does that was still on its way.
    monkeypatch.undo()
    late = log.append(command("a", 1, "c1"))
    assert late is not None
    assert late.is_voided
    assert log.index.max_notification_id() is None


def _once(first: object, then: object) -> Callable[[], object]:
    answers = [first]
    return lambda: answers.pop() if answers else then


def test_an_outcome_that_cannot_be_settled_is_called_unknown(
    open_log: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path)
    writer = LossyWriter(log._writer(), lands=True, losses=2)
    monkeypatch.setattr(log, "_writer", lambda: writer)
    with pytest.raises(OutcomeUnknownError, match="c1"):
        log.append(command("a", 1, "c1"))


def test_a_fresh_index_holds_everything_that_was_acknowledged(open_log: Open, tmp_path: Path) -> None:
    log = open_log(tmp_path / "first")
    for version in range(1, 51):
        log.append(command("a", version))
    assert 50 == open_log(tmp_path / "second").index.max_notification_id()


def _fold_and_tell(bootstrap: str, topic: str, folder: str, ready: object) -> None:
    CommandLog(LogTopic(bootstrap, topic), Path(folder))
    ready.set()  # type: ignore[attr-defined]
    signal.pause()


def test_when_the_folding_process_is_killed_another_one_folds(topic: LogTopic, open_log: Open, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    other = spawn.Process(target=_fold_and_tell, args=(topic.bootstrap, topic.name, str(tmp_path), ready))
    other.start()
    try:
        assert ready.wait(200)
        log = open_log(tmp_path)
        assert log.append(command("a", 1)) is not None
        assert not log._follower._lock.is_held
        assert other.pid is not None
        os.kill(other.pid, signal.SIGKILL)
        other.join()
        assert log.append(command("a", 2)) is not None
        assert log._follower._lock.is_held
    finally:
        other.kill()
        other.join()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("cleanup.policy", "compact"), ("retention.ms", "1000"), ("retention.bytes", "1000")],
)
def test_settings_that_could_lose_commands_are_refused(
    topic: LogTopic, tmp_path: Path, setting: str, value: str
) -> None:
    config = {**LOG_CONFIG, setting: value}
    KafkaAdmin(topic.bootstrap).create_topic(topic.name, partitions=1, replication_factor=1, config=config)
    with pytest.raises(UnsafeLogError, match=f"{setting}={value}"):
        CommandLog(topic, tmp_path)


def test_a_log_with_several_partitions_is_refused(topic: LogTopic, tmp_path: Path) -> None:
    KafkaAdmin(topic.bootstrap).create_topic(topic.name, partitions=2, replication_factor=1, config=LOG_CONFIG)
    with pytest.raises(UnsafeLogError, match="2 partitions"):
        CommandLog(topic, tmp_path)
