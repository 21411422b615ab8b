from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from core import kafka_admin
from core.command_log import CommandLog
from core.errors import KafkaUnavailableError
from core.kafka_writer import OutRecord, RecordWriter
from core.log_index import LogEntry
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, RecordedEvent, encode, new_command_id, new_void
from core.shared_logs import close_open_logs, open_log, release_log

DEADLINE_S = 60.0


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    yield
    close_open_logs()


def append(log: CommandLog) -> None:
    """Append, which a closed log cannot."""
    events = (RecordedEvent("fido", (log.index.head("fido") or 0) + 1, "topic", "{}"),)
    record = CommandRecord(format=FORMAT, application="test", command_id=new_command_id(), events=events)
    assert log.append(record) is not None


def test_one_topic_and_folder_are_one_log(kafka: str, topic_name: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor() as threads:
        opening = [threads.submit(open_log, kafka, topic_name, tmp_path) for _ in range(8)]
        logs = [future.result(DEADLINE_S) for future in opening]
    assert 1 == len({id(log) for log in logs})


def test_another_folder_is_another_log(kafka: str, topic_name: str, tmp_path: Path) -> None:
    one, another = open_log(kafka, topic_name, tmp_path / "one"), open_log(kafka, topic_name, tmp_path / "another")
    assert one is not another


def test_the_last_user_closes_the_log(kafka: str, topic_name: str, tmp_path: Path) -> None:
    log = open_log(kafka, topic_name, tmp_path)
    open_log(kafka, topic_name, tmp_path)
    release_log(log)
    append(log)
    release_log(log)
    again = open_log(kafka, topic_name, tmp_path)
    assert again is not log
    assert 1 == again.index.max_notification_id()


def test_users_who_come_and_go_at_the_same_time_always_have_an_open_log(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    def use() -> None:
        for _ in range(5):
            log = open_log(kafka, topic_name, tmp_path)
            assert log.failure() is None
            log.index.max_notification_id()
            release_log(log)

    with ThreadPoolExecutor() as threads:
        for future in [threads.submit(use) for _ in range(4)]:
            future.result(4 * DEADLINE_S)


def test_a_broker_that_does_not_answer_keeps_nobody_else_waiting(
    kafka: str, topic_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = threading.Event(), threading.Event()
    ensure = LogTopic.ensure

    def slow(topic: LogTopic) -> object:
        if topic.name == "slow":
            asked.set()
            assert answers.wait(DEADLINE_S)
            raise KafkaUnavailableError("no answer")
        return ensure(topic)

    monkeypatch.setattr(LogTopic, "ensure", slow)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(open_log, kafka, "slow", tmp_path / "slow")
        assert asked.wait(DEADLINE_S)
        log = open_log(kafka, topic_name, tmp_path / "quick")
        append(log)
        release_log(log)
        assert not waiting.done()
        answers.set()
        with pytest.raises(KafkaUnavailableError):
            waiting.result(DEADLINE_S)


def test_a_log_that_could_not_be_opened_is_tried_again(
    kafka: str, topic_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(_: object, name: str) -> None:
        raise KafkaUnavailableError(f"no answer about {name}")

    with monkeypatch.context() as patch:
        patch.setattr(kafka_admin.KafkaAdmin, "describe", unavailable)
        with pytest.raises(KafkaUnavailableError):
            open_log(kafka, topic_name, tmp_path)
    append(open_log(kafka, topic_name, tmp_path))


def test_a_log_that_its_own_thread_gives_back_is_closed(
    kafka: str, topic_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As when an application that was dropped unclosed is collected as garbage while its log is being folded.
    log = open_log(kafka, topic_name, tmp_path)
    (follower,) = (thread for thread in threading.enumerate() if thread.name == f"log {topic_name}")
    fold = log.index.fold

    def fold_and_collect(entries: Sequence[LogEntry]) -> None:
        fold(entries)
        release_log(log)

    monkeypatch.setattr(log.index, "fold", fold_and_collect)
    with closing(RecordWriter(kafka, delivery_timeout_s=DEADLINE_S)) as writer:
        void = encode(new_void("test", new_command_id()))
        writer.write(topic_name, [OutRecord(None, void)]).result(DEADLINE_S)
    follower.join(DEADLINE_S)
    assert not follower.is_alive()
    assert log is not open_log(kafka, topic_name, tmp_path)


def test_what_is_left_open_can_be_closed_at_once(kafka: str, topic_name: str, tmp_path: Path) -> None:
    log = open_log(kafka, topic_name, tmp_path)
    close_open_logs()
    release_log(log)  # Its user may still come and give it back.
    assert log is not open_log(kafka, topic_name, tmp_path)
