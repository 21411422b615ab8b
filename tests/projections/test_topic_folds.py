"""The folds of a machine: copies that are built beside, and what others do to Kafka's topics meanwhile."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Producer

from core.aggregates import LogEvent, aggregate_id
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import Polled, TopicsConsumer
from core.kafka_writer import OutRecord, RecordWriter
from core.mirrors import MirrorAltered, MirrorCreated, MirrorDefinition, MirrorRebuildRequested
from core.topics import TopicCreated
from projections import fold_consumer
from projections.freshness import Freshness, FreshnessProjection, Look, freshness
from projections.mirror_copies import kept_at
from projections.mirror_places import MirrorPlace
from projections.mirrors import MirrorView
from projections.places import ViewFolder
from projections.registry import RecordedEvent, RegistryProjection
from projections.status import CREATED, StatusProjection, TopicStatus, encode, topic_key
from projections.topic_folds import TopicFolds
from projections.topic_watch import TopicWatch
from tests.altering import add_partitions, delete_records
from tests.running import until

HOUR_MS = 3_600_000


class SilentConsumer(TopicsConsumer):
    """Gives nothing more from the time on when it is told to: the broker is fine, and nothing comes."""

    falls_silent = is_silent = False

    def poll(self, *, limit: int, timeout_s: float) -> Polled:
        if self.falls_silent:
            self._consumer.pause(self._consumer.assignment())
            self.is_silent = True
        return super().poll(limit=limit, timeout_s=timeout_s)


class World:
    """Declarations, a status topic, and the folds of a machine that can be stopped and started again."""

    def __init__(self, kafka: str, folder: Path) -> None:
        self.kafka = kafka
        self.admin = KafkaAdmin(kafka)
        self.name = f"data-{uuid.uuid4().hex}"
        self.folder = ViewFolder(folder)
        self.writer = RecordWriter(kafka, linger_ms=1, delivery_timeout_s=60)
        self._status_topic = f"status-{uuid.uuid4().hex}"
        self.admin.create_topic(self._status_topic, partitions=1, replication_factor=1, config={})
        self._registry = RegistryProjection(folder / "registry")
        self._status = StatusProjection(folder / "status", "id")
        self._freshness = FreshnessProjection(folder / "freshness")
        self._position = 0
        self._versions: dict[str, int] = {}
        self._running: tuple[threading.Event, list[threading.Thread]] | None = None
        self.failures: list[Exception] = []
        self.fetch_waits_ms: list[int] = []

    def close(self) -> None:
        self.stop()
        self.writer.close()
        self._registry.close()
        self._status.close()
        self._freshness.close()

    def start(self) -> None:
        stopping = threading.Event()
        self.folds = TopicFolds(
            self.folder,
            self._registry.view,
            self._status,
            self._status_topic,
            self._freshness,
            self._registry.view.schema,
            self.kafka,
            self._new_consumer,
            stopping,
        )
        watch = TopicWatch(self.kafka, self._freshness, self.folds.folded, self.folds.positions)
        self.folds.facts, self.folds.standing_still = lambda: watch.facts, lambda: watch.standing_still
        parts = [threading.Thread(target=self._told, args=(self.folds.run,))]
        parts.append(threading.Thread(target=self._told, args=(lambda: watch.run(stopping),)))
        for part in parts:
            part.start()
        self._running = (stopping, parts)

    def _new_consumer(self, fetch_wait_ms: int) -> TopicsConsumer:
        self.fetch_waits_ms.append(fetch_wait_ms)
        self.consumer = SilentConsumer(self.kafka, tells_lost=True, fetch_wait_ms=fetch_wait_ms)
        return self.consumer

    def _told(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  asserted at the end of the test
            self.failures.append(error)

    def stop(self) -> None:
        if self._running is not None:
            stopping, parts = self._running
            stopping.set()
            for part in parts:
                part.join()
            self._running = None
        assert [] == self.failures

    # What is declared.

    def declare(self, definition: dict[str, object] | None = None, *, partitions: int = 2, **config: str) -> None:
        """Create a topic in Kafka, declare it with its mirror, and note that it was created."""
        self.admin.create_topic(self.name, partitions=partitions, replication_factor=1, config=config)
        incarnation = self.record(
            "topic",
            TopicCreated,
            write_type="MUTABLE",
            key_type="STRING",
            value_type="STRING",
            partitions=partitions,
            replication_factor=1,
            config=config,
            value_schema=None,
            key_schema=None,
        )
        self.record("mirror", MirrorCreated, topic=self.name, replicas=1, tag=None, definition=definition or {})
        self.incarnation = incarnation
        self.note_created()

    def record(self, noun: str, event: Callable[..., LogEvent], **facts: object) -> int:
        self._position += 1
        self._versions[noun] = self._versions.get(noun, 0) + 1
        origin = aggregate_id(noun, self.name)
        recorded = event(originator_id=origin, originator_version=self._versions[noun], name=self.name, **facts)
        self._registry.fold([RecordedEvent(self._position, recorded)], self._position)
        return self._position

    def note_created(self) -> None:
        until(lambda: self.admin.describe(self.name) is not None)
        found = self.admin.describe(self.name)
        assert found is not None
        self.topic_id = found.topic_id
        status = TopicStatus(name=self.name, incarnation=self.incarnation, state=CREATED, topic_id=found.topic_id)
        record = OutRecord(topic_key(self.name, self.incarnation), encode(status))
        self.writer.write(self._status_topic, [record]).result(60)

    # What becomes of it.

    def write(self, *pairs: tuple[bytes, bytes | None]) -> None:
        self.writer.write(self.name, [OutRecord(*pair) for pair in pairs]).result(60)

    @property
    def place(self) -> MirrorPlace:
        return MirrorPlace(self.folder.mirror_place(self.topic_id))

    def freshness(self) -> Freshness:
        (folded,) = self.folds.folded()
        return freshness(self._freshness.look(self.topic_id), folded.offsets)

    def await_current(self) -> None:
        """Wait until everything is folded that the topic holds now."""
        began = time.time()

        def is_current() -> bool:
            assert [] == self.failures
            folded, look = self.folds.folded(), self._freshness.look(self.topic_id)
            if not folded or look is None or look.at_ms < began * 1000:
                return False
            if look.ends.keys() != folded[0].offsets.keys():  # It was looked before partitions were added.
                return False
            return freshness(look, folded[0].offsets).records == 0

        until(is_current)

    def kept(self) -> MirrorDefinition | None:
        """Return what the copy was built for that is folded, `None` while none is."""
        folded = self.folds.folded()
        return folded[0].kept.definition if folded else None

    def await_copy(self, definition: MirrorDefinition) -> None:
        """Wait until the copy that answers was built for *definition*."""

        def is_there() -> bool:
            assert [] == self.failures
            return self.place.next() is None and self.kept() == definition

        until(is_there)

    def content(self) -> dict[bytes, bytes]:
        """Return what a reader finds; the folds must be stopped, since a process opens a store only once."""
        live = self.place.live()
        assert live is not None
        with closing(MirrorView(live)) as view:
            assert view.is_ready()
            return {entry.key: entry.value for entry in view.all()}


@pytest.fixture
def world(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("QUICK_KAFKA_BOOTSTRAP_SERVER", kafka)  # For the processes that build.
    monkeypatch.setenv("QUICK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("QUICK_APIKEY", "unused")
    world = World(kafka, tmp_path)
    yield world
    world.close()


def test_a_mirror_that_is_to_keep_something_else_is_built_beside(world: World) -> None:
    world.declare()
    world.start()
    world.write((b"a", b"1"), (b"b", b"1"))
    world.await_current()
    first = world.place.live()
    world.record("mirror", MirrorAltered, definition={"retention_ms": HOUR_MS})
    world.await_copy(MirrorDefinition(retention_ms=HOUR_MS))
    world.write((b"b", b"2"), (b"c", b"1"))
    world.await_current()
    world.stop()
    assert first != world.place.live()
    assert {b"a": b"1", b"b": b"2", b"c": b"1"} == world.content()
    assert 1 == sum(not found.is_symlink() for found in world.place.folder.iterdir())


def test_a_rebuild_that_is_asked_for_continues_after_a_restart(world: World) -> None:
    world.declare()
    world.start()
    world.write(*((b"%d" % number, b"v") for number in range(5_000)))
    world.await_current()
    world.record("mirror", MirrorRebuildRequested)
    until(lambda: world.place.next() is not None or world.kept() == MirrorDefinition(build=1))
    world.stop()
    world.start()
    world.await_copy(MirrorDefinition(build=1))
    world.stop()
    assert 5_000 == len(world.content())


def test_a_change_that_is_taken_back_leaves_the_copy_that_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.declare()
    world.start()
    world.write(*((b"%d" % number, b"v") for number in range(100)))
    world.await_current()
    first = world.place.live()
    with monkeypatch.context() as held_up:
        finished = world.folds._builds.finished
        held_up.setattr(world.folds._builds, "finished", lambda: finished() and [])  # Not before it is taken back.
        world.record("mirror", MirrorAltered, definition={"retention_ms": HOUR_MS})
        until(lambda: world.place.next() is not None)
        world.record("mirror", MirrorAltered, definition={})
        until(lambda: world.place.next() is None)
    world.write((b"more", b"v"))
    world.await_current()
    world.await_copy(MirrorDefinition())
    world.stop()
    assert first == world.place.live()
    assert 101 == len(world.content())


def test_partitions_that_are_added_are_mirrored(world: World, kafka: str) -> None:
    world.declare(partitions=1)
    world.start()
    keys = [b"%d" % number for number in range(50)]
    world.write(*((key, b"old") for key in keys))
    world.await_current()
    add_partitions(kafka, world.name, 3)
    until(lambda: len(world.folds.folded()[0].offsets) == 3)
    with closing(RecordWriter(kafka, delivery_timeout_s=60)) as writer:  # It learns of the partitions when it begins.
        pairs = [(key, None if number % 2 else b"new") for number, key in enumerate(keys)]
        writer.write(world.name, [OutRecord(*pair) for pair in pairs]).result(60)
    world.await_current()
    world.stop()
    assert dict.fromkeys(keys[::2], b"new") == world.content()


def test_a_topic_that_was_created_again_is_another_one(world: World) -> None:
    world.declare()
    world.start()
    world.write((b"old", b"1"))
    world.await_current()
    old = world.place
    world.admin.delete_topic(world.name)
    until(lambda: world.admin.describe(world.name) is None)
    until(lambda: world.folds.folded()[0].trouble is not None)
    assert "Kafka has no topic" in str(world.folds.folded()[0].trouble)
    world.admin.create_topic(world.name, partitions=1, replication_factor=1, config={})
    until(lambda: "created another one" in str(world.folds.folded()[0].trouble))
    assert old.live() is not None
    world.note_created()
    until(lambda: [world.topic_id] == [folded.topic_id for folded in world.folds.folded()])
    with closing(RecordWriter(world.kafka, delivery_timeout_s=60)) as writer:
        writer.write(world.name, [OutRecord(b"new", b"1")]).result(60)
    world.await_current()
    world.stop()
    assert not old.folder.exists()
    assert {b"new": b"1"} == world.content()


def test_records_that_are_gone_before_they_are_read_are_told(world: World, kafka: str) -> None:
    world.declare(partitions=1)
    world.write(*((b"%d" % number, b"v") for number in range(10)))
    delete_records(kafka, world.name, 0, 4)
    world.start()
    world.await_current()
    world.stop()
    live = world.place.live()
    assert live is not None
    with closing(MirrorView(live)) as view:
        assert {0: 4} == view.incomplete_before()
        assert 6 == len(list(view.all()))
    world.write(*((b"%d" % number, b"w") for number in range(10)))
    delete_records(kafka, world.name, 0, 15)
    world.start()
    world.await_current()
    world.stop()
    assert {b"%d" % number: b"w" if number > 4 else b"v" for number in range(4, 10)} == world.content()


def test_a_mirror_behind_markers_of_transactions_is_current(world: World, kafka: str) -> None:
    world.declare()
    world.start()
    world.write((b"a", b"1"))
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": world.name})
    producer.init_transactions(60)
    for _ in range(3):
        producer.begin_transaction()
        producer.produce(world.name, b"aborted", b"a")
        assert 0 == producer.flush(60)
        producer.abort_transaction(60)
    world.await_current()
    until(lambda: (seconds := world.freshness().seconds) is not None and seconds < 5)
    world.stop()
    assert {b"a": b"1"} == world.content()


def test_a_mirror_that_was_away_too_long_is_built_again(world: World) -> None:
    world.declare(**{"cleanup.policy": "compact", "delete.retention.ms": "100000"})
    world.start()
    world.write((b"a", b"1"), (b"b", b"1"))
    world.await_current()
    first = world.place.live()
    world.stop()
    hour_ago = int(time.time() * 1000) - HOUR_MS
    world._freshness.note({world.topic_id: Look(hour_ago, {}, hour_ago)})
    world.start()
    until(lambda: world.place.live() != first and world.place.next() is None)
    world.stop()
    assert {b"a": b"1", b"b": b"1"} == world.content()


@pytest.mark.parametrize("content", [b"", b"foreign" * 1_000])
def test_a_file_that_cannot_be_used_is_set_aside(world: World, content: bytes) -> None:
    world.declare()
    world.start()
    world.write((b"a", b"1"))
    world.await_current()
    world.stop()
    live = world.place.live()
    assert live is not None
    (live / "data.mdb").write_bytes(content)
    world.start()
    world.await_current()
    world.stop()
    assert {b"a": b"1"} == world.content()
    if content:
        (aside,) = world.place.folder.glob("unusable-*")
        assert content == (aside / "data.mdb").read_bytes()


def test_a_file_that_was_cut_short_is_set_aside(world: World) -> None:
    world.declare()
    world.start()
    world.write(*((b"%d" % number, b"v" * 100) for number in range(5_000)))
    world.await_current()
    world.stop()
    live = world.place.live()
    assert live is not None
    with (live / "data.mdb").open("r+b") as file:
        file.truncate(3 * 4096)
    world.start()
    world.await_current()
    world.stop()
    assert 5_000 == len(world.content())
    assert kept_at(world.place.live() or Path()) is not None


def test_the_consumer_is_replaced_where_there_are_many_partitions(
    world: World, monkeypatch: pytest.MonkeyPatch, kafka: str
) -> None:
    monkeypatch.setattr(fold_consumer, "MANY_PARTITIONS", 2)
    world.declare(partitions=1)
    world.start()
    world.write((b"a", b"1"))
    world.await_current()
    add_partitions(kafka, world.name, 3)
    until(lambda: len(world.folds.folded()[0].offsets) == 3)
    world.write((b"a", b"2"), (b"b", b"1"))
    world.await_current()
    world.stop()
    assert [fold_consumer.FETCH_WAIT_MS, fold_consumer.MANY_FETCH_WAIT_MS] == world.fetch_waits_ms
    assert {b"a": b"2", b"b": b"1"} == world.content()


def fall_silent(world: World) -> bool:
    """Let the consumer of now fall silent, which may have been replaced since the last call; return whether it is."""
    consumer = world.consumer
    consumer.falls_silent = True
    return consumer.is_silent


def test_a_consumer_that_falls_silent_is_replaced(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold_consumer, "STILL_S", 0.2)
    monkeypatch.setattr("projections.topic_watch.LOOK_EVERY_S", 0.05)
    world.declare(partitions=2)
    world.start()
    world.write((b"a", b"1"))
    world.await_current()
    for _ in range(2):
        until(lambda: fall_silent(world))
        world.write((b"a", b"2"), (b"b", b"1"))
        world.await_current()
    world.stop()
    assert {b"a": b"2", b"b": b"1"} == world.content()
    assert 3 <= len(world.fetch_waits_ms)
