"""Logs that are not the one that was read before: noticed, named, and nothing is numbered anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from cli.local_kafka import LocalKafka
from core.command_log import CommandLog
from core.errors import LogError, LogIdentityError, OutcomeUnknownError, QuickError, UnsafeLogError
from core.kafka import client_config
from core.kafka_admin import KafkaAdmin
from core.kafka_writer import OutRecord, RecordWriter
from core.log_identity import index_path
from core.log_index import LogIndex
from core.log_topic import LOG_CONFIG, LogIdentity, LogTopic
from core.record import FORMAT, CommandRecord, RecordedEvent, encode, new_command_id
from tests.running import until

Events = list[tuple[int, str]]

OLD: Events = [(1, "old1"), (2, "old2"), (3, "old3")]
NEW: Events = [(1, "new1"), (2, "new2"), (3, "new3"), (4, "new4"), (5, "new5")]
"""More than the old log has, so that its reader finds something at the offset where it stands."""


@pytest.fixture
def topic(kafka: str, topic_name: str) -> LogTopic:
    return LogTopic(kafka, topic_name)


@pytest.fixture
def open_log() -> Iterator[Callable[[LogTopic, Path], CommandLog]]:
    opened: list[CommandLog] = []

    def open_log(topic: LogTopic, folder: Path) -> CommandLog:
        log = CommandLog(topic, folder)
        opened.append(log)
        return log

    yield open_log
    for log in opened:
        log.close()


Open = Callable[[LogTopic, Path], CommandLog]


def command(name: str, version: int = 1) -> CommandRecord:
    return CommandRecord(
        format=FORMAT,
        application="test",
        command_id=new_command_id(),
        events=(RecordedEvent(name, version, "topic", "{}"),),
    )


def fill(topic: LogTopic, events: Events, writer: RecordWriter | None = None) -> None:
    """Append all *events* at once, by a *writer* that has its producer ID already or by a new one."""
    used = writer or RecordWriter(topic.bootstrap)
    used.write(topic.name, [OutRecord(None, encode(command(name))) for _, name in events]).result(30)
    if writer is None:
        used.close()


def events_of(index: LogIndex) -> Events:
    return [(event_id, event.originator_id) for event_id, event in index.notifications(1, 100)]


def index_of(folder: Path, identity: LogIdentity, topic: LogTopic) -> LogIndex:
    """Return the index that a stopped process has left."""
    return LogIndex(index_path(folder, identity.folder_name), topic.name)


def leave_with_old_events(topic: LogTopic, folder: Path) -> LogIdentity:
    """Read a log, stop, and return which one it was."""
    log = CommandLog(topic, folder)
    fill(topic, OLD)
    until(lambda: OLD == events_of(log.index))
    log.close()
    return log.identity


def recreate(topic: LogTopic) -> None:
    """Delete and create the topic, and wait for it: until then the old one is written to."""
    former = topic.topic_id()
    admin = KafkaAdmin(topic.bootstrap)
    admin.delete_topic(topic.name)
    admin.create_topic(topic.name, partitions=1, replication_factor=1, config=LOG_CONFIG)
    until(lambda: topic.topic_id() not in (None, former) and topic.end_offset() == 0)


def delete_records(topic: LogTopic, before: int) -> None:
    admin = AdminClient(client_config(topic.bootstrap))
    [deleted] = admin.delete_records([TopicPartition(topic.name, 0, before)]).values()
    assert before == deleted.result(30).low_watermark


def error_of(log: CommandLog) -> QuickError:
    until(lambda: log.failure() is not None)
    error = log.failure()
    assert error is not None
    return error


# Deleted and created again.


def test_a_log_that_was_created_again_gets_an_index_of_its_own(
    topic: LogTopic, open_log: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    former = leave_with_old_events(topic, tmp_path)
    recreate(topic)
    fill(topic, NEW)
    log = open_log(topic, tmp_path)
    assert NEW == events_of(log.index)
    assert OLD == events_of(index_of(tmp_path, former, topic))
    assert f"The log topic {topic.name} was deleted and created again." in caplog.text


def test_a_log_that_was_deleted_begins_anew_beside_its_former_index(
    topic: LogTopic, open_log: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    former = leave_with_old_events(topic, tmp_path)
    KafkaAdmin(topic.bootstrap).delete_topic(topic.name)
    log = open_log(topic, tmp_path)
    assert [] == events_of(log.index)
    assert OLD == events_of(index_of(tmp_path, former, topic))
    assert f"The log topic {topic.name} was deleted and created again." in caplog.text


def test_a_log_that_is_read_for_the_first_time_is_nothing_to_tell_of(
    topic: LogTopic, open_log: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_log(topic, tmp_path)
    assert [] == [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_log_that_is_created_again_under_a_running_process_is_named_and_nothing_of_it_is_folded(
    topic: LogTopic, open_log: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.log_follower.LOOK_AROUND_S", 600)  # What it reads has to tell, before the next look.
    log = open_log(topic, tmp_path)
    with closing(RecordWriter(topic.bootstrap)) as writer:
        fill(topic, OLD, writer)
        until(lambda: OLD == events_of(log.index))
        recreate(topic)
        fill(topic, NEW, writer)
    error = error_of(log)
    assert isinstance(error, LogIdentityError)
    assert f"The log topic {topic.name} was deleted and created again" in str(error)
    assert OLD == events_of(log.index)
    with pytest.raises(LogIdentityError, match="created again"):
        log.append(command("a"))
    log.close()
    assert NEW == events_of(open_log(topic, tmp_path).index)
    assert OLD == events_of(index_of(tmp_path, log.identity, topic))


def test_an_append_to_a_log_that_was_created_again_a_moment_ago_is_not_called_recorded(
    topic: LogTopic, open_log: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.log_follower.LOOK_AROUND_S", 600)
    log = open_log(topic, tmp_path)
    assert log.append(command("old1")) is not None
    recreate(topic)
    with pytest.raises((LogIdentityError, OutcomeUnknownError)):
        log.append(command("new1"))
    assert [(1, "old1")] == events_of(log.index)


def test_a_log_that_is_deleted_under_a_running_process_is_named(
    topic: LogTopic, open_log: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.log_follower.LOOK_AROUND_S", 0.2)
    log = open_log(topic, tmp_path)
    fill(topic, OLD)
    until(lambda: OLD == events_of(log.index))
    KafkaAdmin(topic.bootstrap).delete_topic(topic.name)
    assert f"The log topic {topic.name} was deleted. Restore it" in str(error_of(log))
    assert OLD == events_of(log.index)


def test_a_process_hears_that_another_one_has_found_the_log_replaced(
    topic: LogTopic, open_log: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.log_follower.LOOK_AROUND_S", 0.2)
    folding = open_log(topic, tmp_path)
    fill(topic, OLD)
    until(lambda: OLD == events_of(folding.index))
    folding.index.mark_superseded("found by another process")
    assert "found by another process" in str(error_of(folding))


# Truncated by DeleteRecords.


@pytest.mark.parametrize("before", [1, 3])
def test_a_log_that_was_truncated_is_refused_and_its_index_keeps_its_ids(
    topic: LogTopic, tmp_path: Path, before: int
) -> None:
    former = leave_with_old_events(topic, tmp_path)
    delete_records(topic, before)
    with pytest.raises(UnsafeLogError, match=f"{topic.name} begins at offset {before}"):
        CommandLog(topic, tmp_path)
    assert OLD == events_of(index_of(tmp_path, former, topic))


def test_a_log_that_is_emptied_under_a_running_process_is_named_at_the_next_look(
    topic: LogTopic, open_log: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.log_follower.LOOK_AROUND_S", 0.2)
    monkeypatch.setattr("core.log_follower.CHECK_SETTINGS_S", 0.2)
    log = open_log(topic, tmp_path)
    fill(topic, OLD)
    until(lambda: OLD == events_of(log.index))
    delete_records(topic, 3)
    error = error_of(log)
    assert isinstance(error, LogError)
    assert topic.name in str(error)
    assert "records are lost" in str(error)
    assert OLD == events_of(log.index)


# Served by another cluster, or by the same one with an older disk.


@pytest.fixture
def cluster(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[Callable[..., LocalKafka]]:
    """Return a function that starts a cluster at an address that all of them share, one at a time."""
    port = free_port()
    clusters: list[LocalKafka] = []

    def start(data_dir: Path | None = None) -> LocalKafka:
        cluster = LocalKafka(data_dir or tmp_path_factory.mktemp("cluster"), port=port)
        clusters.append(cluster)
        cluster.start()
        return cluster

    yield start
    for cluster in reversed(clusters):
        cluster.stop()


def test_a_log_of_another_cluster_is_another_log(
    cluster: Callable[..., LocalKafka],
    open_log: Open,
    tmp_path: Path,
    topic_name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = cluster()
    topic = LogTopic(first.bootstrap, topic_name)
    running, stopped = open_log(topic, tmp_path / "running"), tmp_path / "stopped"
    former = leave_with_old_events(topic, stopped)
    until(lambda: OLD == events_of(running.index))
    first.kill()

    second = cluster()
    topic = LogTopic(second.bootstrap, topic_name)
    topic.ensure()
    fill(topic, NEW)

    error = error_of(running)
    assert isinstance(error, LogIdentityError)
    assert f"The log topic {topic_name} is served by another cluster now" in str(error)
    assert OLD == events_of(running.index)
    log = open_log(topic, stopped)
    assert NEW == events_of(log.index)
    assert OLD == events_of(index_of(stopped, former, topic))
    assert f"The log topic {topic_name} is served by another cluster now." in caplog.text


def test_a_cluster_whose_disk_was_restored_from_an_older_one_is_named(
    cluster: Callable[..., LocalKafka],
    open_log: Open,
    tmp_path: Path,
    topic_name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kafka = cluster()
    topic = LogTopic(kafka.bootstrap, topic_name)
    topic.ensure()
    fill(topic, OLD[:2])
    kafka.stop()
    shutil.copytree(kafka.folder, tmp_path / "older" / "kafka")
    kafka.start()
    running, stopped = open_log(topic, tmp_path / "running"), tmp_path / "stopped"
    fill(topic, OLD[2:])
    CommandLog(topic, stopped).close()
    until(lambda: OLD == events_of(running.index))
    kafka.kill()

    cluster(tmp_path / "older")

    error = error_of(running)
    assert isinstance(error, LogIdentityError)
    told = f"The log topic {topic_name} holds no record at offset 2: it holds offsets 0 to 1. But it was read before"
    assert told in str(error)
    assert OLD == events_of(running.index)
    log = open_log(topic, stopped)
    assert OLD[:2] == events_of(log.index)
    assert "records are lost" in caplog.text
    [aside] = stopped.glob("*.superseded-*")
    assert OLD == events_of(LogIndex(aside, topic_name))
