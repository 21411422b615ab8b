"""The acceptance rule against a model that is written a second time, differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain, cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from core.acceptance import refusal
from core.log_index import LogEntry, LogIndex
from core.record import (
    FORMAT,
    CommandRecord,
    ExpectedHead,
    LogRecord,
    RecordedEvent,
    RecordedTracking,
    VoidRecord,
    decode,
    encode,
)


class Accepted:
    """What was accepted, kept as the plain list of records."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []

    def is_settled(self, command_id: str) -> bool:
        return any(command_id == _id_of(record) for record in self.records)

    def has_version(self, originator_id: str, version: int) -> bool:
        return version in self._versions(originator_id)

    def head(self, originator_id: str) -> int | None:
        return max(self._versions(originator_id), default=None)

    def tracked(self, application: str) -> int | None:
        found = [
            record.tracking.notification_id
            for record in self.records
            if isinstance(record, CommandRecord) and record.tracking and record.tracking.application == application
        ]
        return found[-1] if found else None

    def _versions(self, originator_id: str) -> list[int]:
        return [
            event.originator_version
            for record in self.records
            if isinstance(record, CommandRecord)
            for event in record.events
            if event.originator_id == originator_id
        ]

    def take(self, record: LogRecord) -> str | None:
        reason = refusal(record, self)
        if reason is None:
            self.records.append(record)
        return reason


def _id_of(record: LogRecord) -> str:
    return record.void if isinstance(record, VoidRecord) else record.command_id


def command(
    command_id: str,
    *versions: tuple[str, int],
    expected: tuple[tuple[str, int | None], ...] = (),
    tracking: tuple[str, int] | None = None,
) -> CommandRecord:
    return CommandRecord(
        format=FORMAT,
        application="test",
        command_id=command_id,
        events=tuple(RecordedEvent(name, version, "topic", "{}") for name, version in versions),
        expected=tuple(ExpectedHead(name, head) for name, head in expected),
        tracking=None if tracking is None else RecordedTracking(*tracking),
    )


def void(command_id: str) -> VoidRecord:
    return VoidRecord(format=FORMAT, application="test", void=command_id)


def test_the_first_write_of_a_version_wins() -> None:
    log = Accepted()
    assert log.take(command("c1", ("a", 1))) is None
    assert "version 1 of a is taken" == log.take(command("c2", ("a", 1)))


def test_a_refused_record_takes_nothing() -> None:
    log = Accepted()
    log.take(command("c1", ("a", 1)))
    log.take(command("c2", ("a", 1), ("b", 1)))
    assert log.take(command("c3", ("b", 1))) is None


def test_a_version_counts_once_within_a_record() -> None:
    assert "version 1 of a is taken" == Accepted().take(command("c1", ("a", 1), ("a", 1)))


def test_versions_may_have_gaps() -> None:
    log = Accepted()
    log.take(command("c1", ("a", 5)))
    assert log.take(command("c2", ("a", 2))) is None
    assert 5 == log.head("a")


def test_an_expected_head_that_moved_refuses() -> None:
    log = Accepted()
    log.take(command("c1", ("topic", 1)))
    log.take(command("c2", ("topic", 2)))
    refused = command("c3", ("mirror", 1), expected=(("topic", 1),))
    assert "topic stands at version 2, not at 1" == log.take(refused)


def test_an_expected_absence_refuses_once_there_is_something() -> None:
    log = Accepted()
    assert log.take(command("c1", ("a", 1), expected=(("a", None),))) is None
    assert "a stands at version 1, not at None" == log.take(command("c2", ("b", 1), expected=(("a", None),)))


def test_a_command_id_counts_once() -> None:
    log = Accepted()
    log.take(command("c1", ("a", 1)))
    assert "its command id is settled already" == log.take(command("c1", ("b", 1)))


def test_a_refused_command_may_be_sent_again_under_its_id() -> None:
    log = Accepted()
    log.take(command("c1", ("a", 1)))
    assert log.take(command("c2", ("a", 1))) is not None
    assert log.take(command("c2", ("a", 2))) is None


def test_a_void_before_its_command_refuses_it_for_ever() -> None:
    log = Accepted()
    assert log.take(void("c1")) is None
    assert "its command id is settled already" == log.take(command("c1", ("a", 1)))


def test_a_void_after_its_command_means_nothing() -> None:
    log = Accepted()
    log.take(command("c1", ("a", 1)))
    assert "its command is settled already" == log.take(void("c1"))
    assert log.has_version("a", 1)


def test_tracking_only_moves_forward() -> None:
    log = Accepted()
    assert log.take(command("c1", tracking=("other", 5))) is None
    assert log.take(command("c2", tracking=("other", 5))) is not None
    assert log.take(command("c3", tracking=("other", 6))) is None


_names = st.sampled_from(["a", "b"])
_events = st.lists(st.tuples(_names, st.integers(1, 4)), max_size=3)
_expected = st.lists(st.tuples(_names, st.none() | st.integers(1, 4)), max_size=2)
_tracking = st.none() | st.tuples(_names, st.integers(1, 4))
_ids = st.sampled_from(["c1", "c2", "c3", "c4"])
_commands = st.builds(
    lambda id_, events, expected, tracking: command(id_, *events, expected=tuple(expected), tracking=tracking),
    _ids,
    _events,
    _expected,
    _tracking,
)
records = st.lists(_commands | st.builds(void, _ids), max_size=12)


@given(records)
def test_what_was_accepted_never_contradicts_itself(log: list[LogRecord]) -> None:
    accepted = Accepted()
    for record in log:
        accepted.take(record)
    ids = [_id_of(record) for record in accepted.records]
    versions = [
        (event.originator_id, event.originator_version)
        for record in accepted.records
        if isinstance(record, CommandRecord)
        for event in record.events
    ]
    assert len(set(ids)) == len(ids)
    assert len(set(versions)) == len(versions)


@given(records)
def test_a_record_reads_as_it_was_written(log: list[LogRecord]) -> None:
    assert log == [decode(encode(record)) for record in log]


# Every reader decides alike: the rule's text written down plainly, the rule over a list, the index on disk.


class Decided(NamedTuple):
    """All that a reader knows after a log."""

    accepted: list[int]
    """Offsets of the accepted commands."""
    voided: set[str]
    events: list[tuple[int, str, int]]
    """Each with its notification ID."""
    heads: dict[str, int | None]
    tracked: dict[str, int | None]


NAMES = ["a", "b", "c"]
IDS = [f"c{i}" for i in range(1, 7)]


def by_the_text(log: Sequence[LogRecord]) -> Decided:
    """Decide about each record by looking at all before it."""
    settled: set[str] = set()
    voided: set[str] = set()
    accepted: list[int] = []
    events: list[tuple[str, int]] = []
    tracked: dict[str, int | None] = dict.fromkeys(NAMES)
    for offset, record in enumerate(log):
        if _id_of(record) in settled:
            continue
        if isinstance(record, VoidRecord):
            settled.add(record.void)
            voided.add(record.void)
            continue
        versions = [(event.originator_id, event.originator_version) for event in record.events]
        if len({*events, *versions}) < len(events) + len(versions):
            continue
        if any(expected.head != _head(events, expected.originator_id) for expected in record.expected):
            continue
        if record.tracking is not None:
            last = tracked[record.tracking.application]
            if last is not None and last >= record.tracking.notification_id:
                continue
            tracked[record.tracking.application] = record.tracking.notification_id
        settled.add(record.command_id)
        accepted.append(offset)
        events += versions
    numbered = [(event_id, *event) for event_id, event in enumerate(events, 1)]
    return Decided(accepted, voided, numbered, {name: _head(events, name) for name in NAMES}, tracked)


def _head(events: list[tuple[str, int]], name: str) -> int | None:
    return max((version for originator, version in events if originator == name), default=None)


def by_the_rule(log: Sequence[LogRecord]) -> Decided:
    so_far = Accepted()
    accepted = [offset for offset, record in enumerate(log) if so_far.take(record) is None]
    events = chain.from_iterable(record.events for record in so_far.records if isinstance(record, CommandRecord))
    return Decided(
        [offset for offset in accepted if isinstance(log[offset], CommandRecord)],
        {record.void for record in so_far.records if isinstance(record, VoidRecord)},
        [(event_id, event.originator_id, event.originator_version) for event_id, event in enumerate(events, 1)],
        {name: so_far.head(name) for name in NAMES},
        {name: so_far.tracked(name) for name in NAMES},
    )


def by_the_index(log: Sequence[LogRecord], folder: Path, turns: Iterator[tuple[int, bool]]) -> Decided:
    """Fold in batches; each turn says how large the next one is, and whether the reader is restarted after it."""
    index = LogIndex(folder, "log")
    start = 0
    while start < len(log):
        size, is_restarted = next(turns)
        batch = enumerate(log[start : start + size], start)
        index.fold([LogEntry(offset, 1000 + offset, encode(record)) for offset, record in batch])
        start += size
        if is_restarted:
            index.close()
            index = LogIndex(folder, "log")
            start = index.next_offset()
    with closing(index):
        outcomes = {command_id: index.outcome(command_id) for command_id in IDS}
        commands = index.commands_from(0, 1000)
        assert {(c.record.command_id, c.offset, c.position) for c in commands} == {
            (command_id, outcome.offset, outcome.last_id)
            for command_id, outcome in outcomes.items()
            if outcome is not None and not outcome.is_voided
        }
        return Decided(
            [c.offset for c in commands],
            {command_id for command_id, outcome in outcomes.items() if outcome is not None and outcome.is_voided},
            [(i, event.originator_id, event.originator_version) for i, event in index.notifications(1, 1000)],
            {name: index.head(name) for name in NAMES},
            {name: index.tracked(name) for name in NAMES},
        )


@st.composite
def interleavings(draw: st.DrawFn) -> list[LogRecord]:
    """Return the records of several writers, each in its own order, and some of them once more at any later place."""
    name = st.sampled_from(NAMES)
    version = st.integers(1, 5)
    one_command = st.builds(
        lambda id_, events, expected, tracking: command(id_, *events, expected=tuple(expected), tracking=tracking),
        st.sampled_from(IDS),
        st.lists(st.tuples(name, version), max_size=3),
        st.lists(st.tuples(name, st.none() | version), max_size=2),
        st.none() | st.tuples(name, version),
    )
    writer = st.lists(one_command | st.builds(void, st.sampled_from(IDS)), max_size=6)
    writers = draw(st.lists(writer, min_size=1, max_size=4))
    log: list[LogRecord] = []
    while any(writers):
        log.append(draw(st.sampled_from([waiting for waiting in writers if waiting])).pop(0))
    for record in draw(st.lists(st.sampled_from(log), max_size=4)) if log else []:
        log.insert(draw(st.integers(log.index(record) + 1, len(log))), record)
    return log


_turns = st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(interleavings(), _turns, _turns)
def test_every_reader_decides_alike(
    log: list[LogRecord], turns: list[tuple[int, bool]], other_turns: list[tuple[int, bool]]
) -> None:
    decided = by_the_text(log)
    assert decided == by_the_rule(log)
    with TemporaryDirectory() as folder:
        assert decided == by_the_index(log, Path(folder, "whole"), cycle([(len(log) + 1, False)]))
        assert decided == by_the_index(log, Path(folder, "one"), cycle(turns))
        assert decided == by_the_index(log, Path(folder, "other"), cycle(other_turns))
