"""Kafka's topics follow the registry, and only what is ours is ever touched."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
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
from tests.altering import add_partitions, alter_topic, delete_records
from tests.running import until


class World:
    """A registry, a status topic that is folded, and a reconciler over a real broker."""

    def __init__(self, kafka: str, folder: Path) -> None:
        self.kafka = kafka
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
        written = self._writer.write(self._status_topic, [record]).result(60)
        self.status.view.wait_for(written[0].offset, 60)

    def _record(self, event: Callable[..., LogEvent], **facts: object) -> int:
        self._position += 1
        recorded = event(
            originator_id=aggregate_id("topic", self.name), originator_version=self._position, name=self.name, **facts
        )
        self.registry.fold([RecordedEvent(self._position, recorded)], self._position)
        return self._position

    def declare(self, write_type: str = "MUTABLE", **config: str) -> int:
        return self._record(
            TopicCreated,
            write_type=write_type,
            key_type="LONG",
            value_type="STRING",
            partitions=2,
            replication_factor=1,
            config=config or {"cleanup.policy": "compact"},
            value_schema=None,
            key_schema=None,
        )

    def dangers(self, incarnation: int) -> list[str]:
        """Look at the immutable topics, and return what was noted of this one."""
        self.reconciler.watch()
        status = self.status.view.topic(self.name, incarnation)
        assert status is not None
        assert CREATED == status.state
        assert (status.dangers != []) == (self.status.view.unsafe() != [])
        return status.dangers

    def give_up(self) -> int:
        return self._record(TopicDeleted)

    def topic_id(self) -> str | None:
        facts = self.admin.describe(self.name)
        return None if facts is None else facts.topic_id

    def create_foreign(self) -> str:
        self.admin.create_topic(self.name, partitions=1, replication_factor=1, config={})
        until(lambda: self.topic_id() is not None)
        topic_id = self.topic_id()
        assert topic_id is not None
        return topic_id


@pytest.fixture
def world(kafka: str, tmp_path: Path) -> Iterator[World]:
    world = World(kafka, tmp_path)
    yield world
    world.close()


def until_settled(world: World) -> None:
    until(world.reconciler.reconcile)


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


def test_a_creation_whose_answer_was_late_and_that_was_asked_again_is_ours(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = world.admin.create_topic

    def create_twice(name: str, *, partitions: int, replication_factor: int, config: Mapping[str, str]) -> None:
        """As librdkafka does when the answer to its first request does not come in time."""
        for _ in range(2):
            create(name, partitions=partitions, replication_factor=replication_factor, config=config)

    monkeypatch.setattr(world.admin, "create_topic", create_twice)
    incarnation = world.declare()
    until_settled(world)
    status = world.status.view.topic(world.name, incarnation)
    assert status is not None
    assert (CREATED, world.topic_id()) == (status.state, status.topic_id)


def test_a_topic_that_somebody_created_anew_is_not_deleted_for_ours(world: World) -> None:
    world.declare()
    until_settled(world)
    world.admin.delete_topic(world.name)
    until(lambda: world.topic_id() is None)
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


# What would let a later record of a key win in an immutable topic.

KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


def declare_immutable(world: World) -> int:
    incarnation = world.declare("IMMUTABLE", **KEPT)
    until_settled(world)
    assert [] == world.dangers(incarnation)
    return incarnation


def await_dangers(world: World, incarnation: int, count: int) -> list[str]:
    """Look until *count* dangers are noted: a broker shows changes a moment after it has agreed to them."""
    until(lambda: len(world.dangers(incarnation)) == count)
    return world.dangers(incarnation)


@pytest.mark.parametrize(
    ("setting", "value", "wanted", "loss"),
    [
        ("cleanup.policy", "compact", "delete", "compaction would remove the first record of a key"),
        ("cleanup.policy", "delete,compact", "delete", "compaction would remove the first record of a key"),
        ("retention.ms", "86400000", "-1", "would be removed after that time"),
        ("retention.bytes", "1000000", "-1", "would be removed beyond that size"),
    ],
)
def test_a_setting_that_lets_a_later_record_win_is_noted_until_it_is_mended(
    world: World, setting: str, value: str, wanted: str, loss: str
) -> None:
    incarnation = declare_immutable(world)
    alter_topic(world.kafka, world.name, setting, value)
    (danger,) = await_dangers(world, incarnation, 1)
    assert danger.startswith(f"The immutable topic {world.name} has {setting}={value}: ")
    assert loss in danger
    assert danger.endswith(f"kafka-configs --alter --topic {world.name} --add-config {setting}={wanted}")
    alter_topic(world.kafka, world.name, setting, wanted)
    assert [] == await_dangers(world, incarnation, 0)


def test_several_dangers_are_all_told_and_written_once(world: World) -> None:
    incarnation = declare_immutable(world)
    alter_topic(world.kafka, world.name, "retention.ms", "1000000")
    alter_topic(world.kafka, world.name, "retention.bytes", "1000000")
    await_dangers(world, incarnation, 2)
    before = world.status.next_offset()
    assert 2 == len(world.dangers(incarnation))
    until_settled(world)
    assert before == world.status.next_offset()


def test_partitions_that_were_added_cannot_be_mended(world: World) -> None:
    incarnation = declare_immutable(world)
    add_partitions(world.kafka, world.name, 4)
    (danger,) = await_dangers(world, incarnation, 1)
    assert "has 4 partitions and was declared with 2" in danger
    assert "create it anew" in danger


def test_records_that_were_removed_cannot_be_mended(world: World, kafka: str) -> None:
    incarnation = declare_immutable(world)
    writer = RecordWriter(kafka)
    written = writer.write(world.name, [OutRecord(b"key", b"%d" % i) for i in range(3)]).result(60)
    writer.close()
    delete_records(kafka, world.name, written[0].partition, 2)
    (danger,) = await_dangers(world, incarnation, 1)
    assert f"begins at offset 2 in partition {written[0].partition}: the records before it are lost" in danger
    assert "create it anew" in danger


def test_an_immutable_topic_that_somebody_created_anew_is_in_danger(world: World) -> None:
    incarnation = declare_immutable(world)
    world.admin.delete_topic(world.name)
    until(lambda: world.topic_id() is None)
    assert [] == world.dangers(incarnation)  # There is nothing to be written to, or to be looked at.
    world.create_foreign()
    (danger,) = await_dangers(world, incarnation, 1)
    assert "was deleted in Kafka and created again" in danger


def test_a_mutable_topic_is_not_watched(world: World) -> None:
    incarnation = world.declare()
    until_settled(world)
    alter_topic(world.kafka, world.name, "retention.ms", "1000000")
    until(lambda: "1000000" == world.admin.topic_config(world.name)["retention.ms"])
    assert [] == world.dangers(incarnation)


def test_a_topic_that_is_given_up_takes_its_dangers_with_it(world: World) -> None:
    incarnation = declare_immutable(world)
    alter_topic(world.kafka, world.name, "cleanup.policy", "compact")
    await_dangers(world, incarnation, 1)
    world.give_up()
    until_settled(world)
    assert [] == world.status.view.unsafe()


def test_who_no_longer_leads_notes_nothing(world: World) -> None:
    declare_immutable(world)
    alter_topic(world.kafka, world.name, "cleanup.policy", "compact")
    until(lambda: "compact" == world.admin.topic_config(world.name)["cleanup.policy"])
    world.leads = False
    with pytest.raises(LeadershipLostError):
        world.reconciler.watch()
    assert [] == world.status.view.unsafe()


def test_a_status_of_before_dangers_were_noted_still_reads(world: World) -> None:
    world.note(TopicStatus(name="old", incarnation=1, state=CREATED, topic_id="id"))
    status = world.status.view.topic("old", 1)
    assert status is not None
    assert b"dangers" not in encode(status)
    assert [] == status.dangers
