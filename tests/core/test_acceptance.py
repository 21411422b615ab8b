"""The acceptance rule against a model that is written a second time, differently."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.acceptance import refusal
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
