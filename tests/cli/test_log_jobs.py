"""`quick log verify|export|restore`: what comes, where it goes, and what a broken connection leaves."""

from __future__ import annotations

import io
import json
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.log_export import LogExport, export_log
from core.log_index import LogIndex
from core.log_rows import LogEntry
from core.record import FORMAT, CommandRecord, RecordedEvent, encode
from projections.places import ViewFolder, log_index_path
from tests.cli.small_manager import DROPPED, Reply, lines, refusal

TOPIC = "__quick-log"
IDENTITY = "cluster.topic"
COMMANDS = 3


def record(number: int) -> bytes:
    event = RecordedEvent(str(uuid.uuid4()), 1, "quick:Anything", "{}")
    return encode(CommandRecord(format=FORMAT, application=TOPIC, command_id=f"id-{number}", events=(event,)))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the index of a small log."""
    data = tmp_path_factory.mktemp("data")
    views = data / "views"
    views.mkdir()
    (views / "current").write_text(IDENTITY)
    index = LogIndex(log_index_path(data, TOPIC, ViewFolder(views / IDENTITY)), TOPIC)
    index.fold([LogEntry(offset, 1_700_000_000_000 + offset, record(offset)) for offset in range(COMMANDS)])
    index.close()
    return data


@pytest.fixture(scope="module")
def export(data_dir: Path) -> bytes:
    """Return the export of that log, as a manager sends it."""
    index = LogIndex(log_index_path(data_dir, TOPIC, ViewFolder(data_dir / "views" / IDENTITY)), TOPIC, readonly=True)
    try:
        return b"".join(export_log(index, TOPIC, IDENTITY))
    finally:
        index.close()


def pieces(export: bytes, *, is_cut: bool = False) -> Reply:
    return Reply(tuple(export[i : i + 100] for i in range(0, len(export), 100)), is_cut=is_cut)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in which no half-written file may be left."""
    folder = tmp_path / "exports"
    folder.mkdir()
    yield folder
    assert [] == list(folder.glob("*.part"))


def command_ids(raw: bytes) -> list[str]:
    return [command.record.command_id for command in LogExport(io.BytesIO(raw)).commands()]


def test_a_sound_log_is_said_so(quick: Any, manager: Any) -> None:
    manager.reply = lines({"step": "reading"}, "", {"result": {"findings": 0, "position": 5, "offset": 1}})
    assert (0, "The log is sound: 5 events in 1 record.\n", "") == quick("log", "verify")
    expected = {"findings": [], "position": 5, "offset": 1}
    assert expected == json.loads(quick("log", "verify", "-o", "json").out)
    assert ["/manager/log/verify"] * 2 == manager.paths


@pytest.mark.parametrize("result", [{"findings": 2, "position": 5, "offset": 9}, {"findings": 2}])
def test_every_finding_is_a_line_and_the_exit_code_is_1(quick: Any, manager: Any, result: dict[str, int]) -> None:
    manager.reply = lines({"finding": "log[0]@3 is torn"}, {"finding": "and log[0]@4"}, {"result": result})
    error = "The log has 2 problems.\n"
    assert (1, "log[0]@3 is torn\nand log[0]@4\n", error) == quick("log", "verify")
    done = quick("log", "verify", "-o", "json")
    assert (1, error) == (done.code, done.err)
    assert ["log[0]@3 is torn", "and log[0]@4"] == json.loads(done.out)["findings"]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (lines({"error": "Kafka does not answer."}), "Kafka does not answer.\nCould not verify the log\n"),
        (lines({"finding": "a"}), "The server ended the answer before its result. Its log tells why.\n"),
        (refusal(403, "Forbidden", "No."), "Forbidden: No.\nCould not verify the log\n"),
    ],
)
def test_a_verification_that_does_not_end_is_no_sound_log(quick: Any, manager: Any, reply: Reply, error: str) -> None:
    manager.reply = reply
    assert (1, "", error) == quick("log", "verify")


def test_an_export_replaces_a_file_whole(quick: Any, manager: Any, export: bytes, folder: Path) -> None:
    manager.reply = pieces(export)
    file = folder / "log.avro"
    for _ in range(2):
        assert (0, f"Exported 3 commands to {file}\n", "") == quick("log", "export", str(file))
        assert ["id-0", "id-1", "id-2"] == command_ids(file.read_bytes())
    assert [file] == list(folder.iterdir())


def test_an_export_goes_where_a_link_points_to(quick: Any, manager: Any, export: bytes, folder: Path) -> None:
    manager.reply = pieces(export)
    link, file = folder / "link.avro", folder / "log.avro"
    link.symlink_to(file)
    assert 0 == quick("log", "export", str(link)).code
    assert link.is_symlink()
    assert export == file.read_bytes()


def test_an_export_to_stdout_is_nothing_but_the_file(quick: Any, manager: Any, export: bytes) -> None:
    manager.reply = pieces(export)
    done = quick("log", "export", "-")
    assert (0, "") == (done.code, done.err)
    assert export == done.out.encode(errors="surrogateescape")


def test_an_export_to_a_pipe_leaves_the_pipe_a_pipe(quick: Any, manager: Any, export: bytes, folder: Path) -> None:
    manager.reply = pieces(export)
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    assert (0, "", "") == quick("log", "export", str(pipe))
    reader.join(60)
    assert [export] == read
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("cut", "error"),
    [
        (lambda export: pieces(export[:-50], is_cut=True), "The connection broke before the end of the answer ("),
        (lambda export: pieces(export[:-50]), "What came is not whole, and nothing was written: The file is damaged"),
        (lambda _: pieces(b"<html>"), "What came is not whole, and nothing was written: The file is no export of a"),
        (lambda _: DROPPED, "The connection broke before the end of the answer ("),
        (lambda _: refusal(403, "Forbidden", "No."), "Forbidden: No.\nCould not export the log\n"),
    ],
)
def test_an_export_that_is_not_whole_leaves_the_file_as_it_was(
    quick: Any, manager: Any, export: bytes, folder: Path, cut: Any, error: str
) -> None:
    manager.reply = cut(export)
    file = folder / "log.avro"
    file.write_text("the last one")
    done = quick("log", "export", str(file))
    assert (1, "") == (done.code, done.out)
    assert done.err.startswith(error)
    assert "the last one" == file.read_text()
    assert [file] == list(folder.iterdir())


def test_a_place_that_cannot_be_written_to_is_named(quick: Any, manager: Any, export: bytes, folder: Path) -> None:
    manager.reply = pieces(export)
    (folder / "file").touch()
    for place, reason in (("none/log.avro", "No such file or directory"), ("file/log.avro", "Not a directory")):
        text = f"Cannot write {folder / place}: {reason}. Choose another file.\n"
        assert (1, "", text) == quick("log", "export", str(folder / place))
    done = quick("log", "export", str(folder))
    assert (2, "") == (done.code, done.out)
    assert "is a directory." in done.err


def test_an_index_is_exported_without_a_server_and_without_a_context(
    bare_quick: Any, data_dir: Path, folder: Path
) -> None:
    file = folder / "log.avro"
    expected = (0, f"Exported 3 commands to {file}\n", "")
    assert expected == bare_quick("log", "export", str(file), "--data-dir", str(data_dir))
    assert ["id-0", "id-1", "id-2"] == command_ids(file.read_bytes())
    done = bare_quick("log", "export", "-", "--data-dir", str(data_dir))
    assert (0, "") == (done.code, done.err)
    assert ["id-0", "id-1", "id-2"] == command_ids(done.out.encode(errors="surrogateescape"))


def test_a_folder_without_an_index_is_told(bare_quick: Any, data_dir: Path, folder: Path) -> None:
    file = folder / "log.avro"
    text = f"There is no index in {folder}: no Quick has ever run on it.\n"
    assert (1, "", text) == bare_quick("log", "export", str(file), "--data-dir", str(folder))
    text = f"There is no index of the log other in {data_dir}. Name its topic with --log-topic.\n"
    arguments = ("--data-dir", str(data_dir), "--log-topic", "other")
    assert (1, "", text) == bare_quick("log", "export", str(file), *arguments)
    done = bare_quick("log", "export", str(file), "--data-dir", "/none")
    assert (2, "") == (done.code, done.out)
    assert [] == list(folder.iterdir())


RESULT = {"commands": 3, "last_position": 5, "present": 0, "topics": 1, "gateways": 2, "is_dry_run": False}


def test_a_restore_sends_the_file(quick: Any, manager: Any, export: bytes, folder: Path) -> None:
    manager.reply = lines({"step": "checking the file"}, {"result": RESULT})
    file = folder / "log.avro"
    file.write_bytes(export)
    text = "Restored 3 commands up to position 5, with 1 topic and 2 gateways\n"
    assert (0, text, "") == quick("log", "restore", str(file))
    assert (0, text, "") == quick("log", "restore", "-", stdin=export)
    for sent in manager.requests:
        assert ("POST", "/manager/log/restore", export) == (sent.method, sent.path, sent.body)


def test_a_restore_names_applications_where_there_are_any(
    quick: Any, manager: Any, export: bytes, folder: Path
) -> None:
    file = folder / "log.avro"
    file.write_bytes(export)
    for count, named in ((0, "1 topic and 2 gateways"), (1, "1 topic, 2 gateways and 1 application")):
        manager.reply = lines({"result": {**RESULT, "applications": count}})
        text = f"Restored 3 commands up to position 5, with {named}\n"
        assert (0, text, "") == quick("log", "restore", str(file))


def test_a_dry_run_says_what_would_be_and_what_is_there_already(
    quick: Any, manager: Any, export: bytes, folder: Path
) -> None:
    manager.reply = lines({"result": {**RESULT, "present": 2}})
    file = folder / "log.avro"
    file.write_bytes(export)
    text = "Would restore 3 commands up to position 5, with 1 topic and 2 gateways; 2 of 3 commands are there already\n"
    assert (0, text, "") == quick("log", "restore", str(file), "--dry-run")
    assert ["/manager/log/restore?dryRun=true"] == manager.paths


def test_a_restore_that_is_refused_names_the_file(quick: Any, manager: Any, folder: Path) -> None:
    file = folder / "log.avro"
    file.write_text("no export")
    manager.reply = lines({"step": "a"}, {"error": "The file is no export of a command log."})
    text = f"The file is no export of a command log.\nCould not restore the log from {file}\n"
    assert (1, "", text) == quick("log", "restore", str(file))
    done = quick("log", "restore", str(folder / "none"))
    assert (2, "") == (done.code, done.out)
    assert f"File '{folder / 'none'}' does not exist." in done.err
