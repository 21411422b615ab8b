"""`quick ingest`: what is sent, what is said about bad records, and where a stopped run goes on."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli import connection, ingest_client, ingestion
from cli.config import Config
from cli.main import run
from core.position import Position
from tests.cli.small_manager import DROPPED, HELD, Reply, Request, answer, refusal, until
from tests.cli.small_manager import Manager as SmallManager

PRODUCT_SDL = """\
type Product {
  id: Int!
  code: ID
  name: String!
  note: String
  price: Float
  isNew: Boolean
  sold: Long
  tags: [String!]
  size: Size
  color: Color
}

type Size {
  width: Int
}

enum Color {
  RED
}
"""
WROTE_RATE = r"\([\d,]+ records/s\)\n"


def topic(key_type: str = "INTEGER", value_type: str = "SCHEMA", schema: str | None = PRODUCT_SDL) -> dict[str, Any]:
    return {"name": "t", "writeType": "MUTABLE", "keyType": key_type, "valueType": value_type, "schema": schema}


def pairs(*keys: int) -> list[dict[str, Any]]:
    return [{"key": key, "value": f"value {key}"} for key in keys]


def ndjson(records: list[Any]) -> str:
    return "".join(f"{json.dumps(record)}\n" for record in records)


def verdicts(*entries: dict[str, Any], status: int = 400) -> Reply:
    body = {"title": "Bad Request", "code": status, "detail": "Some records cannot be written.", "verdicts": entries}
    return answer(body, status)


def bad(index: int, detail: str = "It is bad.", **more: Any) -> dict[str, Any]:
    return {"index": index, "error": {"detail": detail, **more}}


def written(index: int) -> dict[str, Any]:
    return {"index": index, "partition": 0, "offset": index}


def a_server(is_bad: Callable[[Any], bool] = lambda key: False, **described: Any) -> Callable[[Request], Reply | None]:
    """Return what a server answers: a batch is written unless one of its keys is bad."""

    def decide(request: Request) -> Reply | None:
        if request.method == "GET":
            return answer(described or topic())
        found = [bad(i, f"{pair['key']} is bad.") for i, pair in enumerate(request.body) if is_bad(pair["key"])]
        if found:
            return verdicts(*found)
        return answer({"position": "p", "verdicts": [written(i) for i in range(len(request.body))]})

    return decide


def sent(manager: SmallManager) -> list[Any]:
    """Return the bodies of the batches."""
    return [request.body for request in manager.requests if request.method == "POST"]


def sent_keys(manager: SmallManager) -> list[list[Any]]:
    return [[pair["key"] for pair in batch] for batch in sent(manager)]


@pytest.fixture
def manager(manager: SmallManager) -> SmallManager:
    manager.decide = a_server()
    return manager


@pytest.fixture
def here(
    manager: SmallManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return the CLI in this process, where pauses take no time."""
    monkeypatch.setenv("QUICK_CONFIG", str(tmp_path / "quick.conf"))
    monkeypatch.chdir(tmp_path)
    Config().with_context("test", manager.url, "secret-key").save(tmp_path / "quick.conf")

    def here(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        return code, *capsys.readouterr()

    return here


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that the client makes, on a clock of their own; without a random part."""
    made: list[float] = []
    monkeypatch.setattr(ingest_client, "JITTER", 0.0)
    monkeypatch.setattr(ingest_client.time, "sleep", made.append)
    monkeypatch.setattr(ingest_client.time, "monotonic", lambda: sum(made))
    return made


# What is sent


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", json.dumps(pairs(1, 2))),
        ("a.JSON", json.dumps(pairs(1, 2), indent=2)),
        ("a.ndjson", ndjson(pairs(1, 2))),
        ("a.jsonl", "\n\r\n" + ndjson(pairs(1, 2)).replace("\n", "\r\n")),
        ("a.txt", " \n" + json.dumps(pairs(1, 2))),
        ("a", ndjson(pairs(1, 2)).rstrip()),
        ("bom.json", "\ufeff" + json.dumps(pairs(1, 2))),
        ("bom", "\ufeff" + ndjson(pairs(1, 2))),
    ],
)
def test_pairs_are_sent_as_they_are(here: Any, manager: SmallManager, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    code, out, err = here("ingest", "a/b", name)
    assert (0, "") == (code, err)
    assert re.fullmatch(rf"Wrote 2 records to topic a/b {WROTE_RATE}", out)
    (request,) = manager.requests
    assert ("POST", "/ingest/a%2Fb?verdicts=true", pairs(1, 2)) == (request.method, request.path, request.body)
    assert "application/json" == request.headers["Content-Type"]
    assert "secret-key" == request.headers["X-API-Key"]
    assert "@" in request.headers["Quick-Source"]
    assert "Quick-Command-Id" not in request.headers


def test_one_pair_is_a_file_too(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(pairs(1)[0], indent=1))
    code, out, _ = here("ingest", "t", "a.json")
    assert (0, "Wrote 1 record to topic t") == (code, out.partition(" (")[0])
    assert [pairs(1)] == sent(manager)


def test_an_empty_file_writes_nothing(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").touch()
    (tmp_path / "a.json").write_text("[ ]")
    for name in ("a.ndjson", "a.json"):
        assert "Wrote 0 records to topic t (0 records/s)\n" == here("ingest", "t", name)[1]
    assert [] == manager.requests


def test_a_field_of_plain_objects_is_the_key(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    records = [{"id": 12345678901234567890123, "n": 1.50}, {"id": {"a": 1}, "n": "größe", "id ": 2}]
    (tmp_path / "a.ndjson").write_text(ndjson(records))
    (tmp_path / "a.json").write_text(json.dumps(records))
    for name in ("a.ndjson", "a.json"):
        assert 0 == here("ingest", "t", name, "--key", "id")[0]
    assert 0 == here("ingest", "t", "a.json", "--key", "id", "--value", "n")[0]
    whole = [{"key": record["id"], "value": record} for record in records]
    assert [whole, whole, [{"key": record["id"], "value": record["n"]} for record in records]] == sent(manager)


def test_numbers_are_sent_digit_by_digit(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"key": 1, "value": 0.10000000000000000000001}\n')
    code, _, err = here("ingest", "t", "a.ndjson", "--debug")
    assert 0 == code
    assert f"> POST {manager.url}/ingest/t {{'verdicts': 'true'}} 1 records, 48 bytes\n" in err
    assert "secret-key" not in err


CELLS = "id,code,name,note,price,isNew,sold,tags,size,color,other\n"


@pytest.mark.parametrize(
    ("row", "value"),
    [
        (
            "1,2,3,,1.50,true,+9000000000,,,RED,5",
            {"id": 1, "code": "2", "name": "3", "note": None, "price": 1.5, "isNew": True, "sold": 9000000000}
            | {"tags": None, "size": None, "color": "RED", "other": "5"},
        ),
        (
            '"-007",,"a ""b"", c",x,-1e3,FALSE,1.5,"[""a""]","{""width"": 1}",,',
            {"id": -7, "code": None, "name": 'a "b", c', "note": "x", "price": -1000.0, "isNew": False, "sold": "1.5"}
            | {"tags": ["a"], "size": {"width": 1}, "color": None, "other": ""},
        ),
        (
            ',,,,NaN,1,,[a,"{",,',
            {"id": "", "code": None, "name": "", "note": None, "price": "NaN", "isNew": "1", "sold": None}
            | {"tags": "[a", "size": "{", "color": None, "other": ""},
        ),
    ],
)
def test_cells_are_what_the_type_of_the_topic_says(
    here: Any, manager: SmallManager, tmp_path: Path, row: str, value: dict[str, Any]
) -> None:
    (tmp_path / "a.csv").write_text(CELLS + row + "\n")
    assert 0 == here("ingest", "t", "a.csv", "--key", "id")[0]
    assert [[{"key": value["id"], "value": value}]] == sent(manager)
    assert ["/manager/topic/t", "/ingest/t?verdicts=true"] == manager.paths


@pytest.mark.parametrize(
    ("key_type", "value_type", "row", "pair"),
    [
        ("STRING", "STRING", "1,2", {"key": "1", "value": "2"}),
        ("LONG", "INTEGER", "1,2", {"key": 1, "value": 2}),
        ("DOUBLE", "DOUBLE", "1.5,-.5e1", {"key": 1.5, "value": -5.0}),
        ("DOUBLE", "DOUBLE", "NaN,1e999", {"key": "NaN", "value": "1e999"}),
        ("INTEGER", "LONG", "a,", {"key": "a", "value": ""}),
        ("SCHEMA", "STRING", '"{""a"": 1}",x', {"key": {"a": 1}, "value": "x"}),
    ],
)
def test_the_only_other_column_is_a_value_that_is_no_object(
    here: Any, manager: SmallManager, tmp_path: Path, key_type: str, value_type: str, row: str, pair: Any
) -> None:
    manager.decide = a_server(**topic(key_type, value_type, None))
    (tmp_path / "a.csv").write_text(f"k,v\n{row}\n")
    (tmp_path / "b.csv").write_text(f"k,v,x\n{row},\n")
    assert 0 == here("ingest", "t", "a.csv", "--key", "k")[0]
    assert 0 == here("ingest", "t", "b.csv", "--key", "k", "--value", "v")[0]
    assert [[pair], [pair]] == sent(manager)


def test_a_key_that_the_type_does_not_have_is_no_field(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("k,id,name\n7,1,x\n")
    here("ingest", "t", "a.csv", "--key", "k")
    assert [[{"key": 7, "value": {"id": 1, "name": "x"}}]] == sent(manager)


def test_a_csv_file_can_be_of_any_kind(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    manager.decide = a_server(**topic("STRING", "STRING", None))
    (tmp_path / "a.txt").write_bytes('\ufeffk;v\r\n\r\na;"1\r\n2"\r\nb;ü'.encode())
    assert 0 == here("ingest", "t", "a.txt", "--format", "csv", "--key", "k", "--delimiter", ";")[0]
    (tmp_path / "a.csv").write_text("k\tv\na\tb\n")
    assert 0 == here("ingest", "t", "a.csv", "--key", "k", "--delimiter", r"\t")[0]
    expected = [{"key": "a", "value": "1\r\n2"}, {"key": "b", "value": "ü"}], [{"key": "a", "value": "b"}]
    assert list(expected) == sent(manager)


def test_batches_follow_one_another_on_one_connection(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    manager.keeps_alive = True
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(*range(5))))
    assert 0 == here("ingest", "t", "a.ndjson", "--batch-size", "2", "--strict")[0]
    assert [[0, 1], [2, 3], [4]] == sent_keys(manager)
    assert {"/ingest/t?verdicts=true&strict=true"} == set(manager.paths)
    assert 1 == manager.connections


def test_a_batch_is_bounded_by_its_bytes(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    large = "a" * 400_000
    values = [large, large, large, "b" * 2_000_000, "c"]
    (tmp_path / "a.ndjson").write_text(ndjson([{"key": i, "value": value} for i, value in enumerate(values)]))
    assert 0 == here("ingest", "t", "a.ndjson")[0]
    assert [[0, 1], [2], [3], [4]] == sent_keys(manager)


def test_the_result_as_json_has_a_position_behind_all_batches(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    first, second = Position("id", {0: 5}), Position("id", {1: 7})
    manager.decide = lambda _: None
    manager.answers_in_turn(*(answer({"position": each.token()}) for each in (first, second)))
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1, 2)))
    code, out, err = here("ingest", "t", "a.ndjson", "--batch-size", "1", "-o", "json")
    assert (0, "") == (code, err)
    result = json.loads(out)
    assert {"topic": "t", "records": 2, "position": Position("id", {0: 5, 1: 7}).token()} | {
        "seconds": result["seconds"]
    } == result


# Bad records


def test_bad_records_are_told_with_their_lines_and_stop_the_run(
    here: Any, manager: SmallManager, tmp_path: Path
) -> None:
    manager.decide = lambda _: None
    manager.answers_in_turn(
        answer({"position": "p", "verdicts": [written(0), written(1)]}),
        verdicts(
            bad(0, "Not a price.", path="$.value.price", expected="double", found='"x"', schemaId=7),
            bad(1, "No such key.", path="$.key"),
        ),
    )
    (tmp_path / "a.ndjson").write_text("\n" + ndjson(pairs(1, 2, 3, 4, 5)))
    code, out, err = here("ingest", "t", "a.ndjson", "--batch-size", "2")
    assert (1, "") == (code, out)
    assert (
        'a.ndjson:4: Not a price. (at $.value.price: expected double, found "x")\n'
        "a.ndjson:5: No such key. (at $.key)\n"
        "Stopped. 2 records are written. Continue with: quick ingest t a.ndjson --batch-size 2 --from-line 4\n"
    ) == err
    assert [[1, 2], [3, 4]] == sent_keys(manager)


def test_the_first_twenty_are_told(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    manager.decide = a_server(lambda key: True)
    (tmp_path / "a.json").write_text(json.dumps(pairs(*range(1, 31))))
    _, _, err = here("ingest", "t", "a.json")
    lines = err.splitlines()
    assert [f"a.json: element {n}: {n} is bad." for n in range(1, 21)] == lines[:20]
    assert ["… and 10 more bad records"] == lines[20:21]
    assert ["Stopped. 0 records are written. Continue with: quick ingest t a.json --from-line 1"] == lines[21:]


def test_what_was_written_of_a_refused_batch_is_told(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    manager.decide = lambda _: None
    manager.reply = verdicts(written(0), bad(1), *map(written, (2, 3, 4)), bad(5), written(6))
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(*range(8))))
    _, _, err = here("ingest", "t", "a.ndjson")
    assert (
        "a.ndjson:2: It is bad.\na.ndjson:6: It is bad.\n"
        "Of the lines from 2 on, these are written: 3-5, 7.\n"
        "Stopped. 5 records are written. Continue with: quick ingest t a.ndjson --from-line 2\n"
    ) == err


def test_a_refusal_without_verdicts_names_the_lines(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    manager.decide = lambda _: refusal(400, "Bad Request", "Data must be of type long.")
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1, 2)))
    text = (
        "Bad Request: Data must be of type long.\nCould not write lines 1 to 2 to topic t\n"
        "Stopped. 0 records are written. Continue with: quick ingest t a.ndjson --from-line 1\n"
    )
    assert (1, "", text) == here("ingest", "t", "a.ndjson")


@pytest.mark.parametrize(
    ("name", "text", "options", "told"),
    [
        ("a.ndjson", '{"key": 1, "value": 2}\n{"key": 1}\n', (), "a.ndjson:2: It is no record. Write {"),
        ("a.ndjson", '{"key": 1, "value": 2}\n\n{"key"\n', (), "a.ndjson:3: It cannot be read as JSON: "),
        ("a.ndjson", "[" * 100_000, (), "a.ndjson:1: It is no record. Write {"),
        ("a.ndjson", '{"a": 1}', ("--key", "b"), "a.ndjson:1: It has no field b, which --key or --value names."),
        ("a.ndjson", "1", ("--key", "b"), "a.ndjson:1: It is no JSON object, and --key needs one."),
        ("a.json", '[{"key": 1, "value": 2}, {"key": 1, "value": }]', (), "a.json: element 2: It cannot be read as"),
        ("a.json", '[{"key": 1, "value": 2}, ', (), "a.json: element 2: The text ends before the list does."),
        ("a.json", ndjson(pairs(1, 2)), (), "say --format ndjson.\n"),
        ("a.csv", "id,name\n1\n", ("--key", "id"), "a.csv:2: It has 1 cells, and the header 2."),
        ("a.csv", 'id,name\n1,"a\nb\n', ("--key", "id"), "a.csv:2: A quote is opened here, and not closed."),
        ("a.csv", 'id,name\n1,"a"b\n', ("--key", "id"), "a.csv:2: It cannot be read as CSV: "),
        ("a.csv", "", ("--key", "id"), "a.csv:1: The file is empty. Its first line has to name the columns."),
    ],
)
def test_a_broken_file_is_told_with_the_place(
    here: Any, manager: SmallManager, tmp_path: Path, name: str, text: str, options: tuple[str, ...], told: str
) -> None:
    (tmp_path / name).write_text(text)
    code, out, err = here("ingest", "t", name, *options)
    assert (1, "") == (code, out)
    assert told in err


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.ndjson", b'{"key": 1, "value": "\xfc"}', "a.ndjson:1: It is not UTF-8: byte 0xfc at 21. Convert"),
        ("a.csv", b"id,name\n1,a\n2,\xfc\n", "a.csv:3: It is not UTF-8: byte 0xfc at 2. Convert"),
        ("b.csv", b"id,n\xfcme\n", "b.csv:1: It is not UTF-8: byte 0xfc at 4. Convert"),
        ("a.json", "[]".encode("utf-16"), "a.json:1: The file is UTF-16, and only UTF-8 is read. Convert it: iconv"),
    ],
)
def test_another_encoding_is_told(here: Any, tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    code, _, err = here("ingest", "t", name, *(("--key", "id") if name.endswith("csv") else ()))
    assert (1, told) == (code, err[: len(told)])


def test_a_line_without_an_end_is_told(here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.record_files.MAX_RECORD_BYTES", 100)
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1)) + "a" * 200)
    code, _, err = here("ingest", "t", "a.ndjson")
    text = (
        "a.ndjson:2: The line is longer than 100 bytes.\n"
        "Stopped. 1 record is written. Continue with: quick ingest t a.ndjson --from-line 2\n"
    )
    assert (1, text) == (code, err)


@pytest.mark.parametrize("name", ["a.ndjson", "a.json"])
def test_bad_records_are_put_aside(here: Any, manager: SmallManager, tmp_path: Path, name: str) -> None:
    manager.decide = a_server(lambda key: key % 4 == 0)
    records = pairs(*range(1, 10))
    (tmp_path / name).write_text(ndjson(records) if name == "a.ndjson" else json.dumps(records, indent=1))
    place = "a.ndjson:" if name == "a.ndjson" else "a.json: element "
    code, out, err = here("ingest", "t", name, "--skip-bad", "bad.ndjson", "--batch-size", "5")
    assert 1 == code
    assert out.startswith("Wrote 7 records to topic t (")
    assert (
        f"{place}4: 4 is bad.\n{place}8: 8 is bad.\n"
        "2 records cannot be written to topic t. They are in bad.ndjson, to be mended.\n"
    ) == err
    assert [[1, 2, 3, 4, 5], [1, 2, 3, 5], [6, 7, 8, 9], [6, 7, 9]] == sent_keys(manager)
    assert pairs(4, 8) == [json.loads(line) for line in (tmp_path / "bad.ndjson").read_text().splitlines()]


def test_what_cannot_be_read_is_put_aside_too(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'id,name\n1,a\n2\n3,"x\ny"z\n4,\xfc\n5,b\n')
    code, out, err = here("ingest", "t", "a.csv", "--key", "id", "--skip-bad", "bad")
    assert (1, "Wrote 2 records to topic t") == (code, out.partition(" (")[0])
    assert ["a.csv:3", "a.csv:4", "a.csv:6"] == re.findall(r"^a\.csv:\d", err, re.MULTILINE)
    assert ["2", '3,"x\ny"z', "4,\ufffd"] == [json.loads(line) for line in (tmp_path / "bad").read_text().splitlines()]
    assert [[1, 5]] == sent_keys(manager)


def test_rows_that_the_server_refuses_are_kept_as_pairs(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    manager.decide = a_server(lambda key: key == 2)
    (tmp_path / "a.csv").write_text("id,name\n1,a\n2,b\n")
    here("ingest", "t", "a.csv", "--key", "id", "--skip-bad", "bad")
    assert {"key": 2, "value": {"id": 2, "name": "b"}} == json.loads((tmp_path / "bad").read_text())


def test_records_that_are_written_are_not_sent_again(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    manager.decide = lambda _: None
    manager.answers_in_turn(verdicts(written(0), bad(1)), answer({"position": "p", "verdicts": [written(0)]}))
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1, 2, 3)))
    code, out, _ = here("ingest", "t", "a.ndjson", "--skip-bad", "bad")
    assert (1, "Wrote 2 records to topic t") == (code, out.partition(" (")[0])
    assert [[1, 2, 3], [3]] == sent_keys(manager)


def test_a_continued_run_keeps_the_bad_records_of_the_one_before(
    here: Any, manager: SmallManager, tmp_path: Path
) -> None:
    manager.decide = a_server(lambda key: key in (1, 3))
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1, 2, 3)))
    for start, expected in (("1", [1, 3]), ("3", [1, 3, 3]), ("1", [1, 3])):
        here("ingest", "t", "a.ndjson", "--skip-bad", "bad", "--from-line", start)
        assert pairs(*expected) == [json.loads(line) for line in (tmp_path / "bad").read_text().splitlines()]


# Dry runs


def test_a_dry_run_checks_all_and_writes_nothing(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    manager.decide = a_server(lambda key: key in (2, 5))
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(*range(1, 7))))
    code, out, err = here("ingest", "t", "a.ndjson", "--dry-run", "--batch-size", "3")
    assert (1, "Checked 6 records for topic t: 4 can be written\n") == (code, out)
    assert "a.ndjson:2: 2 is bad.\na.ndjson:5: 5 is bad.\n2 records cannot be written to topic t.\n" == err
    assert [[], [1, 2, 3], [4, 5, 6]] == sent_keys(manager)
    assert {"/ingest/t?verdicts=true&dryRun=true"} == set(manager.paths)
    manager.decide = a_server()
    assert (0, "Checked 6 records for topic t: 6 can be written\n", "") == here("ingest", "t", "a.ndjson", "--dry-run")


def test_a_server_that_would_write_is_not_asked_for_a_dry_run(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    manager.decide = lambda _: answer({"position": "p"})
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1)))
    code, out, err = here("ingest", "t", "a.ndjson", "--dry-run")
    assert (1, "") == (code, out)
    assert "cannot check records without writing them. Nothing is written." in err
    assert [[]] == sent(manager)


# What is tried again, and where a stopped run goes on


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_waited_for(
    here: Any, manager: SmallManager, tmp_path: Path, pauses: list[float], status: int
) -> None:
    manager.decide = lambda _: None
    manager.answers_in_turn(
        refusal(status, "Later", "Later.", Retry_After="2"),
        refusal(status, "Later", "Later.", Retry_After="600"),
        refusal(status, "Later", "Later.", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
    )
    manager.reply = answer({"position": "p"})
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1)))
    assert (0, "") == here("ingest", "t", "a.ndjson")[::2]
    assert [2.0, 30.0, 1.0] == pauses
    assert [pairs(1)] * 4 == sent(manager)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_stays_busy_is_given_up(
    here: Any, manager: SmallManager, tmp_path: Path, pauses: list[float], status: int
) -> None:
    manager.decide = lambda _: None
    manager.answers_in_turn(answer({"position": "p"}))
    manager.reply = refusal(status, "Later", "Not now.", Retry_After="2")
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1, 2)))
    code, out, err = here("ingest", "t", "a.ndjson", "--batch-size", "1", "--retry-for", "5")
    assert (1, "") == (code, out)
    unknown = (
        "The last batch (lines 2 to 2) may have been written. Repeating it is harmless for a mutable topic: same keys,"
        " same values.\n"
    )
    assert (
        "Later: Not now.\nThat was so for 5 s.\nCould not write line 2 to topic t\n"
        + (unknown if status == 503 else "")
        + "Stopped. 1 record is written."
        " Continue with: quick ingest t a.ndjson --batch-size 1 --retry-for 5 --from-line 2\n"
    ) == err
    assert [2.0, 2.0] == pauses


def test_pauses_have_a_random_part(
    here: Any, manager: SmallManager, tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_client, "JITTER", 0.5)
    manager.reply = refusal(429, "Later", "Not now.", Retry_After="2")
    manager.decide = lambda _: None
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1)))
    here("ingest", "t", "a.ndjson")
    assert all(2.0 <= pause <= 3.0 for pause in pauses)
    assert 1 < len(set(pauses))


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (DROPPED, "broke before an answer came"),
        (HELD, "no answer came within 0.2 s"),
        (Reply((b"{",), is_cut=True), "broke before an answer came"),
        (Reply((b"<html>",), 504), "answered 504 and no Quick error"),
        (Reply((b"<html>",), 200), "answered nothing that says what was written"),
        (refusal(500, "Internal Server Error", "Look for 12."), "Internal Server Error: Look for 12."),
        (refusal(503, "Service Unavailable", "Stands still."), "Service Unavailable: Stands still."),
    ],
)
def test_a_batch_of_unknown_outcome_is_not_sent_again(
    here: Any, manager: SmallManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Reply, told: str
) -> None:
    if reply is HELD:
        hurry_after_the_first_batch(manager, monkeypatch)
    manager.decide = lambda _: None
    manager.answers_in_turn(answer({"position": "p"}), reply)
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1, 2, 3, 4)))
    code, out, err = here("ingest", "t", "a.ndjson", "--batch-size", "2", "--context", "test")
    assert (1, "") == (code, out)
    assert told in err
    assert err.endswith(
        "Could not write lines 3 to 4 to topic t\n"
        "The last batch (lines 3 to 4) may have been written. Repeating it is harmless for a mutable topic: same keys,"
        " same values.\nStopped. 2 records are written."
        " Continue with: quick ingest t a.ndjson --batch-size 2 --context test --from-line 3\n"
    )
    until(lambda: len(manager.requests) == 2)  # Who does not wait for the answer may be ahead of the server.
    assert [[1, 2], [3, 4]] == sent_keys(manager)


def hurry_after_the_first_batch(manager: SmallManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for answers for 0.2 s alone, but for the first one: it is to come, however busy the machine is."""
    exchange = connection.Connection.exchange

    def hurrying(self: Any, client: Any, request: Any) -> Any:
        if manager.requests:
            monkeypatch.setattr(connection, "TIMEOUT_S", 0.2)
            request.extensions["timeout"]["read"] = connection.TIMEOUT_S
        return exchange(self, client, request)

    monkeypatch.setattr(connection.Connection, "exchange", hurrying)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (refusal(403, "Forbidden", "No."), "Forbidden: No.\n"),
        (refusal(401, "Unauthorized", "No."), "Unauthorized.\n Your API key is invalid.\n"),
        (Reply((b"<html>",), 404), "answered 404 and no Quick error"),
        (Reply((b"<html>",), 413), "answered 413 and no Quick error"),
    ],
)
def test_a_refusal_wrote_nothing(here: Any, manager: SmallManager, tmp_path: Path, reply: Reply, told: str) -> None:
    manager.decide = lambda _: reply
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1)))
    code, _, err = here("ingest", "t", "a.ndjson")
    assert 1 == code
    assert told in err
    assert "may have been written" not in err
    assert err.endswith("Stopped. 0 records are written. Continue with: quick ingest t a.ndjson --from-line 1\n")


def test_nobody_at_the_host_is_told_at_once(here: Any, tmp_path: Path, free_port: Any, pauses: list[float]) -> None:
    Config().with_context("test", f"http://127.0.0.1:{free_port()}", "k").save(tmp_path / "quick.conf")
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1)))
    code, _, err = here("ingest", "t", "a.ndjson")
    assert 1 == code
    assert err.startswith("Please check your host and try again.")
    assert [] == pauses


def test_a_server_that_is_started_again_is_waited_for(
    here: Any, manager: SmallManager, tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = connection.Connection.exchange

    def flaky(self: Any, client: Any, request: Any) -> Any:
        if manager.requests and not pauses:
            raise connection.UnreachableError(manager.url, "Connection refused")
        return exchange(self, client, request)

    monkeypatch.setattr(connection.Connection, "exchange", flaky)
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1, 2)))
    assert 0 == here("ingest", "t", "a.ndjson", "--batch-size", "1")[0]
    assert [[1], [2]] == sent_keys(manager)
    assert [1.0] == pauses


@pytest.mark.parametrize(
    ("name", "text", "start", "expected"),
    [
        ("a.ndjson", "\n" + ndjson(pairs(1, 2, 3)), "3", [2, 3]),
        ("a.json", json.dumps(pairs(1, 2, 3)), "3", [3]),
        ("a.csv", 'id,name\n1,"a\nb"\n2,c\n3,d\n', "4", [2, 3]),
        ("a.csv", 'id,name\n1,"a\nb"\n2,c\n3,d\n', "3", [2, 3]),
        ("a.csv", "id,name\n1,a\n", "1", [1]),
        ("a.csv", 'id,name\n1,"a"b\n2\n3,c\n', "4", [3]),
    ],
)
def test_a_run_goes_on_from_a_line(
    here: Any, manager: SmallManager, tmp_path: Path, name: str, text: str, start: str, expected: list[int]
) -> None:
    (tmp_path / name).write_text(text)
    key = ("--key", "id") if name == "a.csv" else ()
    assert 0 == here("ingest", "t", name, "--from-line", start, *key)[0]
    assert [expected] == sent_keys(manager)


def test_the_command_that_goes_on_does(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    """Whatever stops it, and however often: in the end, each record is written, once, in order."""
    answers = iter([False, True, False, False, True, False])

    def decide(request: Request) -> Reply:
        if request.method == "GET":
            return answer(topic())
        if next(answers, False):
            return refusal(403, "Forbidden", "Not now.")
        kept.extend(pair["key"] for pair in request.body)
        return answer({"position": "p"})

    kept: list[int] = []
    manager.decide = decide
    rows = "".join(f"{key};a {key}\n\n" for key in range(10))
    (tmp_path / "an a.txt").write_text(f"id;name\n{rows}")
    command = ["ingest", "t", "an a.txt", "--format", "csv", "--key=id", "--delimiter", ";", "--batch-size", "2"]
    for _ in range(3):
        code, _, err = here(*command)
        if code:
            command = shlex.split(err.splitlines()[-1].partition("Continue with: quick ")[2])
    assert 0 == code
    assert list(range(10)) == kept


# Mistakes


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("nope", (), "argument FILE: can't open 'nope': No such file or directory"),
        (".", (), "argument FILE: can't open '.': Is a directory"),
        ("a.txt", (), "The format of a.txt cannot be told. Say --format json|ndjson|csv."),
        ("a.csv", (), "Please name the column of the key with --key FIELD: a CSV file needs it."),
        ("a.csv", ("--key", "x"), "There is no column x. There are: k, v, w, w."),
        ("a.csv", ("--key", "k"), "There are two columns 'w'. Rename one in the file."),
        ("b.csv", ("--key", "k"), "values are of type STRING, and there are 2 columns beside the key. Name the one to"),
        ("a.json", ("--value", "v"), "The --value option can be set only when a --key is set"),
        ("a.json", ("--skip-bad", "no/bad"), "argument --skip-bad: can't open 'no/bad': No such file or directory"),
        ("a.json", ("--skip-bad", "a.json"), "argument --skip-bad: a.json is what is read. Name another file."),
        ("a.csv", ("--delimiter", "ab"), "'ab' is no delimiter. Write one character, as ; or \\t."),
        ("a.json", ("--batch-size", "0"), "'0' is no whole number from 1."),
    ],
)
def test_a_mistake_on_the_command_line(
    here: Any, manager: SmallManager, tmp_path: Path, name: str, options: tuple[str, ...], told: str
) -> None:
    manager.decide = a_server(**topic("STRING", "STRING", None))
    (tmp_path / "a.txt").write_text("a,b")
    (tmp_path / "a.csv").write_text("k,v,w,w\n")
    (tmp_path / "b.csv").write_text("k,v,w\n")
    (tmp_path / "a.json").write_text(json.dumps(pairs(1)))
    code, out, err = here("ingest", "t", name, *options)
    assert (2, "") == (code, out)
    assert told in err
    assert [] == sent(manager)
    assert json.dumps(pairs(1)) == (tmp_path / "a.json").read_text()


def test_a_topic_that_csv_cannot_be_read_for(here: Any, manager: SmallManager, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,a\n")
    manager.decide = lambda _: refusal(403, "Forbidden", "No.")
    _, _, err = here("ingest", "t", "a.csv", "--key", "id")
    assert err.startswith("Forbidden: No.\nCould not find out the types of topic t, which the cells of a CSV file are")
    manager.decide = lambda _: refusal(404, "Not Found", "No.")
    _, _, err = here("ingest", "t", "a.csv", "--key", "id")
    assert err.startswith("Not Found: No.\nThere is no topic t registered. Please create one:")


# The program


def test_records_come_from_stdin(quick: Any, manager: SmallManager) -> None:
    done = quick("ingest", "t", "-", stdin=ndjson(pairs(1, 2)))
    assert (0, "Wrote 2 records to topic t", "") == (done.code, done.out.partition(" (")[0], done.err)
    done = quick("ingest", "t", "-", "--key", "id", "--format", "csv", stdin="id,name\n1\n")
    assert (
        "stdin:2: It has 1 cells, and the header 2.\nStopped. 0 records are written."
        " Continue with: quick ingest t - --key id --format csv --from-line 2\n"
    ) == done.err


def test_an_interrupted_run_says_where_to_go_on(
    quick: Any, start_quick: Callable[..., subprocess.Popen[bytes]], manager: SmallManager, tmp_path: Path
) -> None:
    manager.decide = lambda _: None
    manager.answers_in_turn(answer({"position": "p"}), HELD)
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1, 2)))
    process = start_quick("ingest", "t", str(tmp_path / "a.ndjson"), "--batch-size", "1")
    until(lambda: len(manager.requests) == 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (1, b"") == (process.returncode, out)
    assert (
        "The last batch (lines 2 to 2) may have been written. Repeating it is harmless for a mutable topic: same keys,"
        " same values.\nStopped. 1 record is written."
        f" Continue with: quick ingest t {tmp_path}/a.ndjson --batch-size 1 --from-line 2\n"
        "\nInterrupted quick. Exiting now.\n"
    ) == err.decode()


def test_a_run_is_interrupted_while_it_waits(
    quick: Any, start_quick: Callable[..., subprocess.Popen[bytes]], manager: SmallManager, tmp_path: Path
) -> None:
    manager.decide = lambda _: refusal(429, "Too Many Requests", "Later.", Retry_After="30")
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1)))
    process = start_quick("ingest", "t", str(tmp_path / "a.ndjson"))
    until(lambda: manager.requests)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert 1 == process.returncode
    assert b"Stopped. 0 records are written. Continue with: " in err


@pytest.mark.parametrize("options", [(), ("--quiet",)])
def test_progress_is_shown_on_a_terminal(
    here: Any, manager: SmallManager, tmp_path: Path, options: tuple[str, ...]
) -> None:
    manager.decide = a_server(lambda key: key == 2)
    (tmp_path / "a.ndjson").write_text(ndjson(pairs(1, 2)))
    program = [Path(sys.executable).with_name("quick"), "ingest", "t", "a.ndjson", "--skip-bad", "bad", *options]
    ours, its = pty.openpty()
    with subprocess.Popen(
        program, cwd=tmp_path, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"}, stdout=subprocess.PIPE, stderr=its
    ) as process:
        os.close(its)
        shown = b"".join(iter(lambda: _read(ours), b"")).decode()
        os.close(ours)
        assert process.stdout is not None
        assert process.stdout.read().startswith(b"Wrote 1 record to topic t (")
    assert 1 == process.returncode
    assert "a.ndjson:2: 2 is bad." in shown
    assert (not options) == (" records " in shown.replace("2 records cannot", ""))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1024)
    except OSError:  # How Linux says that the other side is closed.
        return b""


@pytest.mark.parametrize("kind", ["ndjson", "csv", "json"])
def test_a_large_file_takes_little_memory(
    here: Any, manager: SmallManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    count, note = 20_000, "x" * 1000
    value = {"id": 1, "name": note}
    lines = (f"1,{note}\n" if kind == "csv" else json.dumps({"key": 1, "value": value}) for _ in range(count))
    with (tmp_path / f"a.{kind}").open("w") as file:
        if kind == "csv":
            file.write("id,name\n")
            file.writelines(lines)
        else:
            file.write("[" if kind == "json" else "")
            file.write((",\n" if kind == "json" else "\n").join(lines))
            file.write("]" if kind == "json" else "\n")

    def send(self: Any, method: str, name: str, items: Any, parameters: Any) -> ingest_client.Outcome:
        return ingest_client.Outcome({}, frozenset(range(len(items))), None, has_verdicts=True)

    monkeypatch.setattr(ingest_client.IngestSession, "send", send)
    here("ingest", "t", f"a.{kind}", "--key", "id", "--from-line", "10000000")  # What is imported does not count.
    tracemalloc.start()
    try:
        _, out, _ = here("ingest", "t", f"a.{kind}", *(("--key", "id") if kind == "csv" else ()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert out.startswith(f"Wrote {count:,} records to topic t (")
    assert 20_000_000 < (tmp_path / f"a.{kind}").stat().st_size
    assert peak < 8 * ingestion.MAX_BATCH_BYTES


def test_records_reach_a_real_topic(running: Any, tmp_path: Path, topic_name: str) -> None:
    running.quick("topic", "create", topic_name, "-k", "int", "-v", "string")
    file = tmp_path / "a.csv"
    file.write_text("key,value\n" + "".join(f"{key},value {key}\n" for key in range(-600, 600)))
    result = json.loads(running.quick("ingest", topic_name, str(file), "--key", "key", "-o", "json"))
    assert 1200 == result["records"]
    running.include(topic_name, result["position"])
    with running.http() as http:
        assert {"value": "value -600"} == http.get(f"/mirror/{topic_name}/mirror/-600").json()
    assert f"Deleted 2 keys from topic {topic_name}\n" == running.quick("delete", topic_name, "-600", "0")
