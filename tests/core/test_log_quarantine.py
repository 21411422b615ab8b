"""What nobody can decode, in a log on a real broker: where it stands still, and how it goes on."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

import core.kafka_reader
import core.log_reader
from core.command_log import CommandLog
from core.errors import InvalidInputError, NotFoundError, OutcomeUnknownError, UnreadableRecordError
from core.kafka_writer import OutRecord, Written
from core.log_follower import LogFollower
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, QuarantineRecord, RecordedEvent, encode, new_command_id, new_void
from tests.running import until

Open = Callable[..., CommandLog]
Put = Callable[..., int]

GARBAGE = b"garbage"
NEWER = b'{"format":2,"quarantine":[0]}'


@pytest.fixture(autouse=True)
def prompt_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the broker tell at once that the log has ended; otherwise it waits half a second for more."""
    client_config = core.kafka_reader.client_config

    def prompt_config(bootstrap: str, **more: str | float | bool) -> dict[str, Any]:
        return client_config(bootstrap, **more) | {"fetch.wait.max.ms": 20}

    monkeypatch.setattr(core.kafka_reader, "client_config", prompt_config)


@pytest.fixture
def topic(kafka: str) -> LogTopic:
    return LogTopic(kafka, f"log-{uuid.uuid4().hex}")


@pytest.fixture
def open_log(topic: LogTopic, tmp_path: Path) -> Iterator[Open]:
    """Open the log on a data folder of the given name."""
    opened: list[CommandLog] = []

    def open_log(folder: str = "here") -> CommandLog:
        log = CommandLog(topic, tmp_path / folder)
        opened.append(log)
        return log

    yield open_log
    with ThreadPoolExecutor() as threads:  # Each waits for its thread to end.
        list(threads.map(CommandLog.close, opened))


def command(name: str, version: int, command_id: str | None = None) -> CommandRecord:
    return CommandRecord(
        format=FORMAT,
        application="test",
        command_id=command_id or new_command_id(),
        events=(RecordedEvent(name, version, "topic", "{}"),),
    )


def quarantine_of(offset: int) -> bytes:
    return encode(QuarantineRecord(format=FORMAT, application="test", quarantine=offset, reason="by hand"))


def quarantine(log: CommandLog, offset: int) -> bool:
    return log.quarantine(offset, actor="me", source="me@here", reason="not ours")


def until_standing_still(log: CommandLog) -> UnreadableRecordError:
    until(lambda: log.failure() is not None)
    failure = log.failure()
    assert isinstance(failure, UnreadableRecordError)
    return failure


def positions(log: CommandLog) -> list[tuple[int, str, int]]:
    return [(i, event.originator_id, event.originator_version) for i, event in log.index.notifications(1, 1000)]


@pytest.mark.parametrize("garbage", [GARBAGE, None])
def test_at_garbage_the_fold_stands_still_reads_go_on_and_appends_are_refused(
    open_log: Open, put: Put, topic: LogTopic, garbage: bytes | None
) -> None:
    log = open_log()
    log.append(command("a", 1))
    offset = put(garbage)
    failure = until_standing_still(log)
    assert (topic.name, 0, offset, False) == (failure.topic, failure.partition, failure.offset, failure.is_newer)
    end = topic.end_offset()
    with pytest.raises(UnreadableRecordError, match=rf"\[0\]@{offset}: .*quick log quarantine {offset} --reason TEXT"):
        log.append(command("a", 2))
    assert end == topic.end_offset()
    assert [(1, "a", 1)] == positions(log)
    assert offset == log.index.next_offset()
    assert 1 == log.index.head("a")


def test_a_log_that_holds_garbage_can_be_opened_and_read_up_to_it(open_log: Open, put: Put) -> None:
    open_log("first").append(command("a", 1))
    offset = put(GARBAGE, encode(command("a", 2)))
    log = open_log("second")
    assert [(1, "a", 1)] == positions(log)
    assert offset - 1 == until_standing_still(log).offset


def test_a_quarantine_releases_every_machine_whether_it_runs_or_is_opened_later(open_log: Open, put: Put) -> None:
    here, there, away = (open_log(name) for name in ("here", "there", "away"))
    here.append(command("a", 1))
    offset = put(GARBAGE)
    put(encode(command("a", 2)), encode(command("a", 2)), encode(new_void("test", "never")))
    for log in (here, there, away):
        until_standing_still(log)
    away.close()
    assert quarantine(here, offset)
    assert here.append(command("a", 3)) is not None
    until(lambda: there.failure() is None)  # Until it has read the quarantine it takes nothing.
    assert there.append(command("b", 1)) is not None
    away, fresh = open_log("away"), open_log("fresh")
    for log in (away, fresh):
        assert log.failure() is None
        assert [(1, "a", 1), (2, "a", 2), (3, "a", 3), (4, "b", 1)] == positions(log)
    until(lambda: here.index.next_offset() == there.index.next_offset())
    for log in (there, away, fresh):
        assert here.index.notifications(1, 100) == log.index.notifications(1, 100)
        assert here.index.quarantined() == log.index.quarantined()
    [passed] = here.index.quarantined()
    assert (offset, "not ours", "me", "me@here") == (passed.offset, passed.reason, passed.actor, passed.source)


def test_a_log_that_was_released_meanwhile_is_open_only_when_all_of_it_is_read(
    open_log: Open, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log()
    offset = put(GARBAGE)
    until_standing_still(log)
    log.close()
    put(encode(command("a", 1)), quarantine_of(offset))
    is_waiting, may_read = threading.Event(), threading.Event()
    wait_until_folded, read = LogFollower.wait_until_folded, core.log_reader.log_consumer

    def notice_waiting(follower: LogFollower, offset: int, *, timeout_s: float | None) -> None:
        is_waiting.set()
        wait_until_folded(follower, offset, timeout_s=timeout_s)

    def read_when_told(*arguments: Any) -> Consumer:
        assert may_read.wait(60)
        return read(*arguments)

    monkeypatch.setattr(LogFollower, "wait_until_folded", notice_waiting)
    monkeypatch.setattr(core.log_reader, "log_consumer", read_when_told)
    with ThreadPoolExecutor(1) as thread:
        opening = thread.submit(open_log)
        assert is_waiting.wait(60)
        may_read.set()
        log = opening.result(60)
    assert log.failure() is None
    assert [(1, "a", 1)] == positions(log)


def test_of_several_garbage_records_each_is_passed_by_its_own_quarantine(
    open_log: Open, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log()
    first = put(GARBAGE)
    second = put(None)
    third = put(b"[]", encode(command("a", 1))) - 1
    until_standing_still(log)
    with monkeypatch.context() as patch:
        patch.setattr("core.command_log.READ_BACK_TIMEOUT_S", 0.3)
        assert not quarantine(log, second)  # It still stands at an earlier one.
    assert first == until_standing_still(log).offset
    assert quarantine(log, first)
    assert third == until_standing_still(log).offset
    assert [first, second] == [one.offset for one in log.index.quarantined()]
    assert quarantine(log, third)
    assert log.append(command("a", 2)) is not None
    assert [(1, "a", 1), (2, "a", 2)] == positions(log)


def test_a_quarantine_counts_behind_the_garbage_only(open_log: Open, put: Put) -> None:
    log = open_log()
    before = put(quarantine_of(1))
    assert before + 1 == put(GARBAGE)
    assert 1 == until_standing_still(log).offset
    assert [] == log.index.quarantined()
    assert quarantine(log, 1)
    assert [2] == [one.quarantined_at for one in log.index.quarantined()]


def test_a_quarantine_of_what_is_passed_already_records_nothing_more(open_log: Open, put: Put, topic: LogTopic) -> None:
    log = open_log()
    offset = put(GARBAGE)
    until_standing_still(log)
    assert quarantine(log, offset)
    end = topic.end_offset()
    assert quarantine(log, offset)
    assert end == topic.end_offset()
    put(quarantine_of(offset), quarantine_of(offset))
    assert log.append(command("a", 1)) is not None
    assert [offset + 1] == [one.quarantined_at for one in log.index.quarantined()]


def test_what_can_be_decoded_is_not_quarantined(open_log: Open, put: Put, topic: LogTopic) -> None:
    log = open_log()
    log.append(command("a", 1))
    refused, void = put(encode(command("a", 1))), put(encode(new_void("test", "c")))
    own = put(quarantine_of(0))
    newer = put(b'{"format":2}')
    end = topic.end_offset()
    for offset in (0, refused, void, own):
        with pytest.raises(InvalidInputError, match=rf"@{offset} can be decoded: there is nothing to quarantine"):
            quarantine(log, offset)
    with pytest.raises(InvalidInputError, match=rf"@{newer} cannot be quarantined, since a newer program reads it"):
        quarantine(log, newer)
    assert end == topic.end_offset()


def test_an_offset_that_the_log_does_not_hold_is_not_quarantined(open_log: Open, put: Put, topic: LogTopic) -> None:
    log = open_log()
    put(GARBAGE)
    for offset in (-1, 1, 2**62):
        with pytest.raises(NotFoundError, match="holds offsets 0 to 0"):
            quarantine(log, offset)
    assert 1 == topic.end_offset()


def test_a_record_of_a_newer_format_is_never_passed(open_log: Open, put: Put) -> None:
    log = open_log()
    offset = put(NEWER)
    put(quarantine_of(offset), encode(command("a", 1)))
    failure = until_standing_still(log)
    assert failure.is_newer
    with pytest.raises(UnreadableRecordError, match=r"upgrade it$"):
        log.append(command("a", 1))
    fresh = open_log("fresh")
    assert until_standing_still(fresh).is_newer
    # Both have seen the quarantine: it is in what they read behind the record.
    log.close()
    assert offset == fresh.index.next_offset()
    assert [] == positions(fresh)
    assert [] == fresh.index.quarantined()


def test_a_garbage_record_behind_the_check_leaves_an_append_unknown_until_it_is_quarantined(
    open_log: Open, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log()
    real = log._writer()

    class Overtaken:
        def write(self, topic: str, records: Sequence[OutRecord]) -> Future[list[Written]]:
            put(GARBAGE)
            return real.write(topic, records)

    with monkeypatch.context() as patch:
        patch.setattr(log, "_writer", Overtaken)
        with pytest.raises(OutcomeUnknownError, match="c1"):
            log.append(command("a", 1, "c1"))
    assert quarantine(log, 0)
    again = log.append(command("a", 1, "c1"))
    assert again is not None
    assert [1] == again.notification_ids
    assert [(1, "a", 1)] == positions(log)


# Offsets that hold no record.


def begin_transaction(topic: LogTopic, value: bytes) -> Producer:
    producer = Producer(
        {
            "bootstrap.servers": topic.bootstrap,
            "transactional.id": uuid.uuid4().hex,
            "transaction.timeout.ms": 600_000,
        }
    )
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(topic.name, value)
    assert 0 == producer.flush(60)
    return producer


def transact(topic: LogTopic, value: bytes, ending: str = "commit") -> None:
    end = topic.end_offset()
    producer = begin_transaction(topic, value)
    if ending == "commit":
        producer.commit_transaction(60)
    else:
        producer.abort_transaction(60)
    until(lambda: end + 2 == topic.end_offset())  # The marker is written a moment later.


@pytest.mark.parametrize("ending", ["commit", "abort"])
def test_the_marker_of_a_transaction_blocks_neither_opening_nor_appending(
    open_log: Open, topic: LogTopic, ending: str
) -> None:
    log = open_log("running")
    log.append(command("a", 1))
    transact(topic, encode(command("a", 2)), ending)
    assert log.append(command("a", 3)) is not None
    transact(topic, encode(command("a", 4)), ending)
    opened = open_log("opened")
    assert 6 == opened.index.next_offset()  # Also behind a marker that is the last offset.
    assert [(2, 2), (5, 5)] == list(opened.index.gaps())
    # Whoever writes, in a transaction or not, and whatever becomes of it: the record is in the log.
    assert [1, 2, 3, 4] == [version for _, _, version in positions(opened)]
    assert opened.append(command("a", 5)) is not None
    until(lambda: log.index.next_offset() == opened.index.next_offset())
    assert log.index.notifications(1, 100) == opened.index.notifications(1, 100)


def test_an_offset_that_holds_a_marker_is_not_quarantined(open_log: Open, topic: LogTopic) -> None:
    log = open_log()
    transact(topic, encode(command("a", 1)))
    with pytest.raises(NotFoundError, match="no record at offset 1"):
        quarantine(log, 1)
    assert log.append(command("a", 2)) is not None
    with pytest.raises(NotFoundError, match="no record at offset 1"):
        quarantine(log, 1)


def test_a_transaction_that_hangs_neither_blocks_the_log_nor_looks_like_lost_records(
    open_log: Open, topic: LogTopic
) -> None:
    log = open_log()
    log.append(command("a", 1))
    hanging = begin_transaction(topic, encode(command("a", 2)))
    assert log.append(command("a", 3)) is not None
    index = log.index.path
    log.close()
    again, fresh = open_log(), open_log("fresh")
    assert index == again.index.path
    assert [index] == [path for path in index.parent.iterdir() if path.is_dir()], "the index was set aside"
    for opened in (again, fresh):
        assert [1, 2, 3] == [version for _, _, version in positions(opened)]
    assert topic.end_offset() == fresh.index.next_offset()
    hanging.abort_transaction(60)


# Several processes.


def _follow(bootstrap: str, topic: str, folder: str, standing: Event) -> None:
    log = CommandLog(LogTopic(bootstrap, topic), Path(folder))
    until_standing_still(log)
    standing.set()
    signal.pause()


def test_when_the_process_that_stands_still_is_killed_another_one_goes_on(
    open_log: Open, put: Put, topic: LogTopic, tmp_path: Path
) -> None:
    open_log("first").append(command("a", 1))
    offset = put(GARBAGE)
    spawn = multiprocessing.get_context("spawn")
    standing = spawn.Event()
    folder = tmp_path / "shared"
    other = spawn.Process(target=_follow, args=(topic.bootstrap, topic.name, str(folder), standing))
    other.start()
    try:
        assert standing.wait(200)
        log = open_log("shared")
        assert not log._follower._lock.is_held
        assert offset == until_standing_still(log).offset  # As the one that folds has found.
        with pytest.raises(UnreadableRecordError):
            log.append(command("a", 2))
        assert other.pid is not None
        os.kill(other.pid, signal.SIGKILL)
        other.join()
        assert quarantine(log, offset)
        assert log._follower._lock.is_held
        assert log.append(command("a", 2)) is not None
    finally:
        other.kill()
        other.join()
        other.close()


def test_a_log_with_a_limit_folds_up_to_it_and_no_further(topic: LogTopic, put: Put, tmp_path: Path) -> None:
    """Also where the limit lies between a record that nobody can decode and the one that tells to pass it."""
    topic.ensure()
    put(encode(command("a", 1)))
    offset = put(GARBAGE)
    put(encode(command("b", 1)), quarantine_of(offset), encode(command("c", 1)))
    log = CommandLog(topic, tmp_path / "limited", limit=0)
    for limit, expected in ((0, []), (1, ["a"]), (2, ["a"]), (3, ["a", "b"]), (4, ["a", "b"]), (5, ["a", "b", "c"])):
        log.fold_to(limit, 60)
        assert limit == log.index.next_offset()
        assert expected == [event.originator_id for _, event in log.index.notifications(1, 10)]
    log.close()
