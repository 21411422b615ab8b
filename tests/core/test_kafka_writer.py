from __future__ import annotations

from collections.abc import Callable

import pytest

from core.errors import KafkaRefusedError, KafkaUnavailableError
from core.kafka_admin import KafkaAdmin
from core.kafka_writer import OutRecord, RecordWriter, Written, last_offsets
from tests.serving import made_topic


@pytest.fixture
def topic(kafka: str, topic_name: str) -> str:
    KafkaAdmin(kafka).create_topic(topic_name, partitions=1, replication_factor=1, config={"max.message.bytes": "1000"})
    return topic_name


def test_records_are_acknowledged_in_order(kafka: str, topic: str) -> None:
    writer = RecordWriter(kafka)
    written = writer.write(topic, [OutRecord(b"a", b"1"), OutRecord(b"b", None), OutRecord(None, b"3")]).result(30)
    writer.close()
    assert [Written(0, 0), Written(0, 1), Written(0, 2)] == written


def test_nothing_to_write_is_written_at_once(kafka: str, topic: str) -> None:
    writer = RecordWriter(kafka)
    assert [] == writer.write(topic, []).result(0)
    writer.close()


def test_what_kafka_does_not_take_is_refused(kafka: str, topic: str) -> None:
    writer = RecordWriter(kafka)
    with pytest.raises(KafkaRefusedError):
        writer.write(topic, [OutRecord(b"a", bytes(5000))]).result(30)
    writer.close()


def test_without_a_broker_nothing_is_acknowledged(free_port: Callable[[], int]) -> None:
    writer = RecordWriter(f"127.0.0.1:{free_port()}", delivery_timeout_s=0.5)
    with pytest.raises(KafkaUnavailableError):
        writer.write("topic", [OutRecord(b"a", b"1"), OutRecord(b"b", b"2")]).result(30)
    writer.close()


def test_who_gives_up_waiting_does_not_disturb_the_others(kafka: str, topic: str) -> None:
    writer = RecordWriter(kafka)
    assert not writer.write(topic, [OutRecord(b"a", b"1")]).cancel()
    assert [Written(0, 1)] == writer.write(topic, [OutRecord(b"b", b"2")]).result(30)
    writer.close()


def test_the_last_record_of_each_partition_tells_how_far_records_lie() -> None:
    written = [Written(0, 5), Written(1, 2), Written(0, 4), Written(0, 7)]
    assert {0: 7, 1: 2} == last_offsets("nobody is asked", "topic", written)


def test_records_whose_places_kafka_has_not_said_lie_before_the_end(kafka: str, topic_name: str) -> None:
    made_topic(kafka, topic_name, 2)
    writer = RecordWriter(kafka)
    records = [OutRecord(b"%d" % number, b"") for number in range(20)]
    written = writer.write(topic_name, records).result(60)
    writer.close()
    ends = last_offsets(kafka, topic_name, written)
    assert {0, 1} == ends.keys()
    assert ends == last_offsets(kafka, topic_name, [Written(0, None), Written(1, 0), Written(1, None)])
    assert {0: ends[0], 1: 0} == last_offsets(kafka, topic_name, [Written(1, 0), Written(0, 0), Written(0, None)])
