"""`quick dump`: what is written in each format, and what remains when it fails."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest

from cli.connection import CliError
from cli.dump_files import dump_file
from cli.mirror_client import Pair, Side, Status
from tests.cli.small_manager import DROPPED, Reply, Request, answer, refusal
from tests.cli.small_manager import Manager as SmallManager
from tests.running import QUICK, Running

TEXT, LONG, DOUBLE = Side("STRING"), Side("LONG"), Side("DOUBLE")

PLANE = {
    "type": "record",
    "name": "Plane",
    "namespace": "quick",
    "fields": [
        {"name": "key", "type": "string"},
        {"name": "seats", "type": ["null", "int"], "default": None},
        {"name": "built", "type": {"type": "int", "logicalType": "date"}},
        {"name": "routes", "type": {"type": "array", "items": "string"}},
    ],
}
PLANES = Side("SCHEMA", 3, "AVRO", json.dumps(PLANE))


def pairs(*entries: tuple[Any, Any]) -> list[Pair]:
    return [Pair(*(json.dumps(node).encode() for node in entry)) for entry in entries]  # type: ignore[arg-type]


def dumped(said_format: str, keys: Side, values: Side, *entries: tuple[Any, Any]) -> bytes:
    out = io.BytesIO()
    file = dump_file(said_format, out, Status(keys, values, 0))
    for entry in entries:
        file.write(pairs(entry))
    file.end()
    return out.getvalue()


def test_csv_has_a_column_for_the_key_and_each_field() -> None:
    value = {"key": "own", "seats": None, "built": "2020-02-03", "routes": ["FRA", 'J"K']}
    rows = list(csv.reader(io.StringIO(dumped("csv", LONG, PLANES, (-5, value)).decode())))
    assert ["_key", "key", "seats", "built", "routes"] == rows[0]
    assert ["-5", "own", "", "2020-02-03", '["FRA","J\\"K"]'] == rows[1]
    assert b"key,value\r\na,1.5\r\nb,NaN\r\n" == dumped("csv", TEXT, DOUBLE, ("a", 1.5), ("b", "NaN"))


def test_csv_of_protobuf_has_the_names_of_its_json() -> None:
    side = Side("SCHEMA", 3, "PROTOBUF", "syntax …", "type Plane { created_at: Int name: String }")
    assert b"key,createdAt,name\r\na,5,\r\n" == dumped("csv", TEXT, side, ("a", {"createdAt": 5}))


def test_avro_is_typed_as_the_topic_is() -> None:
    value = {"key": "own", "seats": 5, "built": "2020-02-03", "routes": []}
    read = fastavro.reader(io.BytesIO(dumped("avro", LONG, PLANES, (7, value))))
    [entry] = read
    assert (7, "2020-02-03", 5) == (entry["key"], entry["value"]["built"].isoformat(), entry["value"]["seats"])
    assert "quick.Plane" == read.writer_schema["fields"][1]["type"]["name"]
    many = [(str(number), number / 2) for number in range(5000)]
    entries = list(fastavro.reader(io.BytesIO(dumped("avro", TEXT, DOUBLE, *many))))
    assert many == [(entry["key"], entry["value"]) for entry in entries]


@pytest.mark.parametrize(
    ("said_format", "values", "value", "part"),
    [
        ("csv", PLANES, {"key": "k", "wings": 2}, 'The value under "a" has the field wings'),
        ("avro", PLANES, {"key": "k"}, 'The entry "a" does not fit the topic\'s present schema'),
        ("avro", Side("SCHEMA", 3, "PROTOBUF", "syntax …", "type P { a: Int }"), {}, "of format PROTOBUF"),
    ],
)
def test_what_does_not_go_into_a_format_is_told_with_the_way_out(
    said_format: str, values: Side, value: Any, part: str
) -> None:
    with pytest.raises(CliError, match=r"Dump (it|them) with --as ndjson\.") as caught:
        dumped(said_format, TEXT, values, ("a", value))
    assert part in str(caught.value)


def pages(count: int, last: Reply | None = None) -> Callable[[Request], Reply]:
    """Return what a server answers that has *count* pages of two entries, and *last* in the place of the last one."""

    def decide(request: Request) -> Reply:
        if request.path.endswith("/status"):
            side = {"type": "LONG"}
            return answer({"keys": side, "values": side, "entries": 2 * count})
        _, _, after = request.path.partition("&after=")
        number = int(after or 0)
        if last is not None and number == count - 1:
            return last
        entries = [{"key": key, "value": key} for key in (2 * number, 2 * number + 1)]
        return answer({"value": entries, "next": None if number == count - 1 else str(number + 1)})

    return decide


def test_pages_are_written_one_after_the_other(quick: Any, manager: SmallManager, tmp_path: Path) -> None:
    manager.decide = pages(3)
    lines = "".join(f'{{"key":{key},"value":{key}}}\n' for key in range(6))
    assert (0, lines, "") == quick("dump", "a/b")
    assert ["/mirror/a%2Fb/status", "/mirror/a%2Fb/mirror?keys=true&limit=1000"] == manager.paths[:2]
    out = tmp_path / "t.ndjson"
    assert (0, f"Dumped 6 records of topic t to {out}\n", "") == quick("dump", "t", "--out", str(out))
    assert lines == out.read_text()


def test_a_dump_that_is_cut_off_fails_and_leaves_a_file_as_it_was(
    quick: Any, manager: SmallManager, tmp_path: Path
) -> None:
    manager.decide = pages(3, refusal(400, "Bad Request", "No cursor."))
    code, out, err = quick("dump", "t")
    assert (1, 4) == (code, out.count("\n"))
    assert "Bad Request: No cursor.\nCould not dump topic t: it was cut off after 4 records.\n" == err
    file = tmp_path / "t.ndjson"
    file.write_text("before")
    code, out, err = quick("dump", "t", "--out", str(file))
    assert (1, "", f"Bad Request: No cursor.\nCould not dump topic t: {file} is as it was before.\n") == (
        code,
        out,
        err,
    )
    assert ("before", [file]) == (file.read_text(), list(tmp_path.glob("t.*")))
    missing = tmp_path / "nowhere" / "t"
    code, _, err = quick("dump", "t", "--out", str(missing))
    assert (1, True) == (code, f"Cannot write {missing}: No such file or directory." in err)


def test_a_page_whose_answer_was_lost_is_asked_for_again(quick: Any, manager: SmallManager) -> None:
    manager.answers_in_turn(answer({"keys": {"type": "LONG"}, "values": {"type": "LONG"}, "entries": 1}), DROPPED)
    manager.answers({"value": [{"key": 1, "value": 2}], "next": None})
    assert (0, '{"key":1,"value":2}\n', "") == quick("dump", "t")


@pytest.fixture(scope="module")
def planes(running: Running) -> tuple[str, str]:
    """Return the names of two topics of one type; the first one has 2,500 records."""
    mark = uuid.uuid4().hex[:8]
    sdl = "type Query { a: Int } type Plane { id: ID! seats: Int parts: [Part!] } type Part { code: String }"
    names = (f"dump-from-{mark}", f"dump-to-{mark}")
    with running.http() as http:
        http.post("/manager/gateway", json={"name": f"dump-{mark}", "schema": sdl}).raise_for_status()
        for name in names:
            body = {"valueSchema": {"gateway": f"dump-{mark}", "type": "Plane"}}
            parameters = {"keyType": "string", "valueType": "schema"}
            http.post(f"/manager/topic/{name}", params=parameters, json=body).raise_for_status()
    for start in range(0, 2500, 500):
        records = [
            {"key": f"k,{n}", "value": {"id": f"i{n}", "seats": n or None, "parts": [{"code": "ö"}]}}
            for n in range(start, start + 500)
        ]
        running.include(names[0], running.ingest(names[0], records))
    return names


def copied(running: Running, said_format: str, names: tuple[str, str], *options: str) -> None:
    dump = subprocess.run(
        [QUICK, "dump", names[0], "--as", said_format], env=running.environment, stdout=subprocess.PIPE, check=True
    )
    result = json.loads(
        running.quick("ingest", names[1], "-", "--strict", "-o", "json", *options, stdin=dump.stdout.decode())
    )
    assert 2500 == result["records"]
    running.include(names[1], result["position"])
    one, other = (sorted(running.quick("dump", name).splitlines()) for name in names)
    assert one == other


def test_what_is_dumped_can_be_ingested(running: Running, planes: tuple[str, str]) -> None:
    copied(running, "ndjson", planes)


def test_csv_can_be_ingested_with_its_key(running: Running, planes: tuple[str, str]) -> None:
    copied(running, "csv", planes, "--key", "key", "--format", "csv")


def test_avro_holds_what_the_topic_does(running: Running, planes: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / "planes.avro"
    running.quick("dump", planes[0], "--as", "avro", "--out", str(file))
    with file.open("rb") as opened:
        entries = {entry["key"]: entry["value"] for entry in fastavro.reader(opened)}
    assert 2500 == len(entries)
    assert {"id": "i7", "seats": 7, "parts": [{"code": "ö"}]} == entries["k,7"]
    assert '{"id":"i0","seats":null,"parts":[{"code":"ö"}]}\n' == running.quick("get", planes[0], "k,0")
