"""Snapshots, tracking and views in LMDB; the library's contract runs in test_recorder_contract.py."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from eventsourcing.persistence import IntegrityError, OperationalError, StoredEvent, Tracking

from core.local_recorders import LocalSnapshotRecorder, LocalTrackingRecorder
from core.store import Writer


class Tricks(LocalTrackingRecorder):
    """A view as its user would write it."""

    tables = ("tricks",)

    def add(self, dog: str, trick: str, tracking: Tracking) -> None:
        self.update(tracking, lambda txn: txn.put("tricks", f"{dog}/{trick}".encode(), b""))

    def all(self) -> list[str]:
        with self.read() as txn:
            return [key.decode() for key, _ in txn.scan("tricks")]


def snapshot(version: int) -> StoredEvent:
    return StoredEvent(uuid.UUID(int=1), version, "topic", b"state")


def test_rows_and_tracking_are_kept_together(tmp_path: Path) -> None:
    view = Tricks(tmp_path)
    view.add("fido", "roll over", Tracking("school", 1))
    view.add("fido", "fetch", Tracking("school", 3))
    assert ["fido/fetch", "fido/roll over"] == view.all()
    assert 3 == view.max_tracking_id("school")


def test_an_event_that_was_processed_before_changes_no_row(tmp_path: Path) -> None:
    view = Tricks(tmp_path)
    view.add("fido", "roll over", Tracking("school", 2))
    for number in (1, 2):
        with pytest.raises(IntegrityError, match="school is processed up to 2 already"):
            view.add("fido", "fetch", Tracking("school", number))
    assert ["fido/roll over"] == view.all()


def test_a_change_that_fails_moves_no_tracking(tmp_path: Path) -> None:
    view = Tricks(tmp_path)

    def fail(txn: Writer) -> None:
        txn.put("tricks", b"fido/fetch", b"")
        raise LookupError("no such dog")

    with pytest.raises(LookupError):
        view.update(Tracking("school", 1), fail)
    assert [] == view.all()
    assert view.max_tracking_id("school") is None


def test_update_returns_what_the_change_returns(tmp_path: Path) -> None:
    view = Tricks(tmp_path)
    assert view.update(Tracking("school", 1), lambda txn: txn.count("tricks")) == 0


def test_a_view_comes_back_as_it_was_closed(tmp_path: Path) -> None:
    view = Tricks(tmp_path)
    view.add("fido", "roll over", Tracking("school", 1))
    view.close()
    again = Tricks(tmp_path)
    assert ["fido/roll over"] == again.all()
    assert 1 == again.max_tracking_id("school")


def test_a_view_cannot_take_the_table_of_the_tracking(tmp_path: Path) -> None:
    class Greedy(LocalTrackingRecorder):
        tables = ("tracking",)

    with pytest.raises(ValueError, match="Greedy cannot have a table named 'tracking'"):
        Greedy(tmp_path)


@pytest.mark.parametrize("make", [LocalSnapshotRecorder, LocalTrackingRecorder])
def test_recorders_of_one_folder_share_its_store(
    make: Callable[[Path], LocalSnapshotRecorder | LocalTrackingRecorder], tmp_path: Path
) -> None:
    first, second = make(tmp_path), make(tmp_path)
    first.close()  # The other one goes on.
    if isinstance(second, LocalTrackingRecorder):
        second.insert_tracking(Tracking("school", 1))
        assert 1 == second.max_tracking_id("school")
    else:
        second.insert_events([snapshot(1)])
        assert [snapshot(1)] == second.select_events(uuid.UUID(int=1))


def test_a_dropped_recorder_lets_its_folder_be_opened_otherwise(tmp_path: Path) -> None:
    LocalTrackingRecorder(tmp_path).insert_tracking(Tracking("school", 1))
    # Other tables make another store, which LMDB would refuse while the first one is open.
    assert 1 == Tricks(tmp_path).max_tracking_id("school")


def test_a_closed_recorder_says_so(tmp_path: Path) -> None:
    view = Tricks(tmp_path)
    view.close()
    with pytest.raises(OperationalError, match="This recorder is closed"):
        view.all()
    with pytest.raises(OperationalError, match="This recorder is closed"):
        view.insert_tracking(Tracking("school", 1))


def test_a_snapshot_is_kept_once(tmp_path: Path) -> None:
    recorder = LocalSnapshotRecorder(tmp_path)
    recorder.insert_events([snapshot(1)])
    with pytest.raises(IntegrityError, match="at version 1 already"):
        recorder.insert_events([snapshot(2), snapshot(1)])
    assert [snapshot(1)] == recorder.select_events(uuid.UUID(int=1))
