from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UnreadableRecordError
from core.log_identity import index_path
from core.log_index import LogIndex
from core.log_rows import LAYOUT, LogEntry
from core.record import (
    FORMAT,
    CommandRecord,
    LogRecord,
    QuarantineRecord,
    RecordedEvent,
    RecordedTracking,
    encode,
    new_void,
    timestamp_of,
)


def command(command_id: str, *versions: tuple[str, int]) -> CommandRecord:
    events = tuple(RecordedEvent(name, version, "topic", f"{name}{version}") for name, version in versions)
    return CommandRecord(format=FORMAT, application="test", command_id=command_id, events=events)


def entries(*records: LogRecord, offset: int = 0) -> list[LogEntry]:
    return [LogEntry(offset + i, 1000 + i, encode(record)) for i, record in enumerate(records)]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LogIndex]:
    index = LogIndex(tmp_path / "index", "log")
    yield index
    index.close()


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
    assert [None] * 4 == [index.command_of(position) for position in (5, -1, 2**64 - 1, 2**64)]


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
    second.close()


def test_ids_of_any_length_have_room(index: LogIndex) -> None:
    long = "x" * 5000
    index.fold(entries(command(long, (long, 1), ("", 1))))
    assert [long] == [e.originator_id for e in index.events_of(long)]
    assert [""] == [e.originator_id for e in index.events_of("")]


def test_commands_are_listed_oldest_first_from_any_offset(index: LogIndex) -> None:
    index.fold(entries(command("c1", ("a", 1)), command("c1", ("a", 2)), command("c2", ("a", 2)), command("c3")))
    assert [(0, "c1"), (2, "c2")] == [(c.offset, c.record.command_id) for c in index.commands_from(0, limit=2)]
    assert [(2, "c2"), (3, "c3")] == [(c.offset, c.record.command_id) for c in index.commands_from(1, limit=9)]
    assert [] == index.commands_from(4, limit=9)
    assert ["c1"] == [c.record.command_id for c in index.commands(before=2, limit=9)]
    assert [] == index.commands(before=0, limit=9)


def test_each_position_of_a_command_leads_to_it(index: LogIndex) -> None:
    index.fold(entries(command("c1", ("a", 1)), command("none"), command("c2", ("a", 2), ("a", 3))))
    assert [None, "c1", "c2", "c2", None] == [
        None if (found := index.command_of(position)) is None else found.record.command_id for position in range(5)
    ]
    found = index.command_of(2)
    assert found is not None
    assert (3, 2, 2, 1002) == (found.position, found.first_id, found.offset, found.time_ms)


def test_a_command_without_events_stands_at_the_position_before_it(index: LogIndex) -> None:
    tracking = CommandRecord(
        format=FORMAT, application="t", command_id="c2", events=(), tracking=RecordedTracking("upstream", 7)
    )
    index.fold(entries(command("c1", ("a", 1)), tracking))
    outcome = index.outcome("c2")
    assert outcome is not None
    assert [] == outcome.notification_ids
    assert [("c2", 1, 2), ("c1", 1, 1)] == [
        (c.record.command_id, c.position, c.first_id) for c in index.commands(limit=9)
    ]
    assert 7 == index.tracked("upstream")
    assert index.tracked("another") is None


# Unreadable records.

NEWER = b'{"format":2,"void":["c9"]}'


def fold_until_unreadable(index: LogIndex, *raw: bytes | None, offset: int = 0) -> UnreadableRecordError:
    with pytest.raises(UnreadableRecordError) as caught:
        index.fold([LogEntry(offset + i, 1000, value) for i, value in enumerate(raw)])
    return caught.value


def quarantine(offset: int, **facts: str) -> QuarantineRecord:
    return QuarantineRecord(format=FORMAT, application="quick", quarantine=offset, **facts)


@pytest.mark.parametrize("garbage", [b"garbage", b"", None])
def test_a_record_is_called_unreadable_once_nothing_in_the_log_releases_it(
    index: LogIndex, garbage: bytes | None
) -> None:
    fold_until_unreadable(index, encode(command("c1", ("a", 1))), garbage)
    assert index.unreadable() is None
    index.note_not_released()
    unreadable = index.unreadable()
    assert unreadable is not None
    assert (1, False) == (unreadable.offset, unreadable.is_newer)
    assert "quick log quarantine 1 --reason" in str(unreadable)


def test_a_record_of_a_newer_format_has_another_way_out(index: LogIndex) -> None:
    error = fold_until_unreadable(index, NEWER)
    assert error.is_newer
    assert "upgrade" in str(error)
    assert "quarantine" not in str(error)


def test_the_fold_stands_still_for_whoever_opens_the_index(tmp_path: Path) -> None:
    first = LogIndex(tmp_path / "index", "log")
    fold_until_unreadable(first, b"garbage")
    first.note_not_released()
    first.close()
    second = LogIndex(tmp_path / "index", "log", readonly=True)
    unreadable = second.unreadable()
    assert unreadable is not None
    assert 0 == unreadable.offset
    second.close()


def test_a_search_that_begins_again_calls_nothing_unreadable(index: LogIndex) -> None:
    fold_until_unreadable(index, b"garbage")
    index.note_not_released()
    fold_until_unreadable(index, b"garbage")
    assert index.unreadable() is None


def test_a_fold_that_begins_anew_calls_nothing_unreadable_before_it_has_searched(index: LogIndex) -> None:
    index.note_searching()
    fold_until_unreadable(index, b"garbage")
    index.note_not_released()
    index.note_searching()
    assert index.unreadable() is None
    index.note_not_released()
    assert index.unreadable() is not None


def test_a_program_that_reads_what_an_older_one_could_not_goes_on(index: LogIndex) -> None:
    fold_until_unreadable(index, NEWER)
    index.note_not_released()
    index.fold(entries(command("c1", ("a", 1))))
    assert index.unreadable() is None
    assert [] == index.quarantined()
    assert 1 == index.max_notification_id()


def test_a_quarantine_passes_the_record_and_is_remembered(index: LogIndex) -> None:
    fold_until_unreadable(index, encode(command("c1", ("a", 1))), b"garbage")
    index.note_not_released()
    told = quarantine(1, reason="not ours", actor="me", source="me@here")
    index.skip(told, LogEntry(3, 5000, encode(told)))
    assert index.unreadable() is None
    assert 2 == index.next_offset()
    index.fold(entries(command("c2", ("a", 2)), told, offset=2))
    assert [1, 2] == [event_id for event_id, _ in index.notifications(1, 9)]
    [passed] = index.quarantined()
    assert (1, 3, 5000) == (passed.offset, passed.quarantined_at, passed.time_ms)
    assert ("not ours", "me", "me@here") == (passed.reason, passed.actor, passed.source)
    assert "not a record" in passed.cause
    assert [] == list(index.gaps())


def test_what_was_passed_last_is_what_the_topic_is_compared_with(index: LogIndex) -> None:
    index.fold(entries(command("c1", ("a", 1))))
    before = index.last_folded()
    fold_until_unreadable(index, b"garbage", offset=1)
    assert before == index.last_folded()
    index.skip(quarantine(1), LogEntry(2, 1, b""))
    last = index.last_folded()
    assert last is not None
    assert 1 == last[0]
    assert last != before


def test_several_passed_records_are_listed_by_offset(index: LogIndex) -> None:
    for offset in range(3):
        fold_until_unreadable(index, b"garbage", offset=offset)
        index.skip(quarantine(offset), LogEntry(9 - offset, 1, b""))
    assert [(0, 9), (1, 8), (2, 7)] == [(one.offset, one.quarantined_at) for one in index.quarantined()]
    assert 3 == index.next_offset()
    assert index.max_notification_id() is None


def test_only_the_record_at_which_the_fold_stands_can_be_passed(index: LogIndex) -> None:
    fold_until_unreadable(index, b"garbage")
    with pytest.raises(AssertionError):
        index.skip(quarantine(1), LogEntry(2, 1, b""))
    with pytest.raises(AssertionError):
        index.skip(quarantine(0), LogEntry(0, 1, b""))
    assert 0 == index.next_offset()


# Offsets without a record.


def test_offsets_without_a_record_are_gaps_and_everything_decided_is_none(index: LogIndex) -> None:
    assert [] == list(index.gaps())
    index.fold(entries(command("c1", ("a", 1)), command("refused", ("a", 1)), new_void("t", "c3"), offset=2))
    index.fold(entries(quarantine(0), offset=7))
    assert [(0, 1), (5, 6)] == list(index.gaps())
    index.move_to(10)
    assert [(0, 1), (5, 6), (8, 9)] == list(index.gaps())


def test_moving_on_decides_nothing(index: LogIndex) -> None:
    index.fold(entries(command("c1", ("a", 1))))
    last = index.last_folded()
    index.move_to(5)
    assert 5 == index.next_offset()
    assert last == index.last_folded()
    assert not index.decision(4, "c1")[0]


def test_a_record_is_decided_at_its_own_offset_only(index: LogIndex) -> None:
    index.fold(entries(command("c1", ("a", 1)), command("c2", ("a", 1)), new_void("t", "c3"), quarantine(0)))
    assert [True, False, False, False] == [index.decision(offset, "c1")[0] for offset in range(4)]
    assert [False, True, False, False] == [index.decision(offset, "c2")[0] for offset in range(4)]
    assert [False, False, True, False] == [index.decision(offset, "c3")[0] for offset in range(4)]


# Times.


def timed(command_id: str, version: int, recorded_at: str | None) -> CommandRecord:
    return CommandRecord(
        format=FORMAT,
        application="t",
        command_id=command_id,
        events=(RecordedEvent("a", version, "t", ""),),
        recorded_at=recorded_at,
    )


@pytest.mark.parametrize(
    ("recorded_at", "time_ms"),
    [
        (None, 1000),
        ("2020-01-01T00:00:00.123Z", 1577836800123),
        ("2020-01-01T01:00:00.123+01:00", 1577836800123),
        ("1969-12-31T23:59:59Z", -1000),
        ("", 1000),
        ("yesterday", 1000),
        ("1577836800123", 1000),
        ("0001-01-01T00:00:00+23:59", 1000),
        ("9999-12-31T23:59:59-23:59", 1000),
    ],
)
def test_a_restored_record_keeps_its_time_and_a_wrong_one_is_the_broker_s(
    index: LogIndex, recorded_at: str | None, time_ms: int
) -> None:
    index.fold(entries(timed("c1", 1, recorded_at)))
    assert [time_ms] == [found.time_ms for found in index.commands(limit=1)]


def test_the_position_at_a_time_is_that_of_the_last_command_until_then(index: LogIndex) -> None:
    times = ["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z", "2020-01-02T00:00:00Z"]
    index.fold(entries(*(timed(f"c{i}", i, time) for i, time in enumerate(times, 1))))
    day = 24 * 60 * 60 * 1000
    first = timestamp_of("2020-01-01")
    assert [0, 1, 1, 3, 3] == [
        index.position_at(time_ms) for time_ms in (first - 1, first, first + day - 1, first + day, first + 9 * day)
    ]
    index.fold(entries(timed("c4", 4, None), offset=3))
    assert 4 == index.position_at(1003)  # Its own time is the broker's.


def test_the_layout_is_part_of_the_folder_s_name(tmp_path: Path) -> None:
    assert tmp_path / f"cluster.topic.v{LAYOUT}" == index_path(tmp_path, "cluster.topic")


# However the log is cut.

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
