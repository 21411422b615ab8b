"""The doctor finds what is wrong, and says how to mend it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.command_log import CommandLog
from core.event_mapper import EventMapper
from core.kafka_admin import KafkaAdmin
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, RecordedEvent, new_command_id
from core.topics import WriteType
from projections.doctor import ERROR, OK, WARNING, Doctor, Finding
from projections.registry import RecordedEvent as FoldedEvent
from projections.registry import RegistryProjection
from projections.status import CREATED, FAILED, TOPIC_CONFIG, StatusProjection, TopicStatus, encode, topic_key
from tests.altering import add_partitions, alter_topic
from tests.made_log import MadeLog
from tests.running import until

COMPACTED = {"cleanup.policy": "compact"}
KEPT_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


class Instance:
    """What a doctor examines: a log, a registry, a status view, on the real broker."""

    def __init__(self, kafka: str, folder: Path) -> None:
        name = uuid.uuid4().hex
        self.kafka, self.folder = kafka, folder
        self.admin = KafkaAdmin(kafka)
        self.log = CommandLog(LogTopic(kafka, f"log-{name}"), folder / "log")
        self.status_topic, self.topic = f"status-{name}", f"topic-{name}"
        self.admin.create_topic(self.status_topic, partitions=1, replication_factor=1, config=TOPIC_CONFIG)
        until(lambda: self.admin.describe(self.status_topic) is not None)
        self.registry = RegistryProjection(folder / "registry")
        self.status = StatusProjection(folder / "status", "id")

    def declare(self, write_type: WriteType = WriteType.MUTABLE) -> None:
        """Declare a topic, and create it in Kafka."""
        config = COMPACTED if write_type is WriteType.MUTABLE else KEPT_FOR_EVER
        made = MadeLog(self.folder / "made")
        made.create_topic(self.topic, {"write_type": write_type.value, "config": config})
        _, indexed = made.index.notifications(1, 1)[0]
        self.registry.fold([FoldedEvent(1, EventMapper().event(indexed))], 0)
        made.index.close()
        self.admin.create_topic(self.topic, partitions=3, replication_factor=1, config=config)
        until(lambda: self.admin.describe(self.topic) is not None)
        self.note(CREATED)

    def note(self, state: str, error: str | None = None) -> None:
        facts = self.admin.describe(self.topic)
        topic_id = None if facts is None else facts.topic_id
        status = TopicStatus(name=self.topic, incarnation=1, state=state, topic_id=topic_id, error=error)
        self.status.fold([Message(topic_key(self.topic, 1), encode(status))])

    def append(self, **more: str) -> None:
        event = RecordedEvent(str(uuid.uuid4()), 1, "topic", "{}")
        record = CommandRecord(format=FORMAT, application="t", command_id=new_command_id(), events=(event,), **more)
        self.log.append(record)

    def alter(self, topic: str, setting: str, value: str) -> None:
        """Change a setting of a topic behind Quick's back, and wait until the broker shows it."""
        alter_topic(self.kafka, topic, setting, value)
        until(lambda: self.admin.topic_config(topic)[setting] == value)

    def add_partitions(self, total: int) -> None:
        """Give the topic more partitions behind Quick's back, and wait until the broker shows them."""
        add_partitions(self.kafka, self.topic, total)
        until(lambda: (facts := self.admin.describe(self.topic)) is not None and facts.partitions == total)

    def examine(self, check: str) -> list[Finding]:
        doctor = Doctor(
            self.log.topic,
            self.log.index,
            self.status_topic,
            self.registry.view,
            self.status.view,
            self.admin,
            self.folder,
        )
        return [finding for finding in doctor.examine() if finding.check == check]

    def close(self) -> None:
        self.log.close()
        self.registry.close()
        self.status.close()


class Message:
    """A record of the status topic, as far as the fold looks at it."""

    def __init__(self, key: bytes, value: bytes) -> None:
        self._key, self._value = key, value

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes:
        return self._value

    def offset(self) -> int:
        return 0


@pytest.fixture
def instance(kafka: str, tmp_path: Path) -> Iterator[Instance]:
    instance = Instance(kafka, tmp_path)
    yield instance
    instance.close()


def levels(findings: list[Finding]) -> list[str]:
    return [finding.level for finding in findings]


def test_a_healthy_instance_has_nothing_to_mend_but_its_one_replica(instance: Instance) -> None:
    instance.declare()
    checks = ("broker", "status topic", "topics", "views", "clock", "disk", "versions")
    assert [[OK]] * len(checks) == [levels(instance.examine(check)) for check in checks]
    assert [WARNING, OK] == levels(instance.examine("log"))


def test_each_finding_that_is_not_well_says_how_to_mend_it(instance: Instance) -> None:
    instance.alter(instance.log.topic.name, "retention.ms", "1000")
    instance.alter(instance.status_topic, "cleanup.policy", "delete")
    findings = [*instance.examine("log"), *instance.examine("status topic")]
    assert all(finding.mend for finding in findings if finding.level != OK)
    assert 2 == levels(findings).count(ERROR)


def test_times_that_writers_claim_are_a_warning(instance: Instance) -> None:
    instance.alter(instance.log.topic.name, "message.timestamp.type", "CreateTime")
    assert any("claim" in finding.text for finding in instance.examine("log"))


@pytest.mark.parametrize(
    ("state", "error", "told"), [(FAILED, "not enough disk", "not enough disk"), ("creating", None, "being created")]
)
def test_a_topic_that_could_not_be_created_is_named_with_the_reason(
    instance: Instance, state: str, error: str | None, told: str
) -> None:
    instance.declare()
    instance.note(state, error)
    (finding,) = instance.examine("topics")
    assert (ERROR, True, True) == (finding.level, instance.topic in finding.text, told in finding.text)


def test_a_topic_that_somebody_deleted_in_kafka_is_named(instance: Instance) -> None:
    instance.declare()
    instance.admin.delete_topic(instance.topic)
    until(lambda: instance.admin.describe(instance.topic) is None)
    (finding,) = instance.examine("topics")
    assert (ERROR, True) == (finding.level, "was deleted in Kafka" in finding.text)


def test_a_topic_that_somebody_has_changed_in_kafka_is_named_with_the_command_that_mends_it(instance: Instance) -> None:
    instance.declare()
    instance.alter(instance.topic, "cleanup.policy", "delete")
    instance.add_partitions(4)
    partitions, policy = instance.examine("topics")
    assert "has 4 partitions and was declared with 3" in partitions.text
    assert policy.mend is not None
    assert policy.mend.endswith(f"--alter --topic {instance.topic} --add-config cleanup.policy=compact")


def test_an_immutable_topic_that_is_as_declared_is_well(instance: Instance) -> None:
    instance.declare(WriteType.IMMUTABLE)
    assert [OK] == levels(instance.examine("topics"))


def test_an_immutable_topic_in_which_a_later_record_could_win_is_named_once_with_the_way_out(
    instance: Instance,
) -> None:
    instance.declare(WriteType.IMMUTABLE)
    instance.alter(instance.topic, "cleanup.policy", "compact")
    instance.add_partitions(4)
    policy, partitions = instance.examine("topics")
    assert [ERROR, ERROR] == levels([policy, partitions])
    assert policy.text.endswith(f"--alter --topic {instance.topic} --add-config cleanup.policy=delete")
    assert "has 4 partitions and was declared with 3" in partitions.text
    assert policy.mend == partitions.mend == "Mend it as told. Writes to the topic are refused meanwhile."


def test_a_registry_that_lags_or_stands_still_is_named(instance: Instance) -> None:
    instance.append()
    assert [WARNING] == levels(instance.examine("views"))
    instance.registry.note_stopped("an event of a newer version")
    assert ERROR in levels(instance.examine("views"))


def test_clocks_that_disagree_are_named(instance: Instance) -> None:
    instance.append(issued_at="2001-01-01T00:00:00.000Z")
    (finding,) = instance.examine("clock")
    assert (WARNING, True) == (finding.level, "apart" in finding.text)


@pytest.mark.parametrize("issued_at", ["nonsense", ""])
def test_a_time_that_is_none_does_not_stop_the_examination(instance: Instance, issued_at: str) -> None:
    instance.append(issued_at=issued_at)
    assert [OK] == levels(instance.examine("clock"))


def test_little_space_is_named(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.doctor.LOW_DISK_BYTES", 1 << 60)
    assert [WARNING] == levels(instance.examine("disk"))
    monkeypatch.setattr("projections.doctor.FULL_DISK_BYTES", 1 << 60)
    assert [ERROR] == levels(instance.examine("disk"))


def test_a_check_that_cannot_be_made_says_so_and_the_others_go_on(
    instance: Instance, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.kafka_admin.REQUEST_TIMEOUT_S", 0.3)
    monkeypatch.setattr(instance, "admin", KafkaAdmin(f"127.0.0.1:{free_port()}"))
    (finding,) = instance.examine("broker")
    assert (ERROR, True) == (finding.level, "Kafka did not answer" in finding.text)
    assert [OK] == levels(instance.examine("disk"))
