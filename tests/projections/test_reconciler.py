"""Kafka's topics follow the registry, and only what is ours is ever touched."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.aggregates import LogEvent, aggregate_id
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer
from core.kafka_writer import OutRecord, RecordWriter
from core.topics import TopicCreated, TopicDeleted
from projections.reconciler import LeadershipLostError, TopicReconciler
from projections.registry import RecordedEvent, RegistryProjection
from projections.status import CREATED, CREATING, FAILED, StatusProjection, TopicStatus, encode, topic_key


class World:
    """A registry, a status topic that is folded, and a reconciler over a real broker."""

    def __init__(self, kafka: str, folder: Path) -> None:
        self.admin = KafkaAdmin(kafka)
        self.name = f"data-{uuid.uuid4().hex}"
        self.leads = True
        self._status_topic = f"status-{uuid.uuid4().hex}"
        self.admin.create_topic(self._status_topic, partitions=1, replication_factor=1, config={})
        self.registry = RegistryProjection(folder / "registry")
        self.status = StatusProjection(folder / "status", "id")
        self._writer = RecordWriter(kafka)
        self._stopping = threading.Event()
        self._fold = threading.Thread(target=self._fold_statuses, args=(kafka,))
        self._fold.start()
        self.reconciler = TopicReconciler(
            self.registry.view, self.status.view, self.admin, self._writer, self._status_topic, lambda: self.leads
        )
        self._position = 0

    def close(self) -> None:
        self._stopping.set()
        self._fold.join()
        self._writer.close()

    def _fold_statuses(self, kafka: str) -> None:
        consumer = TopicsConsumer(kafka)
        consumer.assign({(self._status_topic, 0): 0})
        while not self._stopping.is_set():
            records = consumer.poll(limit=100, timeout_s=0.1).records
            if records:
                self.status.fold(records)
        consumer.close()

    def note(self, status: TopicStatus) -> None:
        record = OutRecord(topic_key(status.name, status.incarnation), encode(status))
        written = self._writer.write(self._status_topic, [record]).result(10)
        self.status.view.wait_for(written[0].offset, 10)

    def _record(self, event: Callable[..., LogEvent], **facts: object) -> int:
        self._position += 1
        recorded = event(
            originator_id=aggregate_id("topic", self.name), originator_version=self._position, name=self.name, **facts
        )
        self.registry.fold([RecordedEvent(self._position, recorded)], self._position)
        return self._position

    def declare(self) -> int:
        return self._record(
            TopicCreated,
            write_type="MUTABLE",
            key_type="LONG",
            value_type="STRING",
            partitions=2,
            replication_factor=1,
            config={"cleanup.policy": "compact"},
            value_schema=None,
            key_schema=None,
        )

    def give_up(self) -> int:
        return self._record(TopicDeleted)

    def topic_id(self) -> str | None:
        facts = self.admin.describe(self.name)
        return None if facts is None else facts.topic_id

    def create_foreign(self) -> str:
        self.admin.create_topic(self.name, partitions=1, replication_factor=1, config={})
        deadline = time.monotonic() + 10
        while (topic_id := self.topic_id()) is None:
            assert time.monotonic() < deadline
        return topic_id


@pytest.fixture
def world(kafka: str, tmp_path: Path) -> Iterator[World]:
    world = World(kafka, tmp_path)
    yield world
    world.close()


def until_settled(world: World) -> None:
    deadline = time.monotonic() + 20
    while not world.reconciler.reconcile():
        assert time.monotonic() < deadline, "the topics did not settle in time"


def test_a_declared_topic_is_created_as_declared(world: World) -> None:
    incarnation = world.declare()
    until_settled(world)
    facts = world.admin.describe(world.name)
    assert facts is not None
    assert 2 == facts.partitions
    assert "compact" == world.admin.topic_config(world.name)["cleanup.policy"]
    status = world.status.view.topic(world.name, incarnation)
    assert status is not None
    assert (CREATED, facts.topic_id) == (status.state, status.topic_id)


def test_a_topic_that_was_given_up_is_deleted(world: World) -> None:
    world.declare()
    until_settled(world)
    world.give_up()
    until_settled(world)
    assert world.topic_id() is None
    assert [] == world.status.view.topics()


def test_deleted_and_created_again_between_two_looks_is_another_topic(world: World) -> None:
    world.declare()
    until_settled(world)
    first = world.topic_id()
    world.give_up()
    world.declare()
    until_settled(world)
    assert world.topic_id() not in {None, first}


def test_a_topic_of_somebody_else_is_left_alone_and_told(world: World) -> None:
    foreign = world.create_foreign()
    incarnation = world.declare()
    assert not world.reconciler.reconcile()
    status = world.status.view.topic(world.name, incarnation)
    assert status is not None
    assert FAILED == status.state
    world.give_up()
    until_settled(world)
    assert foreign == world.topic_id()


def test_a_creation_that_was_interrupted_after_kafka_agreed_is_adopted(world: World) -> None:
    incarnation = world.declare()
    world.note(TopicStatus(name=world.name, incarnation=incarnation, state=CREATING))
    created = world.create_foreign()  # As the interrupted reconciler did.
    until_settled(world)
    status = world.status.view.topic(world.name, incarnation)
    assert status is not None
    assert (CREATED, created) == (status.state, status.topic_id)


def test_a_topic_that_somebody_created_anew_is_not_deleted_for_ours(world: World) -> None:
    world.declare()
    until_settled(world)
    world.admin.delete_topic(world.name)
    deadline = time.monotonic() + 10
    while world.topic_id() is not None:
        assert time.monotonic() < deadline
    foreign = world.create_foreign()
    world.give_up()
    until_settled(world)
    assert foreign == world.topic_id()


def test_who_no_longer_leads_changes_nothing(world: World) -> None:
    world.declare()
    world.leads = False
    with pytest.raises(LeadershipLostError):
        world.reconciler.reconcile()
    assert world.topic_id() is None


def test_reconciling_again_changes_nothing(world: World) -> None:
    world.declare()
    until_settled(world)
    before = (world.topic_id(), world.status.next_offset())
    until_settled(world)
    assert before == (world.topic_id(), world.status.next_offset())
