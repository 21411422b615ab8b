"""Appends whose acknowledgement does not come: settled by the void rule, and never reported wrongly."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from eventsourcing.persistence import OperationalError, StoredEvent

from cli.ports import free_port
from core.command_log import CommandLog
from core.errors import CommandNotRecordedError, OutcomeUnknownError
from core.kafka_writer import OutRecord
from core.log_identity import index_path
from core.log_index import LogIndex, Outcome
from core.log_recorders import CommandInfo, KafkaApplicationRecorder
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, RecordedEvent, new_void
from tests.delaying_proxy import DelayingProxy, KafkaBehindProxy
from tests.running import until

TIMEOUT_S = 4.0
"""Of an append, where others must be acknowledged within it: a busy machine takes its time."""

WARM_UP = "warm-up"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBehindProxy]:
    with (
        DelayingProxy(free_port()) as proxy,
        KafkaBehindProxy(tmp_path_factory.mktemp("proxied-kafka"), proxy) as kafka,
    ):
        yield kafka


@pytest.fixture
def proxy(shared: KafkaBehindProxy) -> Iterator[DelayingProxy]:
    yield shared.proxy
    shared.proxy.calm()


@pytest.fixture
def topic(shared: KafkaBehindProxy) -> LogTopic:
    return LogTopic(shared.proxied, f"log-{uuid.uuid4().hex}")


@pytest.fixture
def log(topic: LogTopic, proxy: DelayingProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLog]:
    """Return a log with one event."""
    monkeypatch.setattr("core.command_log.APPEND_TIMEOUT_S", TIMEOUT_S)
    log = opened(topic, tmp_path / "log")
    assert [1] == ids(log.append(command("c0", "first")))
    yield log
    proxy.calm()
    log.close()


@pytest.fixture
def other(log: CommandLog, topic: LogTopic, tmp_path: Path) -> Iterator[CommandLog]:
    """Return the same log as another machine sees it, with a producer of its own."""
    other = opened(topic, tmp_path / "other")
    yield other
    other.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


def opened(topic: LogTopic, folder: Path) -> CommandLog:
    """Return a log whose producer has written before: the first record waits for the producer's ID."""
    log = CommandLog(topic, folder)
    LogTopic(topic.bootstrap, WARM_UP).ensure()
    until(lambda: log._writer().write(WARM_UP, [OutRecord(None, None)]).exception(30) is None)
    return log


def command(command_id: str, name: str, version: int = 1) -> CommandRecord:
    return CommandRecord(
        format=FORMAT, application="test", command_id=command_id, events=(RecordedEvent(name, version, "topic", "{}"),)
    )


def ids(outcome: Outcome | None) -> list[int] | None:
    assert outcome is None or not outcome.is_voided
    return None if outcome is None else outcome.notification_ids


def fresh(topic: LogTopic, folder: Path) -> LogIndex:
    """Return what a machine that has never read the log finds in it."""
    path = folder / uuid.uuid4().hex
    CommandLog(topic, path).close()
    return LogIndex(index_path(path, topic.ensure().folder_name), topic.name)


def originators(index: LogIndex) -> list[str]:
    return [event.originator_id for _, event in index.notifications(1, 1000)]


def until_folded(log: CommandLog) -> None:
    end = log.topic.end_offset()
    until(lambda: end == log.index.next_offset())


def test_a_record_that_lands_after_its_void_was_never_recorded(
    log: CommandLog, topic: LogTopic, proxy: DelayingProxy, tmp_path: Path
) -> None:
    proxy.hold(1)
    with pytest.raises(CommandNotRecordedError, match="new command id"):
        log.append(command("late", "a"))
    proxy.held[0].deliver()
    assert [2] == ids(log.append(command("next", "a")))
    for index in (log.index, fresh(topic, tmp_path)):
        assert ["first", "a"] == originators(index)
        assert index.outcome("late") == Outcome(offset=1, is_voided=True, first_id=0, last_id=0)


def test_a_record_that_lands_after_the_timeout_and_before_its_void_is_recorded(
    log: CommandLog, topic: LogTopic, proxy: DelayingProxy, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    proxy.hold(2)
    append = threads.submit(log.append, command("slow", "a"))
    proxy.wait_until_held(2)
    record, void = proxy.held
    record.deliver()
    void.deliver()
    assert [2] == ids(append.result())
    assert ["first", "a"] == originators(fresh(topic, tmp_path))


@pytest.mark.parametrize("is_void_first", [False, True])
def test_when_the_void_does_not_land_in_time_either_a_repeat_tells_the_truth(
    log: CommandLog, topic: LogTopic, proxy: DelayingProxy, tmp_path: Path, *, is_void_first: bool
) -> None:
    proxy.hold(2)
    with pytest.raises(OutcomeUnknownError, match="slow"):
        log.append(command("slow", "a"))
    for write in reversed(proxy.held) if is_void_first else proxy.held:
        write.deliver()
    repeated = log.append(command("slow", "a"))
    assert repeated == fresh(topic, tmp_path).outcome("slow")
    assert repeated is not None
    assert is_void_first == repeated.is_voided
    assert (["first"] if is_void_first else ["first", "a"]) == originators(log.index)


def test_a_repeat_by_another_process_that_overtakes_the_first_try_counts_once(
    log: CommandLog, other: CommandLog, topic: LogTopic, proxy: DelayingProxy, tmp_path: Path
) -> None:
    proxy.hold(2)
    with pytest.raises(OutcomeUnknownError):
        log.append(command("slow", "a"))
    assert [2] == ids(other.append(command("slow", "a")))
    for write in proxy.held:
        write.deliver()
    assert 4 == topic.end_offset()  # All three landed, and only the first of them counts.
    for index in (log.index, other.index, fresh(topic, tmp_path)):
        until_folded(log)
        until_folded(other)
        assert ["first", "a"] == originators(index)
        assert [2] == ids(index.outcome("slow"))


def test_a_record_that_lands_after_the_void_of_another_process_never_counts(
    log: CommandLog, other: CommandLog, topic: LogTopic, proxy: DelayingProxy, tmp_path: Path
) -> None:
    proxy.hold(3)
    with pytest.raises(OutcomeUnknownError):
        log.append(command("slow", "a"))
    with pytest.raises(CommandNotRecordedError):
        other.append(command("slow", "a"))
    assert 2 == topic.end_offset()
    for write in proxy.held[:2]:
        write.deliver()
    assert 4 == topic.end_offset()
    for index in (log.index, other.index, fresh(topic, tmp_path)):
        until_folded(log)
        until_folded(other)
        assert ["first"] == originators(index)
        assert index.outcome("slow") == Outcome(offset=1, is_voided=True, first_id=0, last_id=0)


def test_a_record_whose_acknowledgement_is_lost_is_found(
    log: CommandLog, topic: LogTopic, proxy: DelayingProxy, tmp_path: Path
) -> None:
    proxy.lose_answers(1)
    assert [2] == ids(log.append(command("mute", "a")))
    assert 1 == proxy.lost
    assert ["first", "a"] == originators(fresh(topic, tmp_path))


def test_a_record_whose_connection_ends_before_the_acknowledgement_is_recorded_once(
    log: CommandLog, topic: LogTopic, proxy: DelayingProxy, tmp_path: Path
) -> None:
    proxy.cut_answers(1)
    assert [2] == ids(log.append(command("cut", "a")))
    assert [3] == ids(log.append(command("next", "b")))
    assert ["first", "a", "b"] == originators(fresh(topic, tmp_path))


def test_when_the_acknowledgement_of_the_void_is_lost_a_repeat_tells_that_it_counts(
    log: CommandLog, topic: LogTopic, proxy: DelayingProxy, tmp_path: Path
) -> None:
    proxy.hold(1)
    proxy.lose_answers(2)
    with pytest.raises(OutcomeUnknownError):
        log.append(command("slow", "a"))
    proxy.held[0].deliver()
    repeated = log.append(command("slow", "a"))
    assert repeated is not None
    assert repeated.is_voided
    assert ["first"] == originators(fresh(topic, tmp_path))


def test_a_voided_command_that_is_sent_again_is_never_called_recorded(log: CommandLog) -> None:
    log._write(new_void("test", "given-up"))
    recorder = KafkaApplicationRecorder(log, "test", originator_ids_are_uuids=False)
    with pytest.raises(OperationalError, match="was not recorded") as caught:
        recorder.insert_events([StoredEvent("a", 1, "topic", b"{}")], command=CommandInfo("given-up"))
    assert isinstance(caught.value.__cause__, CommandNotRecordedError)


def test_many_appends_whose_acknowledgements_are_lost_at_once_are_all_told_right(
    log: CommandLog, topic: LogTopic, proxy: DelayingProxy, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    proxy.lose_answers(3)
    names = [f"n{i}" for i in range(8)]
    appends = {name: threads.submit(log.append, command(name, name)) for name in names}
    recorded, not_recorded = set(), set()
    unknown: list[str] = []
    for name, append in appends.items():
        try:
            recorded.add((name, *(ids(append.result()) or [])))
        except CommandNotRecordedError:
            not_recorded.add(name)
        except OutcomeUnknownError:  # Of few large requests, the third is one of voids.
            unknown.append(name)
    for name in unknown:
        repeated = log.append(command(name, name))
        assert repeated is not None
        if repeated.is_voided:
            not_recorded.add(name)
        else:
            recorded.add((name, *repeated.notification_ids))
    index = fresh(topic, tmp_path)
    found = {(event.originator_id, event_id) for event_id, event in index.notifications(2, 100)}
    assert recorded == found
    assert set(names) == not_recorded | {name for name, _ in found}


def test_acknowledgements_that_are_lost_with_a_broker_are_found_when_it_is_back(
    shared: KafkaBehindProxy,
    topic: LogTopic,
    proxy: DelayingProxy,
    threads: ThreadPoolExecutor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.command_log.APPEND_TIMEOUT_S", 120)  # The producer outlasts the broker, and tries again.
    with closing(opened(topic, tmp_path / "log")) as log:
        proxy.lose_answers(5)
        appends = []
        for landed in range(1, 6):
            appends.append(threads.submit(log.append, command(f"c{landed}", f"n{landed}")))
            until(lambda landed=landed: landed == topic.end_offset())  # A request for each.
        shared.kill()
        shared.start()
        assert [[1], [2], [3], [4], [5]] == [ids(append.result()) for append in appends]
        assert [6] == ids(log.append(command("next", "next")))
    assert ["n1", "n2", "n3", "n4", "n5", "next"] == originators(fresh(topic, tmp_path))
