"""The log as a file: what is in it, and what is said of a file that is not what it should be."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import core.log_export
from core.errors import InvalidInputError
from core.log_export import SCHEMA, LogExport, export_log
from core.log_index import LogIndex
from core.log_rows import LogEntry
from core.record import (
    FORMAT,
    CommandRecord,
    ExpectedHead,
    LogRecord,
    RecordedEvent,
    RecordedTracking,
    encode,
    new_void,
    state_of,
    timestamp_text,
)

FULL = CommandRecord(
    format=FORMAT,
    application="quick",
    command_id="c2",
    command="create_topic",
    target="topic/größe",
    actor="default",
    source="me@here",
    reason="weil",
    issued_at="2026-01-01T00:00:00.000Z",
    trace="00-1-2-03",
    expected=(ExpectedHead("a", 1), ExpectedHead("new", None), ExpectedHead("big", 2**63 - 1)),
    events=(
        RecordedEvent("a", 2, "t", "größe"),
        RecordedEvent("b", 1, "t", state_of(b"\xff\x00")),
        RecordedEvent("c", 2**63 - 1, "t", ""),
    ),
    tracking=RecordedTracking("upstream", 2**63 - 1),
)


def command(command_id: str, *versions: tuple[str, int]) -> CommandRecord:
    events = tuple(RecordedEvent(name, version, "topic", "{}") for name, version in versions)
    return CommandRecord(format=FORMAT, application="test", command_id=command_id, events=events)


def entries(*records: LogRecord, offset: int = 0) -> list[LogEntry]:
    return [LogEntry(offset + i, 1000 + i, encode(record)) for i, record in enumerate(records)]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LogIndex]:
    index = LogIndex(tmp_path / "index", "log")
    yield index
    index.close()


def exported(index: LogIndex) -> bytes:
    return b"".join(export_log(index, "log-topic", "cluster.topic"))


def read(file: bytes) -> tuple[LogExport, list[Any]]:
    export = LogExport(io.BytesIO(file))
    return export, list(export.commands())


@pytest.fixture
def full(index: LogIndex) -> bytes:
    """Return a file with everything in it that a command can have."""
    index.fold([LogEntry(0, 1000, encode(command("big", ("big", 2**63 - 1))))])
    index.fold(
        entries(
            command("c1", ("a", 1)),
            command("refused", ("a", 1)),
            new_void("t", "gone"),
            FULL,
            command("none"),
            offset=3,
        )
    )
    return exported(index)


def test_what_is_read_is_what_was_accepted_with_its_position_and_time(full: bytes) -> None:
    export, commands = read(full)
    assert ("log-topic", "cluster.topic") == (export.header.topic, export.header.log)
    assert (4, 5) == (export.header.commands, export.header.last_position)
    assert ["big", "c1", "c2", "none"] == [found.record.command_id for found in commands]
    assert [1, 2, 5, 5] == [found.position for found in commands]
    assert [timestamp_text(ms) for ms in (1000, 1000, 1003, 1004)] == [found.record.recorded_at for found in commands]
    kept = commands[2].record
    for field in FULL.__struct_fields__:
        if field != "recorded_at":
            assert getattr(FULL, field) == getattr(kept, field)


def test_any_avro_tool_reads_it(full: bytes) -> None:
    reader = fastavro.reader(io.BytesIO(full))
    assert "quick.log.Command" == reader.writer_schema["name"]  # type: ignore[index, call-overload]  # it is a record
    assert {"quick.format": "1", "quick.commands": "4", "quick.topic": "log-topic"}.items() <= reader.metadata.items()
    rows: list[Any] = list(reader)
    assert [(1, 1, 0), (2, 2, 3), (5, 3, 6), (5, 6, 7)] == [
        (row["position"], row["first_id"], row["offset"]) for row in rows
    ]
    assert datetime(1970, 1, 1, 0, 0, 1, 3000, tzinfo=UTC) == rows[2]["time"]
    assert ["größe", b"\xff\x00", ""] == [event["state"] for event in rows[2]["events"]]
    assert "topic/größe" == rows[2]["target"]
    assert rows[1]["actor"] is None


@given(
    states=st.lists(
        st.binary(max_size=50) | st.text(max_size=50).map(lambda t: t.encode("utf-8", "replace")), max_size=5
    )
)
@settings(max_examples=50)
def test_any_state_comes_back_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, states: list[bytes]) -> None:
    index = LogIndex(tmp_path_factory.mktemp("states"), "log")
    events = tuple(RecordedEvent("a", version, "t", state_of(state)) for version, state in enumerate(states, 1))
    record = CommandRecord(format=FORMAT, application="t", command_id="c", events=events)
    index.fold(entries(record))
    _, [found] = read(exported(index))
    assert states == [event.state_bytes() for event in found.record.events]
    assert events == found.record.events
    index.close()


@pytest.mark.parametrize("time_ms", [0, 1, 999, 1_795_491_240_123, 253_402_300_799_999, -1, -62_135_596_800_000])
def test_any_time_comes_back_to_the_millisecond(index: LogIndex, time_ms: int) -> None:
    record = CommandRecord(
        format=FORMAT, application="t", command_id="c", events=(), recorded_at=timestamp_text(time_ms)
    )
    index.fold(entries(record))
    _, [found] = read(exported(index))
    assert timestamp_text(time_ms) == found.record.recorded_at


def test_an_empty_log_is_a_file_as_well(index: LogIndex) -> None:
    export, commands = read(exported(index))
    assert [] == commands
    assert (0, 0) == (export.header.commands, export.header.last_position)


def test_what_is_recorded_during_an_export_is_not_in_it(index: LogIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.log_export, "_SYNC_BYTES", 1)
    monkeypatch.setattr("core.log_index._READ_AT_ONCE", 3)
    index.fold(entries(*(command(f"c{i}", ("a", i)) for i in range(1, 8))))
    pieces = export_log(index, "log", "id")
    first = next(pieces)
    index.fold(entries(command("late", ("a", 8)), offset=7))
    file = first + b"".join(pieces)
    _, commands = read(file)
    assert [f"c{i}" for i in range(1, 8)] == [found.record.command_id for found in commands]


def test_a_large_log_is_handed_out_in_pieces(index: LogIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.log_export, "_SYNC_BYTES", 1000)
    index.fold(entries(*(command(f"c{i}", ("a", i)) for i in range(1, 200))))
    pieces = list(export_log(index, "log", "id"))
    assert len(pieces) > 5
    _, commands = read(b"".join(pieces))
    assert list(range(1, 200)) == [found.position for found in commands]


# Files that are not what they should be.


def avro(rows: Sequence[Any], schema: Any, metadata: dict[str, str] | None = None) -> bytes:
    file = io.BytesIO()
    fastavro.writer(file, schema, rows, metadata=metadata)
    return file.getvalue()


def header(**changes: str) -> dict[str, str]:
    facts = {
        "quick.format": "1",
        "quick.commands": "0",
        "quick.last_position": "0",
        "quick.topic": "t",
        "quick.log": "l",
        "quick.exported_at": "2026",
    }
    return facts | changes


INTS = {"type": "record", "name": "Int", "fields": [{"name": "a", "type": "int"}]}

FOREIGN = {
    "empty": b"",
    "text": b"position;command\n1;create_topic\n",
    "zip": b"PK\x03\x04" + bytes(100),
    "magic only": b"Obj\x01",
    "another Avro file": avro([{"a": 1}], INTS),
    "another Avro file that says it is ours": avro([{"a": 1}], INTS, header(**{"quick.commands": "1"})),
    "no numbers in the header": avro([], SCHEMA, header(**{"quick.commands": "many"})),
    "no header": avro([], SCHEMA),
}


@pytest.mark.parametrize("file", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_file_that_is_no_export_is_refused_with_the_way_to_make_one(file: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"no export of a command log|is damaged behind command 0"):
        read(file)


def test_a_file_of_a_newer_format_asks_for_an_upgrade_and_for_nothing_else() -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(avro([], SCHEMA, header(**{"quick.format": "2"})))
    assert "The file holds records of format 2, this program reads 1: upgrade it." == str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.99])
def test_a_file_that_was_cut_off_is_refused(index: LogIndex, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    monkeypatch.setattr(core.log_export, "_SYNC_BYTES", 500)
    index.fold(entries(*(command(f"c{i}", ("a", i)) for i in range(1, 50))))
    file = exported(index)
    with pytest.raises(InvalidInputError, match=r"cut off|damaged|no export"):
        read(file[: int(len(file) * share)])


def test_a_file_that_was_cut_off_between_two_blocks_is_refused(
    index: LogIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.log_export, "_SYNC_BYTES", 1)
    index.fold(entries(*(command(f"c{i}", ("a", i)) for i in range(1, 5))))
    pieces = list(export_log(index, "log", "id"))
    read(b"".join(pieces))
    with pytest.raises(InvalidInputError, match=r"ends after command \d at position \d, and was to hold 4 up to"):
        read(b"".join(pieces[:-2]))


def sample(codec: str) -> bytearray:
    rows = [
        {
            "position": i,
            "first_id": i,
            "offset": i,
            "time": 1000,
            "application": "quick",
            "command_id": f"c{i}",
            "expected": [{"originator_id": "a", "head": None}],
            "events": [{"originator_id": "a", "originator_version": i, "topic": "t", "state": "{}"}],
        }
        for i in range(1, 6)
    ]
    file = io.BytesIO()
    fastavro.writer(
        file, SCHEMA, rows, codec=codec, metadata=header(**{"quick.commands": "5", "quick.last_position": "5"})
    )
    return bytearray(file.getvalue())


SAMPLES = {codec: sample(codec) for codec in ("deflate", "null")}


@given(st.sampled_from(sorted(SAMPLES)), st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_is_refused_or_gives_commands_and_raises_nothing_else(codec: str, data: st.DataObject) -> None:
    file = bytearray(SAMPLES[codec])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(file) - 1))
        file[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(InvalidInputError):
        read(bytes(file))
