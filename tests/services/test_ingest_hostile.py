"""Whatever is sent: an answer that says what is wrong, nothing that breaks, and nothing of it in Kafka."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from tests.ingesting import chunk, connect, content, exchange, head, make_topics
from tests.running import Running

MEBIBYTE = 1024 * 1024
DIGITS = 10_000_000


class Hostile(NamedTuple):
    """A request that nothing may come of."""

    kind: str
    body: bytes = b'{"key":"a","value":"b"}'
    status: int = 400
    method: str = "POST"
    after: str = ""
    """What follows the topic in the address."""
    type: str | None = None
    headers: dict[str, str] = {}  # noqa: RUF012  nobody changes it


def pair(key: object, value: object, **more: object) -> bytes:
    return json.dumps({"key": key, "value": value, **more}).encode()


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * levels + closing * levels


def avro_item(number: int, name: bytes) -> bytes:
    """Return the bare Avro bytes of an item with nothing but its number and its name."""
    return bytes([number * 2, len(name) * 2]) + name + bytes(5)


PAIR = b'{"key":"a","value":"b"}'

NO_JSON = [
    Hostile("string", body)
    for body in (
        b"",
        b" ",
        b"\r\n\t",
        b"{",
        b"[}",
        b'{"key":"a","value":"b"',
        b'{"key":"a","value":"b"}}',
        b'{"key":"a","value":"b"}{"key":"c","value":"d"}',
        b'{"key":"a" "value":"b"}',
        b"nonsense",
        b"\xff\xfe",
        b"\x00",
        PAIR + b"\x00",
        b"\xef\xbb\xbf" + PAIR,
        b'{"key":"\xff","value":"b"}',
        b'{"key":"a","value":"\xed\xa0\x80"}',  # Half of a surrogate pair as UTF-8 would have it.
        b'{"key":"a","value":"\xc0\xaf"}',  # A slash in two bytes.
        b'{"key":"a","value":"a\nb"}',
        b'{"key":"a","value":"\x01"}',
        b'{"key":"a","value":"\\x41"}',
        PAIR.decode().encode("utf-16"),
        PAIR.decode().encode("utf-32"),
        '{"key":"ä","value":"ö"}'.encode("latin-1"),
        b'{"key":"a","value":"\\ud800"}',
        b'{"key":"\\udfff","value":"b"}',
        b'{"key":"a","value":"\\ud83d"}',
        b'{"key":"a","value":"\\ude00\\ud83d"}',
        b'{"key":NaN,"value":"b"}',
        b"{'key':'a','value':'b'}",
        b'{key:"a",value:"b"}',
        b'{"key":"a","value":"b",}',
        b'[{"key":"a","value":"b"},]',
        b'{"key":"a","value":TRUE}',
        b'{"key":"a"/**/,"value":"b"}',
        gzip.compress(PAIR),
    )
]

NO_PAIRS = [
    Hostile("string", body)
    for body in (
        b"null",
        b"5",
        b'"text"',
        b"{}",
        b'{"key":"a"}',
        b'{"value":"a"}',
        b'{"Key":"a","Value":"b"}',
        b'[{"key":"a","value":"b"},null]',
        b'[[{"key":"a","value":"b"}]]',
        b'{"key":null,"value":"b"}',
        b'{"key":["a"],"value":1}',
    )
]

NUMBERS = [
    *[
        Hostile(kind, body)
        for kind in ("integer", "long")
        for body in (
            b'{"key":1,"value":Infinity}',
            b'{"key":1,"value":-Infinity}',
            b'{"key":1,"value":1e400}',
            b'{"key":1,"value":01}',
            b'{"key":1,"value":+1}',
            b'{"key":1,"value":9223372036854775808}',
            b'{"key":9223372036854775808,"value":1}',
            b'{"key":1,"value":18446744073709551616}',
            b'{"key":1,"value":1.0000001}',
            b'{"key":1,"value":"0x10"}',
            b'{"key":1,"value":"1_000"}',
            b'{"key":1,"value":" 1"}',
            '{"key":1,"value":"\u0661"}'.encode(),  # A digit, but none of ASCII's.
            b'{"key":1,"value":""}',
            b'{"key":{},"value":1}',
            b'{"key":true,"value":1}',
            b'{"key":1,"value":' + b"9" * 4_200 + b"}",
            b'{"key":1,"value":' + b"9" * 5_000 + b"}",
            b'{"key":1,"value":' + b"9" * DIGITS + b"}",
            b'{"key":' + b"9" * DIGITS + b',"value":1}',
            b'{"key":1,"value":-' + b"9" * DIGITS + b"}",
            b'{"key":1,"value":"' + b"9" * DIGITS + b'"}',
        )
    ],
    Hostile("string", b'{"key":"a","value":' + b"9" * DIGITS + b"}"),
    Hostile("string", b'{"key":"a","value":' + b"9" * 5_000 + b"}"),
    Hostile("string", b'{"key":"a","value":1.' + b"9" * DIGITS + b"}"),
    Hostile("double", b'{"key":1,"value":' + b"9" * DIGITS + b"}"),
    Hostile("double", b'{"key":1,"value":1e' + b"9" * DIGITS + b"}"),
    Hostile("double", b'{"key":1,"value":NaN}'),
    Hostile("double", b'{"key":1,"value":1e309}'),
    Hostile("double", b'{"key":1,"value":"1e5x"}'),
    Hostile("double", b'{"key":1,"value":.5}'),
    Hostile("double", b'{"key":1,"value":[]}'),
    Hostile("integer", b'{"key":1,"value":2147483648}'),
    Hostile("integer", b'{"key":-2147483649,"value":1}'),
]

RECORDS = [
    Hostile("schema", body)
    for body in (
        b'{"key":1,"value":{}}',
        b'{"key":1,"value":{"id":1}}',
        b'{"key":1,"value":{"id":null,"name":"n"}}',
        b'{"key":1,"value":{"id":2147483648,"name":"n"}}',
        b'{"key":1,"value":{"id":1.5,"name":"n"}}',
        b'{"key":1,"value":{"id":1,"name":["n"]}}',
        b'{"key":1,"value":{"id":1,"name":{"string":"n"}}}',
        b'{"key":1,"value":{"id":1,"name":"n","kind":"UGLY"}}',
        b'{"key":1,"value":{"id":1,"name":"n","kind":{"Kind":"UGLY"}}}',
        b'{"key":1,"value":{"id":1,"name":"n","kind":0}}',
        b'{"key":1,"value":{"id":1,"name":"n","price":{"float":1.5}}}',
        b'{"key":1,"value":{"id":1,"name":"n","price":"1.5"}}',
        b'{"key":1,"value":{"id":1,"name":"n","parts":[null]}}',
        b'{"key":1,"value":{"id":1,"name":"n","parts":[{"code":1}]}}',
        b'{"key":1,"value":{"id":1,"name":"n","parts":{"code":"c"}}}',
        b'{"key":1,"value":{"id":1,"name":"n","flag":"true"}}',
        b'{"key":1,"value":{"id":1,"name":"n","big":1e300}}',
        b'{"key":1,"value":{"id":1,"name":"\\ud800"}}',
        b'{"key":1,"value":"{}"}',
        b'{"key":1,"value":[]}',
        b'{"key":"one","value":{"id":1,"name":"n"}}',
        b'{"key":1,"value":{"id":1,"name":"n"},"value":{"id":"x"}}',
    )
]

DEPTH = [
    Hostile("string", body, status=422)
    for body in (
        nested(101),
        nested(100_000),
        b'{"key":"a","value":' + nested(100) + b"}",
        b'{"key":"a","value":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
        b'{"key":"a","value":"b","headers":' + nested(500) + b"}",
        b'{"key":"a","value":"b","timestamp":' + nested(5_000) + b"}",
        b'{"key":' + nested(200, b"[{}," * 1 + b"[", b"]]") + b',"value":"b"}',
    )
]

SIZES = [
    Hostile("string", pair("a", "x" * (2 * MEBIBYTE)), status=413),
    Hostile("string", pair("k" * (2 * MEBIBYTE), "b"), status=413),
    Hostile("string", b"[" + PAIR + b"," + pair("a", "x" * (2 * MEBIBYTE)) + b"]", status=413),
    Hostile("string", b"[" + b",".join([pair("a", "b")] * 100_001) + b"]", status=413),
    Hostile("string", pair("a", "b", headers={"h": "x" * (2 * MEBIBYTE)}), status=413),
    Hostile("string", pair("a", "b", headers={"h" * (2 * MEBIBYTE): "x"}), status=413),
    Hostile("string", pair("a", "x" * (11 * MEBIBYTE)), status=413),
    Hostile("string", b" " * (10 * MEBIBYTE + 1), status=413),
    Hostile("string", json.dumps(["k"] * 100_001).encode(), status=413, method="DELETE"),
]

EXTRAS = [
    Hostile("string", pair("a", "b", headers=headers))
    for headers in (
        5,
        "text",
        True,
        ["a"],
        [{"name": "a"}],
        [{"name": "a", "value": "b", "more": 1}],
        [{"name": None, "value": "b"}],
        [{"name": 5, "value": "b"}],
        {"a": 5},
        {"a": ["b"]},
        {"a": True},
        {"a": {"base64": 5}},
        {"a": {"base64": "?"}},
        {"a": {"base64": "YQ"}},
        {"a": {"base64": "YQ==", "more": 1}},
        {"a": {"hex": "00"}},
        {"a\x00b": "c"},
        [{"name": "\x00", "value": "c"}],
    )
] + [
    Hostile("string", pair("a", "b", timestamp=timestamp))
    for timestamp in (
        0,
        -1,
        1.5,
        True,
        "",
        "now",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-02-30T12:00:00Z",
        "2026-01-31T12:00:00+99:00",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
        [],
        {},
        2**63,
        2**64,
        1e300,
    )
]

QUERIES = [
    Hostile("string", after=after)
    for after in (
        "?verbose=true",
        "?atomic=perhaps",
        "?atomic=2",
        "?ATOMIC=true",
        "?key=a",
        "?timestamp=1",
        "?dryRun=true&dryrun=true",
        "?%ff=1",
        "?atomic=%ff",
        "?atomic=%zz",
        "?atomic=%",
        "?" + "a" * 60_000,
        "?" + "&".join(f"a{number}=1" for number in range(5_000)),
        "?atomic=" + "x" * 60_000,
        "?=",
    )
]

DELETIONS = [
    *[
        Hostile("long", b"", method="DELETE", after=after)
        for after in (
            "/x",
            "/1.5",
            "/9223372036854775808",
            "/%ff",
            "/1//",
            "/1%2F",
            "/%20",
            "/1%00",
            "/" + "9" * 9_000,
        )
    ],
    *[
        Hostile("string", b"", method="DELETE", after=after)
        for after in ("/%ff", "/%zz", "/a%", "/a%2", "/%ed%a0%80", "/%c0%af", "/a?cascade=true", "/%u0041")
    ],
    Hostile("double", b"", method="DELETE", after="/one"),
    Hostile("schema", b"", method="DELETE", after="/{}"),
    *[
        Hostile("long", body, method="DELETE")
        for body in (b"", b"{}", b'"x"', b"[[1]]", b"[1,null]", b"[1,", b"1 2", b"1.5", b"true")
    ],
    Hostile("long", nested(101), status=422, method="DELETE"),
    Hostile("long", b"1", status=415, method="DELETE", type="application/octet-stream"),
    Hostile("long", gzip.compress(b"1"), status=415, method="DELETE", headers={"Content-Encoding": "gzip"}),
]

TYPES = [
    *[
        Hostile("string", status=415, type=kind)
        for kind in (
            "application/xml",
            "text/html",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/json; charset=latin-1",
            "application/x-ndjson; charset=iso-8859-1",
            "json",
            ";",
            "*/*",
            "application/json, text/plain",
            "a" * 20_000,
        )
    ],
    *[
        Hostile("string", gzip.compress(PAIR), status=415, headers={"Content-Encoding": encoding})
        for encoding in ("gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "nonsense", "")
    ],
    Hostile(
        "string",
        gzip.compress(PAIR + b"\n"),
        status=415,
        type="application/x-ndjson",
        headers={"Content-Encoding": "gzip"},
    ),
]

BYTES = [
    Hostile("string", b"abc", type="application/octet-stream"),
    Hostile("string", b"\xff", type="application/octet-stream", after="?key=a"),
    Hostile("string", b"abc", type="application/octet-stream", after="?key=%ff"),
    Hostile("string", b"abc", type="application/octet-stream", after="?key=a&more=1"),
    *[
        Hostile("string", b"abc", type="application/octet-stream", after=f"?key=a&timestamp={timestamp}")
        for timestamp in ("0", "-1", "x", "1.5", "", "9223372036854775808", "9" * 5_000)
    ],
    Hostile("long", b"abc", type="application/octet-stream", after="?key=1"),
    Hostile("long", struct.pack(">q", 1), type="application/octet-stream", after="?key=x"),
    Hostile("long", struct.pack(">q", 1), type="application/octet-stream", after="?key="),
    Hostile("string", b"abc", type="application/avro", after="?key=a"),
    Hostile("schema", avro_item(1, b"n"), type="application/x-protobuf", after="?key=1"),
    Hostile("schema", b"", type="application/avro", after="?key=1"),
    Hostile("schema", avro_item(1, b"n")[:-1], type="application/avro", after="?key=1"),
    Hostile("schema", avro_item(1, b"n") + b"\x00", type="application/avro", after="?key=1"),
    Hostile("schema", avro_item(1, b"\xff"), type="application/avro", after="?key=1"),
    Hostile("schema", b"\xff" * 100, type="application/avro", after="?key=1"),
    Hostile("schema", avro_item(1, b"n"), type="application/octet-stream", after="?key=1"),
    *[
        Hostile("schema", avro_item(1, b"n"), type="application/avro", after=f"?key=1&schemaId={number}", status=status)
        for number, status in (("0", 400), ("-1", 400), ("x", 400), ("4294967296", 400), ("4294967295", 404))
    ],
    Hostile("string", b"x" * (2 * MEBIBYTE), status=413, type="application/octet-stream", after="?key=a"),
    Hostile("string", b"x" * (11 * MEBIBYTE), status=413, type="application/octet-stream", after="?key=a"),
]

METHODS = [
    Hostile("string", status=405, method=method) for method in ("GET", "PUT", "PATCH", "HEAD", "TRACE", "PROPFIND")
] + [Hostile("string", status=405, method=method, after="/a") for method in ("GET", "POST", "PUT")]

ALL = [*NO_JSON, *NO_PAIRS, *NUMBERS, *RECORDS, *DEPTH, *SIZES, *EXTRAS, *QUERIES, *DELETIONS, *TYPES, *BYTES, *METHODS]


def is_line(hostile: Hostile) -> bool:
    """Return whether the body is also a line of an upload that cannot be used."""
    is_bare = hostile.method == "POST" and hostile.type is None and not hostile.headers and not hostile.after
    is_one = not {b"\n"[0], b"\r"[0]} & set(hostile.body) and hostile.body.strip(b" ") != b""
    return is_bare and is_one and not hostile.body.startswith(b"[") and len(hostile.body) < MEBIBYTE


LINES = [hostile for hostile in ALL if is_line(hostile)]


def shown(hostile: Hostile) -> str:
    return f"{hostile.kind} {hostile.method} {hostile.after[:30]} {hostile.type or ''} {hostile.body[:60]!r}"


@pytest.fixture(scope="module")
def untouched(running: Running) -> Iterator[dict[str, str]]:
    """Return topics of each type, and make sure afterwards that nothing was written to them."""
    topics = make_topics(running)
    yield topics
    # Not their ends: a transaction that was given up may leave its marker there, and what it had begun to write.
    assert {topic: [] for topic in topics.values()} == {
        topic: content(running.kafka, topic) for topic in topics.values()
    }


@pytest.fixture(scope="module")
def http(running: Running) -> Iterator[httpx.Client]:
    with running.http() as http:
        yield http


@pytest.mark.parametrize("hostile", ALL, ids=map(str, range(len(ALL))))
def test_it_is_refused_with_a_reason(http: httpx.Client, untouched: dict[str, str], hostile: Hostile) -> None:
    headers = dict(hostile.headers)
    if hostile.type is not None:
        headers["Content-Type"] = hostile.type
    url = f"/ingest/{untouched[hostile.kind]}{hostile.after}"
    try:
        answer = http.request(hostile.method, url, content=hostile.body, headers=headers)
    except (httpx.WriteError, httpx.ReadError):
        assert hostile.status == 413, shown(hostile)  # The server closes before it has read all of such a body.
        return
    assert hostile.status == answer.status_code, (shown(hostile), answer.text[:300])
    if hostile.method != "HEAD":
        body = answer.json()
        assert (hostile.status, True) == (body["code"], bool(body["detail"])), shown(hostile)
        assert len(answer.content) < 20_000 + len(hostile.after), shown(hostile)


@pytest.mark.parametrize("hostile", LINES, ids=map(str, range(len(LINES))))
def test_as_a_line_it_is_refused_alone(http: httpx.Client, untouched: dict[str, str], hostile: Hostile) -> None:
    answer = http.post(
        f"/ingest/{untouched[hostile.kind]}", content=hostile.body, headers={"Content-Type": "application/x-ndjson"}
    )
    assert 200 == answer.status_code, shown(hostile)
    verdict, end = (json.loads(line) for line in answer.content.splitlines())
    assert (0, True) == (verdict["index"], bool(verdict["error"]["detail"])), shown(hostile)
    assert {"records": 1, "written": 0, "refused": 1} == end, shown(hostile)


CUT_OFF = [
    head("DELETE", "/ingest/LONG", "Transfer-Encoding: chunked") + chunk(b"123"),  # What was meant was 12345.
    head("DELETE", "/ingest/LONG", "Transfer-Encoding: chunked") + b"5\r\n123",
    head("DELETE", "/ingest/LONG", "Content-Length: 5") + b"123",
    head("DELETE", "/ingest/LONG", "Transfer-Encoding: chunked"),
    head("POST", "/ingest/STRING", "Transfer-Encoding: chunked") + chunk(PAIR),
    head("POST", "/ingest/STRING", "Transfer-Encoding: chunked") + chunk(PAIR) + b"0\r\n",
    head("POST", "/ingest/STRING", "Content-Length: 100") + PAIR,
    head("POST", "/ingest/STRING?key=a", "Content-Type: application/octet-stream", "Content-Length: 9") + b"abc",
    head("POST", "/ingest/STRING?key=a", "Content-Type: application/octet-stream", "Transfer-Encoding: chunked")
    + chunk(b"abc"),
    head("POST", "/ingest/STRING?atomic=true", "Content-Type: application/x-ndjson", "Transfer-Encoding: chunked")
    + chunk(PAIR + b"\n"),
    head("POST", "/ingest/STRING?atomic=true", "Content-Type: application/x-ndjson", "Content-Length: 1000")
    + PAIR
    + b"\n",
    head("POST", "/ingest/STRING", "Content-Type: application/x-ndjson", "Transfer-Encoding: chunked")
    + chunk(PAIR[:-1]),
]


@pytest.mark.parametrize("request_", CUT_OFF, ids=map(str, range(len(CUT_OFF))))
@pytest.mark.parametrize("is_closed", [False, True], ids=["says no more", "goes away"])
def test_of_a_body_that_is_cut_off_nothing_is_written(
    running: Running, untouched: dict[str, str], request_: bytes, *, is_closed: bool
) -> None:
    request_ = addressed(request_, untouched)
    if is_closed:
        with connect(running) as connection:
            connection.sendall(request_)
    else:
        answer = exchange(running, request_, ends_there=True)
        assert answer is None or answer.status == 400 or (200, b"") == (answer.status, answer.body)


def addressed(request: bytes, topics: dict[str, str]) -> bytes:
    for kind, name in topics.items():
        request = request.replace(b"/ingest/" + kind.upper().encode(), f"/ingest/{name}".encode())
    return request


LENGTHS = ["-1", "+23", "0x17", "23.0", "23 23", "1e2", "abc", "9" * 30, "18446744073709551639", "", " "]

BROKEN = [
    *[head("POST", "/ingest/STRING", f"Content-Length: {length}") + PAIR for length in LENGTHS],
    head("POST", "/ingest/STRING", "Content-Length: 23", "Content-Length: 22") + PAIR,
    head("POST", "/ingest/STRING", "Content-Length: 23", "Transfer-Encoding: chunked") + chunk(PAIR) + chunk(b""),
    head("POST", "/ingest/STRING", "Transfer-Encoding: identity") + PAIR,
    head("POST", "/ingest/STRING", "Transfer-Encoding: chunked, gzip") + chunk(PAIR) + chunk(b""),
    head("POST", "/ingest/STRING", "Transfer-Encoding: gzip, chunked") + chunk(gzip.compress(PAIR)) + chunk(b""),
    head("POST", "/ingest/STRING", "Transfer-Encoding: xchunked") + chunk(PAIR) + chunk(b""),
    head("POST", "/ingest/STRING", "Transfer-Encoding : chunked") + chunk(PAIR) + chunk(b""),
    head("POST", "/ingest/STRING", "Transfer-Encoding: chunked") + b"zz\r\n" + PAIR + b"\r\n0\r\n\r\n",
    head("POST", "/ingest/STRING", "Transfer-Encoding: chunked") + b"-1\r\n" + PAIR + b"\r\n0\r\n\r\n",
    head("POST", "/ingest/STRING", "Transfer-Encoding: chunked") + b"f" * 17 + b"\r\n" + PAIR + b"\r\n0\r\n\r\n",
    head("POST", "/ingest/STRING", "Transfer-Encoding: chunked") + b"16\r\n" + PAIR + b"\r\n0\r\n\r\n",
    head("POST", "/ingest/STRING", "X-Null: a\x00b", "Content-Length: 23") + PAIR,
    head("POST", "/ingest/STRING", "no colon", "Content-Length: 23") + PAIR,
    head("POST", "/ingest/STRING", "Content-Type: \xff\xfe", "Content-Length: 23") + PAIR,
    head("POST", "/ingest/STRING", "Content-Encoding: \xff", "Content-Length: 23") + PAIR,
    head("POST", "/ingest/STRING", "Content-Length: 23", authorized=False) + PAIR,
    head("POST", "/ingest/STRING", "X-API-Key: \xff", "Content-Length: 23", authorized=False) + PAIR,
    head("POST", "/ingest/STRING?\xff=1", "Content-Length: 23") + PAIR,
    head("POST", "/ingest/STRING?atomic=\xe4", "Content-Length: 23") + PAIR,
    head("POST", "/ingest/STRING\xff", "Content-Length: 23") + PAIR,
    head("DELETE", "/ingest/STRING/\xff"),
    head("DELETE", "/ingest/STRING/%zz"),
    head("DELETE", "/ingest/STRING/a%"),
    head("DELETE", "/ingest/STRING/\x00"),
    head("DELETE", "/ingest/STRING/" + "k" * (2 * MEBIBYTE)),
    head("DELETE", "/ingest/STRING/" + "%61" * MEBIBYTE * 2),
    head("DELETE", "/ingest/" + "k" * MEBIBYTE + "/a"),
    head("DELETE", "/ingest/no%2FSTRING/a"),
    head("DELETE", "/ingest//a"),
    head("DELETE", "//ingest/STRING/a"),
    head("DELETE", "/ingest/../ingest/STRING/a"),
    head("DELETE", "ingest/STRING/a"),
    head("POST", "*", "Content-Length: 23") + PAIR,
    head("FROB", "/ingest/STRING", "Content-Length: 23") + PAIR,
    head("post", "/ingest/STRING", "Content-Length: 23") + PAIR,
    head("CONNECT", "localhost:1"),
    b"POST /ingest/STRING HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # A TLS client.
    b"\x00" * 1000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("request_", BROKEN, ids=map(str, range(len(BROKEN))))
def test_of_a_broken_request_nothing_is_written(running: Running, untouched: dict[str, str], request_: bytes) -> None:
    answer = exchange(running, addressed(request_, untouched), ends_there=True)
    assert answer is None or 400 <= answer.status < 500, (request_[:300], answer)
    if answer is not None and answer.headers["content-type"] == "application/json":
        assert answer.json()["detail"]


def test_a_version_of_http_that_nobody_speaks_is_no_error_of_ours(running: Running) -> None:
    answer = exchange(running, b"POST /ingest/STRING\r\n\r\n", ends_there=True)
    assert answer is not None
    assert 505 == answer.status


def test_json_of_a_hundred_levels_is_read_and_of_one_more_is_not(
    running: Running, ingest_topics: dict[str, str]
) -> None:
    for levels, status in ((99, 200), (100, 422)):
        body = b'{"key":"deep","value":' + nested(levels) + b"}"
        with running.http() as http:
            assert status == http.post(f"/ingest/{ingest_topics['string']}", content=body).status_code


def test_after_all_that_the_workers_are_the_same_and_well(running: Running, untouched: dict[str, str]) -> None:
    log = (running.folder / "up.log").read_text()
    assert "Traceback" not in log
    assert "Exception in ASGI" not in log
    running.await_health()
