"""The registry in a topic for others: right after kills, strangers, deletions, and for one leader only."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.aggregates import LogEvent, aggregate_id
from core.errors import KafkaRefusedError, KafkaUnavailableError
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer
from core.kafka_writer import OutRecord, RecordWriter
from core.published_registry import RegistryRecords, registry_topic
from core.topics import TopicCreated, TopicDeleted
from projections.reconciler import LeadershipLostError, TopicReconciler
from projections.registry import RecordedEvent, RegistryProjection
from projections.registry_publisher import RegistryPublisher, held_by
from projections.status import CREATED, FAILED, StatusProjection
from tests.altering import add_partitions, alter_in_force, alter_topic, delete_records
from tests.running import until
from tests.serving import served_ends

MANY = 3_000


class World:
    """A registry, the status topic that is folded, and what makes and fills the registry's topic on a real broker."""

    def __init__(self, kafka: str, folder: Path) -> None:
        self.kafka = kafka
        self.admin = KafkaAdmin(kafka)
        self.topic = f"__registry-{uuid.uuid4().hex}"
        self.leads = True
        self.folder = folder
        self._status_topic = f"status-{uuid.uuid4().hex}"
        self.admin.create_topic(self._status_topic, partitions=1, replication_factor=1, config={})
        self.registry = RegistryProjection(folder / "registry", registry_topic(self.topic, replication_factor=1))
        self.status = StatusProjection(folder / "status", "id")
        self.writer = RecordWriter(kafka)
        self._stopping = threading.Event()
        self._fold = threading.Thread(target=self._fold_statuses)
        self._fold.start()
        self.reconciler = TopicReconciler(
            self.registry.view, self.status.view, self.admin, self.writer, self._status_topic, lambda: self.leads
        )
        self.publisher = self.new_publisher()
        self._position = 0

    def new_publisher(self) -> RegistryPublisher:
        return RegistryPublisher(
            self.registry.view,
            self.status.view,
            self.admin,
            self.new_consumer,
            self.writer,
            None,
            lambda: self.leads,
        )

    def new_consumer(self) -> TopicsConsumer:
        return TopicsConsumer(self.kafka, fetch_wait_ms=5)

    def close(self) -> None:
        self._stopping.set()
        self._fold.join()
        self.writer.close()
        self.registry.close()
        self.status.close()

    def _fold_statuses(self) -> None:
        consumer = TopicsConsumer(self.kafka)
        consumer.assign({(self._status_topic, 0): 0})
        while not self._stopping.is_set():
            records = consumer.poll(limit=100, timeout_s=0.1).records
            if records:
                self.status.fold(records)
        consumer.close()

    def declare(self, *names: str) -> None:
        self._fold_events(
            names,
            TopicCreated,
            write_type="MUTABLE",
            key_type="LONG",
            value_type="STRING",
            partitions=1,
            replication_factor=1,
            config={"cleanup.policy": "compact"},
            value_schema=None,
            key_schema=None,
        )

    def give_up(self, *names: str) -> None:
        self._fold_events(names, TopicDeleted)

    def _fold_events(self, names: tuple[str, ...], event: Callable[..., LogEvent], **facts: object) -> None:
        events = []
        for name in names:
            self._position += 1
            made = event(
                originator_id=aggregate_id("topic", name), originator_version=self._position, name=name, **facts
            )
            events.append(RecordedEvent(self._position, made))
        self.registry.fold(events, self._position)

    def establish(self) -> None:
        """Make the registry's topic alone: those that are declared are no matter here."""
        row = self.registry.view.topic(self.topic)
        until(lambda: self.reconciler._state_of(row, self.status.view.topic(self.topic, 0)) == CREATED)
        self.end()  # It has a leader, who can be asked.

    def write(self, *records: OutRecord) -> None:
        self.writer.write(self.topic, records).result(60)

    def held(self) -> dict[bytes, bytes]:
        facts = self.admin.describe(self.topic)
        assert facts is not None
        return held_by(self.topic, facts.partitions, self.new_consumer)

    def wanted(self) -> dict[bytes, bytes]:
        records = RegistryRecords()
        return dict(records.record(row.state) for row in self.registry.view.topics())

    def end(self) -> int:
        return served_ends(self.kafka, self.topic)[0]


@pytest.fixture
def world(kafka: str, tmp_path: Path) -> Iterator[World]:
    world = World(kafka, tmp_path)
    yield world
    world.close()


# What is in it.


def test_every_declared_topic_is_in_it_and_itself_is_not(world: World) -> None:
    world.declare("a", "b")
    world.establish()
    assert world.publisher.publish()
    assert {b"a", b"b"} == world.held().keys()
    assert world.wanted() == world.held()


def test_what_is_there_already_is_not_written_again(world: World) -> None:
    world.declare("a", "b")
    world.establish()
    world.publisher.publish()
    assert 2 == world.end()
    assert world.new_publisher().publish()
    world.declare("c")
    assert world.publisher.publish()
    assert 3 == world.end()


def test_a_deleted_topic_leaves_with_a_tombstone(world: World) -> None:
    world.declare("a", "b")
    world.establish()
    world.publisher.publish()
    world.give_up("a")
    assert world.publisher.publish()
    assert {b"b"} == world.held().keys()
    world.declare("a")
    assert world.publisher.publish()
    assert world.wanted() == world.held()


def test_an_empty_registry_is_an_empty_topic(world: World) -> None:
    world.establish()
    assert world.publisher.publish()
    assert ({}, 0) == (world.held(), world.end())


# What others do to it.


def test_what_a_stranger_writes_is_put_right(world: World) -> None:
    world.declare("a", "b")
    world.establish()
    world.publisher.publish()
    world.write(OutRecord(b"a", b"junk"), OutRecord(b"b", None), OutRecord(b"c", b""))
    assert world.publisher.publish()
    assert world.wanted() == world.held()


def test_what_a_stranger_takes_away_is_written_again(world: World) -> None:
    world.declare("a", "b")
    world.establish()
    world.publisher.publish()
    alter_in_force(world.kafka, world.topic, "cleanup.policy", "compact,delete")  # Otherwise Kafka refuses.
    delete_records(world.kafka, world.topic, 0, 1)
    until(lambda: world.held().keys() == {b"b"})
    assert world.publisher.publish()
    assert world.wanted() == world.held()


def test_a_later_record_in_another_partition_counts_as_it_does_in_a_mirror(world: World) -> None:
    world.declare(*(f"t{number}" for number in range(20)))
    world.establish()
    world.publisher.publish()
    add_partitions(world.kafka, world.topic, 3)
    until(lambda: (facts := world.admin.describe(world.topic)) is not None and facts.partitions == 3)
    world.writer.close()
    world.writer = RecordWriter(world.kafka)  # It knows all partitions.
    world.publisher = world.new_publisher()
    now_ms = int(time.time() * 1000)
    world.write(*(OutRecord(f"t{number}".encode(), b"junk", timestamp_ms=now_ms) for number in range(20)))
    assert world.publisher.publish()
    assert world.wanted() == world.held()


def test_a_topic_that_a_stranger_deletes_is_made_and_filled_again(world: World) -> None:
    world.declare("a")
    world.establish()
    world.publisher.publish()
    before = world.admin.describe(world.topic)
    assert before is not None
    world.admin.delete_topic(world.topic)
    until(lambda: world.admin.describe(world.topic) is None)
    assert not world.publisher.publish(), "it is not there"
    world.establish()
    until(world.publisher.publish)
    after = world.admin.describe(world.topic)
    assert after is not None
    assert before.topic_id != after.topic_id
    assert world.wanted() == world.held()


def test_a_topic_that_a_stranger_deletes_and_creates_is_adopted_and_filled(world: World) -> None:
    world.declare("a")
    world.establish()
    world.publisher.publish()
    world.admin.delete_topic(world.topic)
    until(lambda: world.admin.describe(world.topic) is None)
    config = {"cleanup.policy": "compact"}
    world.admin.create_topic(world.topic, partitions=2, replication_factor=1, config=config)
    until(lambda: world.admin.describe(world.topic) is not None)
    world.establish()
    until(world.publisher.publish)
    assert world.wanted() == world.held()


def test_a_topic_from_which_entries_would_vanish_is_refused_and_told(world: World) -> None:
    world.admin.create_topic(world.topic, partitions=1, replication_factor=1, config={"cleanup.policy": "delete"})
    until(lambda: world.admin.describe(world.topic) is not None)
    assert not world.reconciler.reconcile()
    status = world.status.view.topic(world.topic, 0)
    assert status is not None
    assert (FAILED, True) == (status.state, "Set it to compact" in (status.error or ""))
    assert not world.publisher.publish()
    alter_topic(world.kafka, world.topic, "cleanup.policy", "compact")
    until(world.reconciler.reconcile)
    world.declare("a")
    assert world.publisher.publish()
    assert world.wanted() == world.held()


def test_a_topic_that_may_not_be_looked_at_is_told_and_stops_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.admin.create_topic(world.topic, partitions=1, replication_factor=1, config={"cleanup.policy": "compact"})
    until(lambda: world.admin.describe(world.topic) is not None)

    def refuse(name: str) -> dict[str, str]:
        raise KafkaRefusedError(f"Kafka refused reading the settings of topic {name}: Topic authorization failed")

    monkeypatch.setattr(world.admin, "topic_config", refuse)
    assert not world.reconciler.reconcile()
    status = world.status.view.topic(world.topic, 0)
    assert status is not None
    assert (FAILED, True) == (status.state, "authorization" in (status.error or ""))


def test_nothing_of_it_is_deleted_when_the_registry_is_published_elsewhere(world: World) -> None:
    world.establish()
    world.registry.published = None
    other = TopicReconciler(
        world.registry.view, world.status.view, world.admin, world.writer, world._status_topic, lambda: True
    )
    assert other.reconcile()
    assert world.status.view.topic(world.topic, 0) is None
    assert world.admin.describe(world.topic) is not None


# Who writes it.


def test_who_does_not_lead_writes_nothing(world: World) -> None:
    world.declare("a")
    world.establish()
    world.leads = False
    with pytest.raises(LeadershipLostError):
        world.publisher.publish()
    assert 0 == world.end()


def test_a_broker_that_cannot_be_read_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.registry_publisher.READ_TIMEOUT_S", 0.1)
    with pytest.raises(KafkaUnavailableError, match="cannot be read now"):
        held_by(f"nothing-{uuid.uuid4().hex}", 1, world.new_consumer)


KILLED = """
import signal
import sys
from pathlib import Path
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer
from core.kafka_writer import RecordWriter
from core.published_registry import registry_topic
from projections.registry import RegistryView
from projections.registry_publisher import RegistryPublisher
from projections.status import StatusView

kafka, folder, topic = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
registry = RegistryView.open(folder / "registry", registry_topic(topic, replication_factor=1))
status, writer = StatusView.open(folder / "status"), RecordWriter(kafka)
write = writer.write
def slowly(topic, records):
    for record in records[:500]:  # One at a time, so that there is a half to be killed in.
        write(topic, [record]).result(60)
    signal.pause()  # However late the kill comes, it comes half-way.
writer.write = slowly
admin = KafkaAdmin(kafka)
RegistryPublisher(registry, status, admin, lambda: TopicsConsumer(kafka), writer, None, lambda: True).publish()
"""


def test_who_is_killed_half_way_leaves_nothing_that_the_next_one_does_not_put_right(world: World) -> None:
    names = [f"topic-{number}" for number in range(MANY)]
    world.declare(*names)
    world.establish()
    for round_ in range(3):
        before = world.end()
        command = [sys.executable, "-c", KILLED, world.kafka, str(world.folder), world.topic]
        process = subprocess.Popen(command)
        try:
            until(lambda before=before: world.end() > before + 20)  # type: ignore[misc]  # as in the loop
        finally:
            process.kill()
            process.wait(60)
        assert world.wanted() != world.held(), "it was killed half-way"
        world.give_up(*names[round_ * 100 : round_ * 100 + 50])
    assert world.publisher.publish()
    assert MANY - 150 == len(world.held())
    assert world.wanted() == world.held()
