from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest

from commands.decisions import Commands
from commands.log_safety import note_safety
from core import log_safety
from core.aggregates import LogEvent, aggregate_id
from core.errors import CommandNotRecordedError, FoldError
from core.log_recorders import CommandInfo
from core.log_safety import LogSafety, LogSafetyChanged, fold
from core.record import new_void
from core.settings import Settings

ID = aggregate_id(log_safety.NOUN, log_safety.NAME)
DANGERS = ["retention.ms=1: commands would be removed", "retention.bytes=1: as well"]


@pytest.fixture
def there(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with Commands(replace(settings, data_dir=tmp_path_factory.mktemp("there"))) as there:
        yield there


def noted(commands: Commands) -> LogSafety | None:
    return commands.stream(ID, fold).state


def catch_up(commands: Commands) -> None:
    commands.command_log.wait_until_folded(commands.command_log.topic.end_offset() - 1, 30)


def changed(version: int, *dangers: str) -> LogSafetyChanged:
    return LogSafetyChanged(originator_id=ID, originator_version=version, name="safety", dangers=list(dangers))


def test_the_safety_is_what_was_noted_last() -> None:
    first = fold(None, changed(1, "a", "b"))
    assert LogSafety(name="safety", dangers=("a", "b")) == first
    assert LogSafety(name="safety", dangers=()) == fold(first, changed(2))


def test_what_says_nothing_of_the_safety_is_refused() -> None:
    with pytest.raises(FoldError, match="says nothing of the log's safety"):
        fold(None, LogEvent(originator_id=UUID(int=1), originator_version=1))


def test_a_safe_log_is_nothing_to_note(commands: Commands) -> None:
    assert note_safety(commands, "here", []) is None
    assert noted(commands) is None


def test_a_change_is_noted_once_with_what_it_is(commands: Commands) -> None:
    assert 1 == note_safety(commands, "here", DANGERS)
    assert note_safety(commands, "here", DANGERS) is None
    assert 2 == note_safety(commands, "here", DANGERS[:1])
    assert 3 == note_safety(commands, "here", [])
    assert note_safety(commands, "here", []) is None
    assert 4 == note_safety(commands, "here", DANGERS)  # Again, and another time.
    state = noted(commands)
    assert state is not None
    assert tuple(DANGERS) == state.dangers
    found = commands.command_log.index.command_of(1)
    assert found is not None
    assert ("note_log_safety", "log/safety", "quick", "here") == (
        found.record.command,
        found.record.target,
        found.record.actor,
        found.record.source,
    )


def test_many_machines_that_find_the_same_note_it_once(commands: Commands, there: Commands) -> None:
    with ThreadPoolExecutor(6) as threads:
        notes = threads.map(lambda machine: note_safety(machine, "x", DANGERS), [commands, there] * 3)
        positions = [position for position in notes if position is not None]
    assert {1} == set(positions)
    catch_up(commands)
    assert 1 == commands.command_log.index.max_notification_id()


def test_a_note_that_was_given_up_is_made_again(
    commands: Commands, there: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(self: Commands, _events: object, info: CommandInfo, _consulted: object) -> int:
        log = self.command_log
        log.wait_until_folded(log._write(new_void("quick", info.command_id)), 30)
        raise CommandNotRecordedError("Kafka did not acknowledge")

    with monkeypatch.context() as patch:
        patch.setattr(Commands, "_record_command", give_up)
        for _ in range(2):
            with pytest.raises(CommandNotRecordedError):
                note_safety(commands, "here", DANGERS)
    catch_up(there)
    assert 1 == note_safety(there, "there", DANGERS)
    catch_up(commands)
    assert note_safety(commands, "here", DANGERS) is None
