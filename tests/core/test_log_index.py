from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UnreadableRecordError
from core.log_index import LogIndex
from core.log_rows import LogEntry
from core.record import FORMAT, CommandRecord, LogRecord, RecordedEvent, encode, new_void


def command(command_id: str, *versions: tuple[str, int]) -> CommandRecord:
    events = tuple(RecordedEvent(name, version, "topic", f"{name}{version}") for name, version in versions)
    return CommandRecord(format=FORMAT, application="test", command_id=command_id, events=events)


def entries(*records: LogRecord, offset: int = 0) -> list[LogEntry]:
    return [LogEntry(offset + i, 1000 + i, encode(record)) for i, record in enumerate(records)]


@pytest.fixture
def index(tmp_path: Path) -> LogIndex:
    return LogIndex(tmp_path / "index", "log")


def test_ids_count_accepted_events_without_gaps(index: LogIndex) -> None:
    index.fold(entries(command("c1", ("a", 1), ("b", 1)), command("c2", ("a", 1)), command("c3", ("a", 2))))
    assert [(1, "a1"), (2, "b1"), (3, "a2")] == [(i, e.state.decode()) for i, e in index.notifications(1, 10)]
    assert 3 == index.max_notification_id()
    assert 3 == index.next_offset()


def test_outcomes_tell_accepted_voided_and_refused_apart(index: LogIndex) -> None:
    index.fold(
        entries(command("c1", ("a", 1)), command("c2", ("a", 1)), new_void("test", "c3"), command("c3", ("a", 2)))
    )
    accepted, voided = index.outcome("c1"), index.outcome("c3")
    assert accepted is not None
    assert [1] == accepted.notification_ids
    assert index.outcome("c2") is None
    assert voided is not None
    assert voided.is_voided


def test_events_of_an_originator_within_bounds(index: LogIndex) -> None:
    index.fold(entries(*(command(f"c{v}", ("a", v), ("b", v)) for v in range(1, 6))))
    assert [1, 2, 3, 4, 5] == [e.originator_version for e in index.events_of("a")]
    assert [3, 4] == [e.originator_version for e in index.events_of("a", gt=2, lte=4)]
    assert [5, 4] == [e.originator_version for e in index.events_of("a", desc=True, limit=2)]
    assert [2, 1] == [e.originator_version for e in index.events_of("a", desc=True, lte=2)]
    assert [] == index.events_of("a", gt=5)
    assert [] == index.events_of("nobody")


def test_commands_are_listed_newest_first(index: LogIndex) -> None:
    index.fold(entries(command("c1", ("a", 1)), command("c2", ("a", 2), ("a", 3)), command("c3", ("a", 4))))
    assert [(4, "c3"), (3, "c2")] == [(c.position, c.record.command_id) for c in index.commands(limit=2)]
    found = index.command_of(2)
    assert found is not None
    assert "c2" == found.record.command_id
    assert index.command_of(5) is None


def test_what_was_folded_before_an_unreadable_record_stays(index: LogIndex) -> None:
    batch = [
        *entries(command("c1", ("a", 1))),
        LogEntry(1, 1, b"garbage"),
        *entries(command("c2", ("a", 2)), offset=2),
    ]
    with pytest.raises(UnreadableRecordError, match=r"log\[0\]@1") as caught:
        index.fold(batch)
    assert 1 == caught.value.offset
    assert 1 == index.next_offset()
    assert 1 == index.max_notification_id()


def test_a_reopened_index_continues(tmp_path: Path) -> None:
    first = LogIndex(tmp_path / "index", "log")
    first.fold(entries(command("c1", ("a", 1))))
    first.close()
    second = LogIndex(tmp_path / "index", "log")
    second.fold(entries(command("c2", ("a", 2)), offset=1))
    assert [1, 2] == [e.originator_version for e in second.events_of("a")]
    assert 2 == second.head("a")


def test_ids_of_any_length_have_room(index: LogIndex) -> None:
    long = "x" * 5000
    index.fold(entries(command(long, (long, 1), ("", 1))))
    assert [long] == [e.originator_id for e in index.events_of(long)]
    assert [""] == [e.originator_id for e in index.events_of("")]


_names = st.sampled_from(["a", "b"])
_commands = st.builds(
    lambda id_, events: command(id_, *events),
    st.sampled_from(["c1", "c2", "c3", "c4"]),
    st.lists(st.tuples(_names, st.integers(1, 3)), max_size=3),
)
_logs = st.lists(_commands | st.builds(lambda id_: new_void("test", id_), st.sampled_from(["c1", "c2"])), max_size=10)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_logs, st.integers(1, 5))
def test_every_reader_decides_alike_however_the_log_is_cut(
    tmp_path_factory: pytest.TempPathFactory, log: list[LogRecord], size: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    whole, cut = LogIndex(folder / "whole", "log"), LogIndex(folder / "cut", "log")
    batch = entries(*log)
    whole.fold(batch)
    for start in range(0, len(batch), size):
        cut.fold(batch[start : start + size])
    assert whole.notifications(1, 100) == cut.notifications(1, 100)
    assert [whole.outcome(f"c{i}") for i in range(5)] == [cut.outcome(f"c{i}") for i in range(5)]
    whole.close()
    cut.close()
