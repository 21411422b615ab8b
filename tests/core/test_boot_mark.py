"""A store that was being written when the machine stopped is not trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.boot_mark import discard_untrusted, mark_clean, mark_dirty
from core.command_log import CommandLog
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, RecordedEvent, new_command_id


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "data.mdb").write_bytes(b"content")
    return folder


def is_there(store: Path) -> bool:
    discard_untrusted(store)
    return (store / "data.mdb").exists()


def test_a_store_without_a_mark_is_kept(store: Path) -> None:
    assert is_there(store)


def test_a_store_that_this_boot_has_marked_is_kept(store: Path) -> None:
    mark_dirty(store)
    assert is_there(store)


def test_a_store_that_another_boot_has_marked_is_removed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark_dirty(store)
    monkeypatch.setattr("core.boot_mark.boot_id", lambda: "another")
    assert not is_there(store)


def test_a_store_that_was_closed_is_kept_after_another_boot(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark_dirty(store)
    mark_clean(store)
    monkeypatch.setattr("core.boot_mark.boot_id", lambda: "another")
    assert is_there(store)


def test_what_is_not_there_is_not_removed(tmp_path: Path) -> None:
    discard_untrusted(tmp_path / "nothing")


@pytest.mark.parametrize("is_orderly", [True, False])
def test_an_index_is_built_again_only_after_a_crash_of_the_machine(
    kafka: str, topic_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_orderly: bool
) -> None:
    log = CommandLog(LogTopic(kafka, topic_name), tmp_path)
    event = RecordedEvent("a", 1, "topic", "{}")
    log.append(CommandRecord(format=FORMAT, application="t", command_id=new_command_id(), events=(event,)))
    if not is_orderly:
        monkeypatch.setattr(log.index, "end_folding", lambda: None)
    log.close()
    witness = log.index.path / "witness"
    witness.touch()
    monkeypatch.setattr("core.boot_mark.boot_id", lambda: "another")
    log = CommandLog(LogTopic(kafka, topic_name), tmp_path)
    assert is_orderly == witness.exists()
    assert 1 == log.index.max_notification_id()
    log.close()
