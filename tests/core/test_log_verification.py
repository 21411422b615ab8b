"""What a verification finds in a log on a real broker."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from core import gateways
from core.aggregates import LogEvent, aggregate_id
from core.errors import UnsafeLogError
from core.event_mapper import EventMapper
from core.log_index import LogIndex
from core.log_rows import LogEntry
from core.log_topic import LogTopic
from core.log_verification import Verification, differences
from core.record import FORMAT, CommandRecord, RecordedEvent, encode, new_command_id, new_void, state_of
from tests.running import until

Put = Callable[..., int]


@pytest.fixture
def topic(kafka: str) -> LogTopic:
    topic = LogTopic(kafka, f"log-{uuid.uuid4().hex}")
    topic.ensure()
    return topic


def record(*events: RecordedEvent, command_id: str | None = None) -> bytes:
    return encode(
        CommandRecord(format=FORMAT, application="quick", command_id=command_id or new_command_id(), events=events)
    )


def created(name: str, version: int = 1) -> RecordedEvent:
    return _stored(
        gateways.GatewayCreated(
            originator_id=aggregate_id("gateway", name),
            originator_version=version,
            name=name,
            replicas=1,
            tag=None,
            sdl="",
        )
    )


def deleted(name: str, version: int) -> RecordedEvent:
    gateway_id = aggregate_id("gateway", name)
    return _stored(gateways.GatewayDeleted(originator_id=gateway_id, originator_version=version, name=name))


def _stored(event: LogEvent) -> RecordedEvent:
    stored = EventMapper().to_stored_event(event)
    return RecordedEvent(str(stored.originator_id), stored.originator_version, stored.topic, state_of(stored.state))


def findings(topic: LogTopic, folder: Path, live: LogIndex | None = None) -> list[str]:
    with Verification(topic, folder) as verification:
        found = list(verification.findings(live))
    assert [] == [path for path in folder.iterdir() if path.name.startswith("verify-")]
    return found


def test_in_a_healthy_log_nothing_is_found(topic: LogTopic, put: Put, tmp_path: Path) -> None:
    put(
        record(created("shop"), created("zoo")),
        record(created("shop")),  # Refused, as happens when two create one thing.
        encode(new_void("quick", "given-up")),
        record(created("other"), command_id="given-up"),
        record(deleted("shop", 2)),
        b"garbage",
        b'{"format":1,"application":"quick","quarantine":5}',
        record(created("shop", 3)),
        record(),
    )
    with Verification(topic, tmp_path) as verification:
        assert [] == list(verification.findings(None))
        assert (4, 9) == (verification.index.max_notification_id(), verification.index.next_offset())
        # The index that it has made is one that a machine could serve from.
        assert [] == list(verification.findings(verification.index))


def test_an_empty_log_is_healthy(topic: LogTopic, tmp_path: Path) -> None:
    assert [] == findings(topic, tmp_path)


def test_a_record_that_nobody_can_decode_is_found_with_the_way_out(topic: LogTopic, put: Put, tmp_path: Path) -> None:
    put(record(created("shop")), b"garbage", record(created("zoo")))
    [finding] = findings(topic, tmp_path)
    assert f"{topic.name}[0]@1" in finding
    assert "quick log quarantine 1 --reason" in finding


def test_a_record_of_a_newer_format_is_found_and_asks_for_an_upgrade(topic: LogTopic, put: Put, tmp_path: Path) -> None:
    put(b'{"format":2}')
    [finding] = findings(topic, tmp_path)
    assert f"{topic.name}[0]@0" in finding
    assert "upgrade" in finding


def test_offsets_without_a_record_are_found(topic: LogTopic, put: Put, tmp_path: Path) -> None:
    put(record(created("shop")))
    end = topic.end_offset()
    producer = Producer({"bootstrap.servers": topic.bootstrap, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(topic.name, record(created("zoo")))
    producer.commit_transaction(60)
    until(lambda: topic.end_offset() == end + 2)  # The marker is written a moment later.
    [finding] = findings(topic, tmp_path)
    assert f"{topic.name}[0]@2 to 2 hold no record" in finding


def test_versions_that_do_not_follow_on_one_another_are_found(topic: LogTopic, put: Put, tmp_path: Path) -> None:
    put(record(created("shop", 2)), record(created("zoo")), record(deleted("zoo", 3)), record(deleted("zoo", 2)))
    found = findings(topic, tmp_path)
    assert [f"{topic.name}[0]@0, position 1", f"{topic.name}[0]@2, position 3", f"{topic.name}[0]@3, position 4"] == [
        finding.split(": ")[0] for finding in found
    ]
    assert "version 2 of" in found[0]
    assert "follows on version 0" in found[0]
    assert "follows on version 1" in found[1]
    assert "follows on version 3" in found[2]


def test_events_that_this_program_does_not_know_are_found(topic: LogTopic, put: Put, tmp_path: Path) -> None:
    put(
        record(RecordedEvent(str(aggregate_id("gateway", "a")), 1, "quick:GatewayPainted", "{}")),
        record(created("shop")),
        record(RecordedEvent("not-a-uuid", 1, "quick:GatewayDeleted", '{"name":"b"}')),
        record(RecordedEvent(str(aggregate_id("gateway", "c")), 1, "quick:GatewayDeleted", "garbage")),
    )
    found = findings(topic, tmp_path)
    assert [(0, 1), (2, 3), (3, 4)] == [
        tuple(int(part) for part in finding.split("]@")[1].split(": ")[0].split(", position ")) for finding in found
    ]
    assert "quick:GatewayPainted" in found[0]
    assert "upgrade" in found[0]


def test_an_index_that_is_not_what_the_log_says_is_found(topic: LogTopic, put: Put, tmp_path: Path) -> None:
    values = [record(created(name)) for name in ("shop", "zoo", "bar")]
    put(*values)
    live = LogIndex(tmp_path / "live", topic.name)
    live.fold([LogEntry(0, 1000, values[0]), LogEntry(1, 1000, record(created("other"))), LogEntry(2, 1000, values[2])])
    [finding] = findings(topic, tmp_path, live)
    assert finding.startswith(f"{topic.name}[0]@0, position 1: the index of this machine holds something else")
    assert "quick replay --view log --swap" in finding
    live.close()


def test_a_log_that_has_lost_its_beginning_cannot_be_verified(topic: LogTopic, put: Put, tmp_path: Path) -> None:
    put(record(created("shop")), record(created("zoo")))
    client = AdminClient({"bootstrap.servers": topic.bootstrap})
    for future in client.delete_records([TopicPartition(topic.name, 0, 1)]).values():
        future.result(60)
    with pytest.raises(UnsafeLogError, match="begins at offset 1"):
        findings(topic, tmp_path)
    assert [] == list(tmp_path.iterdir())


# Two indexes of one log; no broker is needed.


@pytest.fixture
def new_index(tmp_path: Path) -> Iterator[Callable[..., LogIndex]]:
    made: list[LogIndex] = []

    def new_index(*entries: LogEntry) -> LogIndex:
        index = LogIndex(tmp_path / uuid.uuid4().hex, "log")
        made.append(index)
        if entries:
            index.fold(entries)
        return index

    yield new_index
    for index in made:
        index.close()


def entries(count: int) -> list[LogEntry]:
    return [LogEntry(i, 1000 + i, record(created(f"g{i}"), command_id=f"c{i}")) for i in range(count)]


def test_an_index_that_is_behind_is_compared_as_far_as_it_goes(new_index: Callable[..., LogIndex]) -> None:
    assert [] == list(differences(new_index(*entries(3)), new_index(*entries(9)), "log"))
    assert [] == list(differences(new_index(), new_index(*entries(9)), "log"))
    assert [] == list(differences(new_index(*entries(9)), new_index(*entries(9)), "log"))


def test_the_first_difference_is_named(new_index: Callable[..., LogIndex], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.log_index._READ_AT_ONCE", 2)
    missing = entries(9)
    missing[4] = LogEntry(4, 1004, encode(new_void("quick", "c4")))
    late = entries(9)
    late[7] = LogEntry(7, 9999, late[7].raw)
    rebuilt = new_index(*entries(9))
    for wrong, place in ((missing, "log[0]@4, position 5"), (late, "log[0]@7, position 8")):
        [finding] = differences(new_index(*wrong), rebuilt, "log")
        assert place == finding.split(": ")[0]
        [finding] = differences(rebuilt, new_index(*wrong), "log")
        assert place == finding.split(": ")[0]
