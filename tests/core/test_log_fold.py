"""One fold over a transaction: what is decided, in what order, and where it stops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import core.store
from core.errors import UnreadableRecordError
from core.log_fold import LogFold
from core.log_index import LogIndex
from core.log_rows import TABLES, LogEntry, Unreadable
from core.record import (
    FORMAT,
    CommandRecord,
    ExpectedHead,
    RecordedEvent,
    RecordedTracking,
    encode,
    new_void,
    quarantine_in,
)
from core.store import Store

GARBAGE = b"garbage"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "index", TABLES, sync=False) as store:
        yield store


def command(command_id: str, *versions: tuple[str, int], expected: Sequence[ExpectedHead] = ()) -> bytes:
    events = tuple(RecordedEvent(name, version, "topic", f"{name}{version}") for name, version in versions)
    record = CommandRecord(
        format=FORMAT, application="test", command_id=command_id, events=events, expected=tuple(expected)
    )
    return encode(record)


def tracking(command_id: str, notification_id: int) -> bytes:
    return encode(
        CommandRecord(
            format=FORMAT,
            application="test",
            command_id=command_id,
            events=(),
            tracking=RecordedTracking("upstream", notification_id),
        )
    )


def quarantine(offset: int) -> bytes:
    return b'{"format":1,"application":"quick","quarantine":%d}' % offset


def apply(store: Store, *raw: bytes | None, offset: int = 0) -> Unreadable | None:
    entries = [LogEntry(offset + i, 1000, value) for i, value in enumerate(raw)]
    return store.update(lambda txn: LogFold(txn).apply(entries))


def test_each_record_of_a_batch_is_judged_after_the_one_before_it(store: Store) -> None:
    assert apply(store, command("c1", ("a", 1)), command("c1", ("a", 2)), command("c2", ("a", 1))) is None
    apply(store, command("c3", ("a", 2), expected=[ExpectedHead("a", 1)]), offset=3)
    with store.read() as txn:
        assert 2 == txn.count("events")
        assert 2 == txn.count("commands")
        assert 4 == txn.count("decided")


def test_what_it_says_was_accepted_is_what_the_batch_has_written_so_far(store: Store) -> None:
    def change(txn: core.store.Writer) -> None:
        fold = LogFold(txn)
        assert fold.head("a") is None
        assert fold.tracked("upstream") is None
        fold.apply([LogEntry(0, 1, command("c1", ("a", 3), ("a", 1))), LogEntry(1, 1, tracking("c2", 5))])
        assert 3 == fold.head("a")
        assert [True, False, True] == [fold.has_version("a", version) for version in (1, 2, 3)]
        assert [True, True, False] == [fold.is_settled(f"c{i}") for i in (1, 2, 3)]
        assert 5 == fold.tracked("upstream")

    store.update(change)


def test_tracking_goes_forward_only(store: Store) -> None:
    apply(store, tracking("c1", 5), tracking("c2", 5), tracking("c3", 4), tracking("c4", 6))
    with store.read() as txn:
        assert 2 == txn.count("commands")


def test_nothing_behind_an_unreadable_record_is_decided(store: Store) -> None:
    unreadable = apply(store, command("c1", ("a", 1)), GARBAGE, command("c2", ("a", 2)), quarantine(1))
    assert unreadable is not None
    assert (1, False, None) == (unreadable.offset, unreadable.is_newer, unreadable.is_released)
    with store.read() as txn:
        assert 1 == txn.count("decided")
        assert 0 == txn.count("quarantined")


def test_a_batch_that_begins_with_an_unreadable_record_moves_nothing(store: Store) -> None:
    unreadable = apply(store, None, command("c1", ("a", 1)))
    assert unreadable is not None
    with store.read() as txn:
        assert 1 == txn.count("meta")  # Only where it stands still.
        assert 0 == txn.count("decided")


def test_a_record_of_a_newer_format_is_told_from_garbage(store: Store) -> None:
    unreadable = apply(store, b'{"format":2}')
    assert unreadable is not None
    assert unreadable.is_newer


def test_a_map_that_grows_in_the_middle_of_a_fold_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.INITIAL_MAP_BYTES", 1 << 18)
    small = LogIndex(tmp_path / "small", "log")
    entries = [LogEntry(i, 1, command(f"c{i}", (f"a{i}", 1), (f"a{i}", 2))) for i in range(2000)]
    small.fold(entries)
    monkeypatch.undo()
    large = LogIndex(tmp_path / "large", "log")
    large.fold(entries)
    assert 4000 == small.max_notification_id()
    assert large.notifications(1, 9999) == small.notifications(1, 9999)
    assert large.commands(limit=9999) == small.commands(limit=9999)
    small.close()
    large.close()


_values = (
    st.builds(
        lambda i, events: command(f"c{i}", *events),
        st.integers(1, 4),
        st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 3)), max_size=2),
    )
    | st.builds(lambda i: encode(new_void("test", f"c{i}")), st.integers(1, 2))
    | st.just(GARBAGE)
    | st.none()
    | st.builds(quarantine, st.integers(0, 9))
)


def fold_all(index: LogIndex, log: Sequence[bytes | None], size: int) -> None:
    """Fold as a follower does: batches of *size*, scanning ahead where it stands still."""
    while (start := index.next_offset()) < len(log):
        try:
            index.fold([LogEntry(i, 1000, log[i]) for i in range(start, min(start + size, len(log)))])
        except UnreadableRecordError as error:
            for i in range(error.offset + 1, len(log)):
                found = quarantine_in(log[i])
                if found is not None and found.quarantine == error.offset:
                    index.skip(found, LogEntry(i, 1000, log[i]))
                    break
            else:
                index.note_not_released()
                return


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_values, max_size=12), st.integers(1, 4))
def test_every_reader_passes_the_same_records_however_the_log_is_cut(
    tmp_path_factory: pytest.TempPathFactory, log: list[bytes | None], size: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    whole, cut = LogIndex(folder / "whole", "log"), LogIndex(folder / "cut", "log")
    fold_all(whole, log, len(log) or 1)
    fold_all(cut, log, size)
    assert whole.next_offset() == cut.next_offset()
    assert whole.quarantined() == cut.quarantined()
    assert whole.notifications(1, 100) == cut.notifications(1, 100)
    assert whole.commands(limit=100) == cut.commands(limit=100)
    assert (whole.unreadable() is None) == (cut.unreadable() is None)
    # It ends at the first record that is garbage and that nothing behind it names.
    expected = next(
        (
            i
            for i, raw in enumerate(log)
            if raw in (None, GARBAGE)
            and not any((found := quarantine_in(later)) is not None and found.quarantine == i for later in log[i:])
        ),
        len(log),
    )
    assert expected == cut.next_offset()
    whole.close()
    cut.close()
