"""Logs that earlier releases wrote are read for ever: the same positions, times and registry, whoever reads them.

The files in `fixtures` are never changed, only added to; its README says why.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import UnreadableRecordError
from core.log_index import LogIndex
from core.log_rows import LogEntry
from core.record import quarantine_in, timestamp_text
from projections.past import past_registries
from projections.registry import NOUNS, Registry, RegistryProjection
from projections.registry_folder import RegistryFolder

FIXTURES = Path(__file__).parent / "fixtures"
LATER_NOUNS = {"compatibility", "application"}
"""What logs of format 1 could not tell of when they were written."""

LOGS = sorted(FIXTURES.glob("log-format-*.jsonl"))


def entries_of(path: Path) -> list[LogEntry]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [LogEntry(line["offset"], line["timestamp_ms"], _raw(line["value"])) for line in lines]


def _raw(value: Any) -> bytes | None:
    if isinstance(value, dict):
        return base64.b64decode(value["base64"])
    return None if value is None else str(value).encode()


def fold(index: LogIndex, entries: Sequence[LogEntry], size: int = 1000) -> None:
    """Fold *entries* as a follower does, *size* at a time: scan ahead where the fold stands still."""
    while index.next_offset() < len(entries):
        try:
            start = index.next_offset()
            index.fold(entries[start : start + size])
        except UnreadableRecordError as error:
            named = (
                (found, entry)
                for entry in entries[error.offset + 1 :]
                if (found := quarantine_in(entry.raw)) is not None and found.quarantine == error.offset
            )
            index.skip(*next(named))


@pytest.fixture(params=LOGS, ids=[path.stem for path in LOGS])
def path(request: pytest.FixtureRequest) -> Path:
    """Return the file of an old log."""
    found: Path = request.param
    return found


@pytest.fixture
def log(path: Path, tmp_path: Path) -> Iterator[tuple[LogIndex, Any]]:
    """Return the index of an old log, and what is expected of it."""
    index = LogIndex(tmp_path / "index", "log")
    fold(index, entries_of(path))
    yield index, json.loads(path.with_suffix(".expected.json").read_text())
    index.close()


def commands_of(index: LogIndex) -> list[dict[str, Any]]:
    return [
        {
            "position": found.position,
            "first_id": found.first_id,
            "offset": found.offset,
            "time": timestamp_text(found.time_ms),
            **{
                field: getattr(found.record, field)
                for field in ("command_id", "command", "target", "actor", "source", "reason", "trace")
            },
            "events": [f"{event.topic} {event.originator_version}" for event in found.record.events],
        }
        for found in index.commands_from(0, 1000)
    ]


def rows_of(registry: Registry) -> dict[str, Any]:
    """Return the rows of each noun; what later releases know of is left out where there is none."""
    rows: dict[str, Any] = msgspec.json.decode(msgspec.json.encode({noun: registry.rows(noun) for noun in NOUNS}))
    return {noun: found for noun, found in rows.items() if found or noun not in LATER_NOUNS}


def as_then(now: Any, then: Any) -> Any:
    """Return *now* without the fields that came after *then*: an old log says nothing of them."""
    if isinstance(now, dict) and isinstance(then, dict):
        return {
            name: as_then(member, then.get(name))
            for name, member in now.items()
            if name in then or member not in (None, [], {})
        }
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [as_then(one, other) for one, other in zip(now, then, strict=True)]
    return now


def lives_of(registry: Registry) -> dict[str, list[str]]:
    """Return what is alive, each with its incarnation and last change."""
    return {
        noun: [f"{_name(row.state)} {row.incarnation} {row.position}" for row in registry.rows(noun)]
        for noun in NOUNS
        if noun not in LATER_NOUNS
    }


def _name(state: Any) -> str:
    return str(state.schema_id if hasattr(state, "schema_id") else state.name)


def test_there_is_a_log_of_each_format() -> None:
    assert ["log-format-1"] == [path.stem for path in LOGS][:1]


def test_the_audit_trail_stays(log: tuple[LogIndex, Any]) -> None:
    index, expected = log
    assert expected["commands"] == commands_of(index)
    newest_first = [found.offset for found in index.commands(limit=1000)]
    assert [command["offset"] for command in reversed(expected["commands"])] == newest_first
    assert expected["next_offset"] == index.next_offset()
    assert len([event for command in expected["commands"] for event in command["events"]]) == (
        index.max_notification_id()
    )


def test_what_was_given_up_and_passed_stays(log: tuple[LogIndex, Any]) -> None:
    index, expected = log
    outcomes = {command_id: index.outcome(command_id) for command_id in expected["not_recorded"]}
    assert expected["not_recorded"] == {
        command_id: None if outcome is None else "voided" if outcome.is_voided else "accepted"
        for command_id, outcome in outcomes.items()
    }
    assert expected["tracked"] == {application: index.tracked(application) for application in expected["tracked"]}
    assert expected["quarantined"] == [
        {field: value for field, value in msgspec.structs.asdict(one).items() if field != "cause"}
        for one in index.quarantined()
    ]
    assert [] == list(index.gaps())


def test_the_registry_stays(log: tuple[LogIndex, Any], tmp_path: Path) -> None:
    index, expected = log
    last = index.max_notification_id()
    assert last is not None
    projection = RegistryProjection(tmp_path / "registry")
    RegistryFolder(index, projection).fold_to(last)
    assert expected["registry"] == as_then(rows_of(projection.view), expected["registry"])
    assert last == projection.view.position()
    [now] = past_registries(index, [last])
    assert expected["registry"] == as_then(rows_of(now), expected["registry"])
    projection.close()


def test_every_moment_of_the_past_stays(log: tuple[LogIndex, Any]) -> None:
    index, expected = log
    moments = past_registries(index, sorted(map(int, expected["past"])))
    assert expected["past"] == {str(moment.position()): lives_of(moment) for moment in moments}


def test_the_position_at_a_time_stays(log: tuple[LogIndex, Any]) -> None:
    index, expected = log
    assert expected["position_at"] == {time_ms: index.position_at(int(time_ms)) for time_ms in expected["position_at"]}


@pytest.mark.parametrize("size", [1, 2, 7])
def test_an_old_log_is_read_alike_in_any_pieces(
    path: Path, log: tuple[LogIndex, Any], tmp_path: Path, size: int
) -> None:
    entries = entries_of(path)
    pieces = LogIndex(tmp_path / "pieces", "log")
    fold(pieces, entries, size)
    assert commands_of(log[0]) == commands_of(pieces)
    assert log[0].quarantined() == pieces.quarantined()
    pieces.close()
