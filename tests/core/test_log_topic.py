"""What could lose commands: found from facts and settings, and on a real broker while the log is in use."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented there, and not in its __all__
    AdminClient,
)

from core.command_log import CommandLog
from core.errors import KafkaRefusedError, UnsafeLogError
from core.kafka_admin import TopicFacts
from core.log_topic import LOG_CONFIG, REPLICATED_CONFIG, LogIdentity, LogTopic, dangers_of
from core.record import FORMAT, CommandRecord, RecordedEvent, new_command_id
from tests.altering import alter_topic
from tests.running import until

SAFE = {**LOG_CONFIG, "min.insync.replicas": "1", "unclean.leader.election.enable": "true"}
"""What Kafka says of a safe log without replicas."""

SAFE_REPLICATED = {**LOG_CONFIG, **REPLICATED_CONFIG}


def facts(partitions: int = 1, replicas: int = 1) -> TopicFacts:
    return TopicFacts("log", "id", partitions, replicas)


def test_a_topic_with_the_settings_that_a_new_one_gets_is_safe() -> None:
    assert [] == dangers_of(facts(), SAFE)
    assert [] == dangers_of(facts(replicas=3), SAFE_REPLICATED)


@pytest.mark.parametrize("partitions", [0, 2, 50])
def test_any_other_number_of_partitions_than_one_has_no_order(partitions: int) -> None:
    [danger] = dangers_of(facts(partitions), SAFE)
    assert f"log has {partitions} partitions: commands in different partitions have no order" in danger


@pytest.mark.parametrize(
    ("setting", "value", "wanted", "loss"),
    [
        ("cleanup.policy", "compact", "delete", "compaction would remove commands"),
        ("cleanup.policy", "compact,delete", "delete", "compaction would remove commands"),
        ("retention.ms", "604800000", "-1", "removed after that time"),
        ("retention.bytes", "1073741824", "-1", "removed beyond that size"),
    ],
)
def test_a_setting_that_could_lose_commands_is_named_with_the_loss_and_the_way_out(
    setting: str, value: str, wanted: str, loss: str
) -> None:
    for config, replicas in ((SAFE, 1), (SAFE_REPLICATED, 3)):
        [danger] = dangers_of(facts(replicas=replicas), {**config, setting: value})
        assert f"log has {setting}={value}: " in danger
        assert loss in danger
        assert danger.endswith(f"kafka-configs --alter --topic log --add-config {setting}={wanted}")


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [("min.insync.replicas", "1", "2"), ("unclean.leader.election.enable", "true", "false")],
)
def test_what_replicas_are_for_is_asked_only_of_a_topic_that_has_some(setting: str, value: str, wanted: str) -> None:
    assert [] == dangers_of(facts(), {**SAFE_REPLICATED, setting: value})
    [danger] = dangers_of(facts(replicas=2), {**SAFE_REPLICATED, setting: value})
    assert danger.endswith(f"--add-config {setting}={wanted}")


def test_more_acknowledging_replicas_than_two_are_safe_as_well() -> None:
    assert [] == dangers_of(facts(replicas=5), {**SAFE_REPLICATED, "min.insync.replicas": "10"})


def test_all_is_found_at_once() -> None:
    worst = {
        "cleanup.policy": "compact",
        "retention.ms": "1",
        "retention.bytes": "1",
        "min.insync.replicas": "1",
        "unclean.leader.election.enable": "true",
    }
    assert 6 == len(dangers_of(facts(partitions=3, replicas=3), worst))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LogIdentity("c", "t"), LogIdentity("c", "t2")),
        (LogIdentity("c", "t"), LogIdentity("c2", "t")),
        (LogIdentity("a/b+", "t"), LogIdentity("a", "b+.t")),
    ],
)
def test_each_log_has_a_folder_name_of_its_own_without_separators(one: LogIdentity, other: LogIdentity) -> None:
    assert one.folder_name != other.folder_name
    assert not set("/+") & set(one.folder_name + other.folder_name)


# On a real broker.


@pytest.fixture
def topic(kafka: str) -> LogTopic:
    return LogTopic(kafka, f"log-{uuid.uuid4().hex}")


@pytest.fixture
def log(topic: LogTopic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLog]:
    """Return a log whose follower looks around all the time."""
    monkeypatch.setattr("core.log_follower.LOOK_AROUND_S", 0.05)
    monkeypatch.setattr("core.log_follower.CHECK_SETTINGS_S", 0.05)
    log = CommandLog(topic, tmp_path)
    yield log
    log.close()


def command(version: int) -> CommandRecord:
    return CommandRecord(
        format=FORMAT,
        application="test",
        command_id=new_command_id(),
        events=(RecordedEvent("a", version, "topic", "{}"),),
    )


def alter(topic: LogTopic, **settings: str) -> None:
    for name, value in settings.items():
        alter_topic(topic.bootstrap, topic.name, name.replace("_", "."), value)


def truncate(topic: LogTopic, offset: int) -> None:
    """Remove the records before *offset*."""
    partition = TopicPartition(topic.name, 0, offset)
    client = AdminClient({"bootstrap.servers": topic.bootstrap})
    for future in client.delete_records([partition]).values():
        future.result(60)


def test_settings_that_become_unsafe_are_noticed_and_forgotten_when_they_are_mended(
    log: CommandLog, topic: LogTopic
) -> None:
    log.append(command(1))
    assert [] == log.index.unsafe()
    alter(topic, retention_ms="86400000", retention_bytes="1000000")
    until(lambda: len(log.index.unsafe()) == 2)
    assert "retention.ms=86400000" in log.index.unsafe()[0]
    assert "retention.bytes=1000000" in log.index.unsafe()[1]
    assert log.failure() is None
    assert log.append(command(2)) is not None  # What is recorded counts, and somebody is to mend it.
    alter(topic, retention_ms="-1", retention_bytes="-1")
    until(lambda: log.index.unsafe() == [])
    assert log.append(command(3)) is not None


def test_a_log_that_is_compacted_takes_no_commands_instead_of_losing_them(log: CommandLog, topic: LogTopic) -> None:
    log.append(command(1))
    alter(topic, cleanup_policy="compact")
    until(lambda: log.index.unsafe() != [])
    assert "compaction would remove commands" in log.index.unsafe()[0]
    taken = [1]

    def is_refused() -> bool:
        try:
            assert log.append(command(taken[-1] + 1)) is not None
        except KafkaRefusedError:
            return True
        taken.append(taken[-1] + 1)  # The broker tells of a setting a moment before it goes by it.
        return False

    until(is_refused)
    assert taken == [event_id for event_id, _ in log.index.notifications(1, 1000)]


def test_a_log_that_loses_its_beginning_under_a_running_process_is_named_and_goes_on(
    log: CommandLog, topic: LogTopic
) -> None:
    for version in (1, 2, 3):
        log.append(command(version))
    truncate(topic, 2)
    until(lambda: log.index.unsafe() != [])
    [danger] = log.index.unsafe()
    assert "begins at offset 2: the commands before it are lost" in danger
    assert log.append(command(4)) is not None
    assert [1, 2, 3, 4] == [event_id for event_id, _ in log.index.notifications(1, 10)]


def test_a_log_that_has_lost_its_beginning_is_not_opened(topic: LogTopic, tmp_path: Path) -> None:
    log = CommandLog(topic, tmp_path / "here")
    for version in (1, 2, 3):
        log.append(command(version))
    log.close()
    truncate(topic, 1)
    for folder in ("here", "there"):
        with pytest.raises(UnsafeLogError, match=r"begins at offset 1: .* Export a complete index"):
            CommandLog(topic, tmp_path / folder)


def test_a_topic_that_was_deleted_is_a_danger(topic: LogTopic, monkeypatch: pytest.MonkeyPatch) -> None:
    [danger] = topic.dangers()
    assert "was deleted: all commands are lost" in danger
    monkeypatch.setattr(topic._admin, "describe", lambda _: facts())  # It was there a moment ago.
    assert [danger] == topic.dangers()


def test_a_topic_that_was_created_a_moment_ago_is_not_called_deleted_by_a_broker_that_has_not_heard_of_it(
    topic: LogTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe, answers = topic._admin.describe, iter([True, False, True, False])
    monkeypatch.setattr(topic._admin, "describe", lambda name: describe(name) if next(answers, True) else None)
    assert topic.ensure() == topic.identity()
