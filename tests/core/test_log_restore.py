"""An exported log in an empty one: the same positions, times and ids, also after an interruption."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import fastavro
import pytest

import core.log_restore
from core.command_log import CommandLog
from core.errors import ConflictError, InvalidInputError, UnreadableRecordError
from core.kafka_writer import OutRecord, RecordWriter
from core.log_export import LogExport, export_log
from core.log_index import LogIndex
from core.log_restore import LogRestore, RestorePlan
from core.log_rows import LogEntry
from core.log_topic import LogTopic
from core.record import (
    FORMAT,
    CommandRecord,
    ExpectedHead,
    LogRecord,
    QuarantineRecord,
    RecordedEvent,
    RecordedTracking,
    encode,
    new_void,
    state_of,
)

Open = Callable[..., CommandLog]


def command(command_id: str, *versions: tuple[str, int], **more: Any) -> CommandRecord:
    events = tuple(RecordedEvent(name, version, "topic", f'{{"v":{version}}}') for name, version in versions)
    return CommandRecord(format=FORMAT, application="test", command_id=command_id, events=events, **more)


def quarantine(offset: int) -> QuarantineRecord:
    return QuarantineRecord(format=FORMAT, application="test", quarantine=offset)


SOURCE: list[LogRecord | bytes | None] = [
    command("c1", ("a", 1), ("b", 1), actor="me", source="me@here", reason="why", command="create", target="x/a"),
    command("refused", ("a", 1)),
    new_void("test", "given-up"),
    command("given-up", ("a", 2)),
    b"garbage",
    command("c2", ("a", 2), expected=(ExpectedHead("a", 1), ExpectedHead("never", None)), trace="00-1"),
    quarantine(4),
    command("c1", ("a", 3)),
    CommandRecord(
        format=FORMAT,
        application="test",
        command_id="c3",
        events=(RecordedEvent("c", 1, "topic", state_of(b"\xff\x00")),),
        tracking=RecordedTracking("upstream", 7),
        recorded_at="2020-01-01T00:00:00.123Z",
    ),
    command("c4"),
    command("c5", ("a", 3)),
]
"""Values of a log with everything in it that a log can have."""


def raw(value: LogRecord | bytes | None) -> bytes | None:
    return value if isinstance(value, bytes | None) else encode(value)


@pytest.fixture
def new_topic(kafka: str) -> Callable[[], LogTopic]:
    return lambda: LogTopic(kafka, f"log-{uuid.uuid4().hex}")


@pytest.fixture
def open_log(new_topic: Callable[[], LogTopic], tmp_path: Path) -> Iterator[Open]:
    """Open a new log, or one of the given topic, on a data folder of the given name."""
    opened: list[CommandLog] = []

    def open_log(topic: LogTopic | None = None, folder: str | None = None) -> CommandLog:
        log = CommandLog(topic or new_topic(), tmp_path / (folder or uuid.uuid4().hex))
        opened.append(log)
        return log

    yield open_log
    with ThreadPoolExecutor() as threads:
        list(threads.map(CommandLog.close, opened))


@pytest.fixture
def put(writer: RecordWriter) -> Callable[..., None]:
    """Write values to a log by hand, and wait until it has folded them."""

    def put(log: CommandLog, *values: LogRecord | bytes | None) -> None:
        written = writer.write(log.topic.name, [OutRecord(None, raw(value)) for value in values]).result(60)
        assert log._follower.wait_until_passed(written[-1].offset, timeout_s=60)

    return put


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the export of a log of six commands."""
    records: list[LogRecord] = [command(f"c{i}", ("a", i)) for i in range(1, 7)]
    return exported_of(tmp_path, *records)


def exported_of(tmp_path: Path, *records: LogRecord) -> Path:
    index = LogIndex(tmp_path / uuid.uuid4().hex, "source")
    index.fold([LogEntry(i, 1000 + i, encode(record)) for i, record in enumerate(records)])
    path = written(tmp_path, b"".join(export_log(index, "source", "id")))
    index.close()
    return path


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / f"{uuid.uuid4().hex}.avro"
    path.write_bytes(content)
    return path


def restore(
    file: Path, log: CommandLog, folder: Path, on_progress: Callable[[int], None] = lambda _: None
) -> RestorePlan:
    with LogRestore(file, folder) as restore:
        return restore.run(log, on_progress)


def commands_of(index: LogIndex) -> list[tuple[Any, ...]]:
    """Return what a restore keeps of each command."""
    return [
        (
            found.position,
            found.first_id,
            found.time_ms,
            [
                (event.originator_id, event.originator_version, event.topic, event.state)
                for event in found.record.events
            ],
            *(
                getattr(found.record, field)
                for field in found.record.__struct_fields__
                if field not in {"events", "recorded_at"}
            ),
        )
        for found in index.commands_from(0, 1000)
    ]


def events_of(index: LogIndex) -> list[tuple[Any, ...]]:
    return [
        (i, event.originator_id, event.originator_version, event.topic, event.state)
        for i, event in index.notifications(1, 1000)
    ]


def test_a_restored_log_has_the_same_positions_times_events_and_command_ids(
    open_log: Open, put: Callable[..., None], tmp_path: Path
) -> None:
    source, target = open_log(), open_log()
    put(source, *SOURCE)
    file = written(tmp_path, b"".join(export_log(source.index, source.topic.name, source.identity.folder_name)))
    progress: list[int] = []
    assert RestorePlan(commands=5, last_position=5, present=0) == restore(file, target, tmp_path, progress.append)
    assert [5] == progress
    assert ["c1", "c2", "c3", "c4", "c5"] == [found.record.command_id for found in target.index.commands_from(0, 100)]
    fresh = open_log(target.topic)
    for restored in (target.index, fresh.index):
        assert commands_of(source.index) == commands_of(restored)
        assert events_of(source.index) == events_of(restored)
        assert 7 == restored.tracked("upstream")
        assert [] == restored.quarantined()
    assert 1577836800123 == target.index.commands_from(0, 100)[2].time_ms
    # It goes on where the source was left, and knows what was recorded there.
    assert [6] == target.append(command("next", ("a", 4), expected=(ExpectedHead("a", 3),))).notification_ids  # type: ignore[union-attr]  # accepted
    again = target.append(command("c5", ("a", 3)))
    assert again is not None
    assert [5] == again.notification_ids


def test_a_log_that_was_restored_is_exported_as_the_first_one_was(
    open_log: Open, put: Callable[..., None], tmp_path: Path
) -> None:
    source, target = open_log(), open_log()
    put(source, *SOURCE)
    first = b"".join(export_log(source.index, "log", "id"))
    restore(written(tmp_path, first), target, tmp_path)
    second = b"".join(export_log(target.index, "log", "id"))
    assert list(LogExport(io.BytesIO(first)).commands()) == list(LogExport(io.BytesIO(second)).commands())


def _restore_and_stop(bootstrap: str, topic: str, file: str, folder: str, stopped: Event) -> None:
    core.log_restore.BATCH_RECORDS = 2

    def stop_at_4(done: int) -> None:
        if done == 4:
            stopped.set()
            signal.pause()

    restore(Path(file), CommandLog(LogTopic(bootstrap, topic), Path(folder) / "log"), Path(folder), stop_at_4)


def test_a_restore_that_was_killed_goes_on(
    open_log: Open, new_topic: Callable[[], LogTopic], file: Path, tmp_path: Path
) -> None:
    topic = new_topic()
    spawn = multiprocessing.get_context("spawn")
    stopped = spawn.Event()
    arguments = (topic.bootstrap, topic.name, str(file), str(tmp_path), stopped)
    other = spawn.Process(target=_restore_and_stop, args=arguments)
    other.start()
    try:
        assert stopped.wait(200)
        assert other.pid is not None
        os.kill(other.pid, signal.SIGKILL)
    finally:
        other.kill()
        other.join()
        other.close()
    log = open_log(topic, "log")
    progress: list[int] = []
    assert RestorePlan(commands=6, last_position=6, present=4) == restore(file, log, tmp_path, progress.append)
    assert [6] == progress
    assert [(f"c{i}", i) for i in range(1, 7)] == [
        (found.record.command_id, found.position) for found in log.index.commands_from(0, 100)
    ]
    assert 6 == topic.end_offset()
    # And once more: nothing is left to do.
    assert RestorePlan(commands=6, last_position=6, present=6) == restore(file, log, tmp_path)
    assert 6 == topic.end_offset()


def test_a_log_with_something_else_in_it_is_left_alone(
    open_log: Open, put: Callable[..., None], file: Path, tmp_path: Path
) -> None:
    other, longer = open_log(), open_log()
    put(other, command("c1", ("a", 1)), command("mine", ("a", 2)))
    put(longer, *(command(f"c{i}", ("a", i)) for i in range(1, 8)))
    with pytest.raises(ConflictError, match=r"not empty: it holds the command mine, where the file holds c2\."):
        restore(file, other, tmp_path)
    with pytest.raises(ConflictError, match="not empty: it holds the whole file, and more behind it"):
        restore(file, longer, tmp_path)
    assert (2, 7) == (other.topic.end_offset(), longer.topic.end_offset())


def test_what_never_counted_in_a_log_is_not_in_the_way(
    open_log: Open, put: Callable[..., None], file: Path, tmp_path: Path
) -> None:
    log = open_log()
    put(log, new_void("test", "other"), command("refused", expected=(ExpectedHead("a", 9),)), b"garbage", quarantine(2))
    assert 0 == restore(file, log, tmp_path).present
    assert 6 == log.index.max_notification_id()


def test_nothing_is_written_into_a_log_that_stands_still(
    open_log: Open, put: Callable[..., None], writer: RecordWriter, file: Path, tmp_path: Path
) -> None:
    log = open_log()
    writer.write(log.topic.name, [OutRecord(None, b"garbage")]).result(60)
    with pytest.raises(UnreadableRecordError, match="quick log quarantine 0"):
        log.wait_until_folded(0, 60)
    with pytest.raises(UnreadableRecordError, match="quick log quarantine 0"):
        restore(file, log, tmp_path)
    assert 1 == log.topic.end_offset()
    assert log.quarantine(0, actor="me", source=None, reason="mend")
    assert 6 == restore(file, log, tmp_path).last_position


def test_who_appends_during_a_restore_is_noticed(
    open_log: Open, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.log_restore, "BATCH_RECORDS", 2)
    log = open_log()

    def append_meanwhile(done: int) -> None:
        if done == 2:
            assert log.append(command("mine", ("b", 1))) is not None

    with pytest.raises(ConflictError, match="something else was appended during the restore"):
        restore(file, log, tmp_path, append_meanwhile)


# What is checked before anything is written; no broker is needed.


def refusal(file: Path, folder: Path) -> str:
    with pytest.raises(InvalidInputError) as caught, LogRestore(file, folder):
        pass
    assert [] == [path for path in folder.iterdir() if path.name.startswith("restore-")]
    return str(caught.value)


def test_a_file_is_checked_whole_before_anything_else(file: Path, tmp_path: Path) -> None:
    with LogRestore(file, tmp_path) as restore:
        assert 6 == restore.index.max_notification_id()
        empty = LogIndex(tmp_path / "empty", "log")
        assert RestorePlan(commands=6, last_position=6, present=0) == restore.plan(empty)
        empty.close()
    assert [] == [path for path in tmp_path.iterdir() if path.name.startswith("restore-")]


def test_a_file_that_was_cut_off_or_is_none_is_refused(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    assert "Export it again" in refusal(written(tmp_path, content[:-20]), tmp_path)
    assert "no export of a command log" in refusal(written(tmp_path, content[:100]), tmp_path)
    assert "no export of a command log" in refusal(written(tmp_path, b"something else"), tmp_path)


def rewritten(tmp_path: Path, file: Path, change: Callable[[list[Any]], Sequence[Any]]) -> Path:
    """Return the file with other rows, whose header agrees."""
    reader = fastavro.reader(io.BytesIO(file.read_bytes()))
    assert reader.writer_schema is not None
    rows = change(list(reader))
    metadata = {key: value for key, value in reader.metadata.items() if key.startswith("quick.")}
    metadata |= {"quick.commands": str(len(rows)), "quick.last_position": str(rows[-1]["position"] if rows else 0)}
    out = io.BytesIO()
    fastavro.writer(out, reader.writer_schema, rows, metadata=metadata)
    return written(tmp_path, out.getvalue())


def _twice(rows: list[Any]) -> list[Any]:
    return [rows[0], rows[0], *rows[1:]]


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: [rows[1], rows[0], *rows[2:]],
        lambda rows: rows[1:],
        _twice,
        lambda rows: [{**rows[0], "position": 2}, *rows[1:]],
        lambda rows: [rows[0], {**rows[1], "expected": [{"originator_id": "a", "head": 9}]}, *rows[2:]],
        lambda rows: [rows[0], {**rows[1], "command_id": "c1"}, *rows[2:]],
    ],
    ids=["order", "beginning", "twice", "position", "expected", "command id"],
)
def test_a_file_that_does_not_add_up_is_refused(
    file: Path, tmp_path: Path, change: Callable[[list[Any]], Sequence[Any]]
) -> None:
    assert "does not add up" in refusal(rewritten(tmp_path, file, change), tmp_path)


def test_a_file_with_a_record_that_the_log_could_not_read_is_refused(file: Path, tmp_path: Path) -> None:
    def negative(rows: list[Any]) -> list[Any]:
        return [{**rows[0], "events": [{**rows[0]["events"][0], "originator_version": -1}]}, *rows[1:]]

    assert "damaged" in refusal(rewritten(tmp_path, file, negative), tmp_path)


def test_a_file_larger_than_a_batch_is_checked_batch_by_batch(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.log_restore, "BATCH_RECORDS", 4)
    with LogRestore(file, tmp_path) as restore:
        assert list(range(1, 7)) == [found.position for found in restore.index.commands_from(0, 100)]
