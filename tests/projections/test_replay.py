"""A view is rebuilt beside the live one, compared, and put in its place at once."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.command_log import CommandLog
from core.errors import UnavailableError
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer
from core.kafka_writer import OutRecord, RecordWriter
from core.log_rows import TABLES as LOG_TABLES
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, RecordedEvent, new_command_id
from core.settings import Settings
from core.store import Store, bounded_key
from projections.places import ViewFolder, log_folder
from projections.registry import TABLES, RegistryProjection
from projections.registry_folder import RegistryFolder
from projections.replay import Replayed, ViewDifference, replay
from projections.status import CREATED, TOPIC_CONFIG, StatusProjection, TopicStatus, encode, topic_key
from projections.status import TABLES as STATUS_TABLES
from tests.made_log import MadeLog
from tests.running import until

NOWHERE = "127.0.0.1:1"


def settings_of(kafka: str, folder: Path) -> Settings:
    name = uuid.uuid4().hex
    return Settings(kafka=kafka, data_dir=folder, api_key="k", log_topic=f"log-{name}", status_topic=f"status-{name}")


class LiveRegistry:
    """A registry that is served, over a log made by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = ViewFolder(folder / "views")
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.settings = settings_of(NOWHERE, folder)
        self.log_path = folder / "index"
        self.log = MadeLog(self.log_path)
        self.log.create_topic("a")
        self.log.create_gateway("shop", "type A { a: Int }")
        self.fold()

    def fold(self) -> None:
        registry = RegistryProjection(self.folder.registry)
        RegistryFolder(self.log.index, registry).fold_to(self.log.index.max_notification_id() or 0)
        registry.close()
        self.log.index.close()

    def spoil(self) -> None:
        with Store(self.folder.registry, TABLES) as store:
            store.update(lambda txn: txn.delete("topic", bounded_key(b"a")))
            store.update(
                lambda txn: txn.put("gateway", bounded_key(b"ghost"), spoilt_row(txn.get("gateway", b"\0shop")))
            )

    def replay(self) -> tuple[Replayed, list[ViewDifference]]:
        found: list[ViewDifference] = []
        with replay("registry", self.settings, self.folder, self.log_path, self.scratch) as rebuilt:
            return rebuilt.compare(found.append), found


def spoilt_row(raw: bytes | None) -> bytes:
    assert raw is not None
    return raw.replace(b"shop", b"ghos")


@pytest.fixture
def registry(tmp_path: Path) -> LiveRegistry:
    return LiveRegistry(tmp_path)


def test_a_registry_that_is_what_the_log_says_has_no_differences(registry: LiveRegistry) -> None:
    assert (Replayed(2, 0, is_swapped=False), []) == registry.replay()


def test_every_difference_is_reported(registry: LiveRegistry) -> None:
    registry.spoil()
    done, found = registry.replay()
    assert 2 == done.differences
    assert {"topic/a": (True, False), "gateway/ghos": (False, True)} == {
        one.entry: (one.live is None, one.rebuilt is None) for one in found
    }


def test_comparing_changes_nothing(registry: LiveRegistry) -> None:
    registry.spoil()
    before = (registry.folder.registry / "data.mdb").read_bytes()
    registry.replay()
    assert before == (registry.folder.registry / "data.mdb").read_bytes()
    assert [] == list(registry.scratch.iterdir())


def test_a_swap_puts_the_rebuilt_view_in_the_place_of_the_live_one(registry: LiveRegistry) -> None:
    registry.spoil()
    with replay("registry", registry.settings, registry.folder, registry.log_path, registry.scratch) as rebuilt:
        rebuilt.swap()
    assert (Replayed(2, 0, is_swapped=False), []) == registry.replay()


def test_a_view_that_moves_all_the_time_is_given_up(registry: LiveRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    with replay("registry", registry.settings, registry.folder, registry.log_path, registry.scratch) as rebuilt:
        monkeypatch.setattr(rebuilt, "catch_up", lambda _: None)
        monkeypatch.setattr("projections.replay.MEETING_TIMEOUT_S", 0.1)
        with pytest.raises(UnavailableError, match="moved on all the time"):
            rebuilt.compare(lambda _: None)
        with pytest.raises(UnavailableError, match="moved on all the time"):
            rebuilt.swap()


# Views that are rebuilt from Kafka.


class Machine:
    """A log that is followed, and a status view, on the real broker."""

    def __init__(self, kafka: str, folder: Path) -> None:
        self.settings = settings_of(kafka, folder)
        self.folder = ViewFolder(folder / "views")
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        topic = LogTopic(kafka, self.settings.log_topic)
        self.log = CommandLog(topic, log_folder(folder, self.settings.log_topic))
        self.writer = RecordWriter(kafka, delivery_timeout_s=60)
        admin = KafkaAdmin(kafka)
        admin.create_topic(self.settings.status_topic, partitions=1, replication_factor=1, config=TOPIC_CONFIG)
        for number in range(5):
            self.append(f"thing-{number}")
            self.write_status(f"topic-{number}", 1)
        self.write_status("topic-0", None)

    def append(self, name: str) -> None:
        event = RecordedEvent(name, 1, "topic", "{}")
        self.log.append(CommandRecord(format=FORMAT, application="test", command_id=new_command_id(), events=(event,)))

    def write_status(self, name: str, incarnation: int | None) -> None:
        status = TopicStatus(name=name, incarnation=incarnation or 1, state=CREATED, topic_id="id")
        value = None if incarnation is None else encode(status)
        self.writer.write(self.settings.status_topic, [OutRecord(topic_key(name, 1), value)]).result(60)

    def close(self) -> None:
        self.log.close()
        self.writer.close()

    def replay(self, view: str, *, swaps: bool = False) -> Replayed:
        with replay(view, self.settings, self.folder, self.log.index.path, self.scratch) as rebuilt:
            done = rebuilt.compare(lambda _: None)
            if swaps:
                rebuilt.swap()
        return done


@pytest.fixture
def machine(kafka: str, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(kafka, tmp_path)
    yield machine
    machine.close()


def in_another_process(machine: Machine) -> None:
    """A process may open a store only once, and a replay has a process of its own: close what this one has open."""
    machine.log.close()


def test_the_index_of_the_log_is_rebuilt_from_kafka(machine: Machine) -> None:
    in_another_process(machine)
    assert Replayed(5, 0, is_swapped=False) == machine.replay("log")
    with Store(machine.log.index.path, LOG_TABLES) as store:
        store.update(lambda txn: txn.clear("heads"))
    assert Replayed(5, 5, is_swapped=False) == machine.replay("log", swaps=True)
    assert Replayed(5, 0, is_swapped=False) == machine.replay("log")
    machine.log = CommandLog(machine.log.topic, machine.log.index.path.parent)
    assert 1 == machine.log.index.head("thing-3")


def test_the_status_view_is_rebuilt_from_its_topic(machine: Machine) -> None:
    facts = KafkaAdmin(machine.settings.kafka).describe(machine.settings.status_topic)
    assert facts is not None
    status = StatusProjection(machine.folder.status, facts.topic_id)
    consumer = TopicsConsumer(machine.settings.kafka)
    consumer.assign({(machine.settings.status_topic, 0): 0})
    until(lambda: fold_status(status, consumer) and status.next_offset() == 6)
    status.close()
    consumer.close()
    assert Replayed(6, 0, is_swapped=False) == machine.replay("status")
    with Store(machine.folder.status, STATUS_TABLES) as store:
        store.update(lambda txn: txn.delete("status", bounded_key(topic_key("topic-3", 1))))
    assert Replayed(6, 1, is_swapped=False) == machine.replay("status", swaps=True)
    assert Replayed(6, 0, is_swapped=False) == machine.replay("status")


def fold_status(status: StatusProjection, consumer: TopicsConsumer) -> bool:
    if records := consumer.poll(limit=100, timeout_s=0.2).records:
        status.fold(records)
    return True


def test_an_index_that_goes_on_growing_is_compared_at_one_moment(machine: Machine, tmp_path: Path) -> None:
    """Another machine appends while this one's index is compared."""
    other = CommandLog(machine.log.topic, tmp_path / "other")
    stopping = threading.Event()

    def append() -> None:
        number = 0
        while not stopping.is_set():
            number += 1
            event = RecordedEvent(f"other-{number}", 1, "topic", "{}")
            other.append(CommandRecord(format=FORMAT, application="t", command_id=new_command_id(), events=(event,)))

    in_another_process(machine)
    thread = threading.Thread(target=append)
    thread.start()
    try:
        assert 0 == machine.replay("log").differences
    finally:
        stopping.set()
        thread.join()
        other.close()
        machine.log = CommandLog(machine.log.topic, machine.log.index.path.parent)
