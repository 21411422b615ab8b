"""The log is read on though a consumer falls silent, as librdkafka's may."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

import core.log_reader
from cli.local_kafka import LocalKafka
from core.command_log import CommandLog
from core.kafka_reader import log_consumer
from core.log_reader import LogReader
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, RecordedEvent, new_command_id
from tests.running import until

Put = Callable[..., int]


class Silenced:
    """Makes consumers of which the first ones were paused: the broker is fine, and nothing comes."""

    def __init__(self, count: int) -> None:
        self.made = 0
        self._count = count

    def __call__(self, bootstrap: str, topic: str, offset: int, on_error: Callable[[KafkaError], None]) -> Consumer:
        consumer = log_consumer(bootstrap, topic, offset, on_error)
        self.made += 1
        if self.made <= self._count:
            consumer.pause([TopicPartition(topic, 0)])
        return consumer


class Reading:
    """A reader, with what it gave."""

    def __init__(self, topic: LogTopic, offset: int = 0) -> None:
        self.replaced = 0
        self.values: list[bytes | None] = []
        self.errors: list[KafkaError] = []
        self.reader = LogReader(topic.bootstrap, topic.name, offset, self.errors.append, self._note_replaced)

    def read(self) -> list[bytes | None]:
        """Read a batch; return all values there were until now."""
        for message in self.reader.next_batch(limit=2, timeout_s=0.01):
            if message.error() is None:
                self.values.append(message.value())
        return self.values

    def _note_replaced(self) -> None:
        self.replaced += 1


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.log_reader.SILENCE_S", 0.2)


@pytest.fixture
def topic(kafka: str, topic_name: str) -> LogTopic:
    topic = LogTopic(kafka, topic_name)
    topic.ensure()
    return topic


def test_each_record_comes_once_though_consumers_fall_silent(
    topic: LogTopic, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    silenced = Silenced(2)
    monkeypatch.setattr(core.log_reader, "log_consumer", silenced)
    put(b"1", b"2", b"3")
    reading = Reading(topic, 1)
    until(lambda: reading.read() == [b"2", b"3"])
    replaced = reading.replaced  # One that works may have been replaced as well, before it had anything: it was slow.
    assert replaced >= 2
    assert replaced + 1 == silenced.made
    reading.reader._consumer.pause([TopicPartition(topic.name, 0)])
    put(b"4")
    until(lambda: reading.read() == [b"2", b"3", b"4"])
    assert reading.replaced > replaced
    reading.reader.close()


def test_each_consumer_in_a_row_that_gives_nothing_has_longer_than_the_one_before(
    topic: LogTopic, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.log_reader, "log_consumer", Silenced(2))
    monkeypatch.setattr(core.log_reader, "LONGEST_SILENCE_S", 0.3)
    put(b"1")
    reading = Reading(topic)
    until(lambda: reading.read() == [] and reading.replaced == 2)
    assert 0.3 == reading.reader._silence_s
    until(lambda: reading.read() == [b"1"])
    assert 0.2 == reading.reader._silence_s
    reading.reader.close()


def test_one_that_has_given_all_there_is_stays(topic: LogTopic, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    silenced, looks = Silenced(0), itertools.count()
    monkeypatch.setattr(core.log_reader, "log_consumer", silenced)
    is_behind = LogReader._is_behind

    def counted(reader: LogReader) -> bool:
        next(looks)
        return is_behind(reader)

    monkeypatch.setattr(LogReader, "_is_behind", counted)
    put(b"1")
    reading = Reading(topic)
    until(lambda: reading.read() == [b"1"])
    made, looked = silenced.made, next(looks)  # A slow one may have been replaced before it had given all.
    until(lambda: reading.read() == [b"1"] and next(looks) > looked + 20)
    assert (made, made - 1) == (silenced.made, reading.replaced)
    reading.reader.close()


def test_while_no_broker_answers_nothing_is_replaced(
    broker: Callable[..., LocalKafka], topic_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = broker()
    topic = LogTopic(kafka.bootstrap, topic_name)
    topic.ensure()
    reading = Reading(topic)
    reading.read()
    kafka.kill()
    monkeypatch.setattr("core.log_reader._ANSWER_S", 0.1)
    monkeypatch.setattr("core.kafka_reader.REQUEST_TIMEOUT_S", 0.1)
    until(lambda: reading.read() == [] and bool(reading.errors))
    assert not any(reading.reader._is_behind() for _ in range(3))
    assert 0 == reading.replaced
    reading.reader.close()


def test_what_is_appended_is_read_back_though_the_consumer_has_fallen_silent(
    topic: LogTopic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.log_reader, "log_consumer", Silenced(1))
    log = CommandLog(topic, tmp_path)
    outcome = log.append(
        CommandRecord(
            format=FORMAT,
            application="test",
            command_id=new_command_id(),
            events=(RecordedEvent("a", 1, "topic", "{}"),),
        )
    )
    assert outcome is not None
    assert 1 == log.index.max_notification_id()
    log.close()
