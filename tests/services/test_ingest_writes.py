"""What a write is answered with, and what is in Kafka then: verdicts, headers, timestamps, transactions, limits."""

from __future__ import annotations

import base64
import json
import signal
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import psutil
import pytest

from tests.altering import alter_in_force
from tests.ingesting import ITEM, chunk, connect, content, ends, head, new_topic, texts
from tests.running import Running, until, web_workers

SHA = base64.b64encode(bytes(range(256))).decode()


def post(running: Running, topic: str, body: object, query: str = "") -> httpx.Response:
    with running.http() as http:
        return http.post(f"/ingest/{topic}{query}", json=body)


# Verdicts.


def test_verdicts_tell_where_each_record_is(running: Running) -> None:
    name = new_topic(running)
    body = [{"key": f"k{number}", "value": f"v{number}"} for number in range(200)]
    answer = post(running, name, body, "?verdicts=true").json()
    assert list(range(200)) == [verdict["index"] for verdict in answer["verdicts"]]
    there = {(record.partition(), record.offset()): record.value() for record in content(running.kafka, name)}
    told = [there[verdict["partition"], verdict["offset"]] for verdict in answer["verdicts"]]
    assert [f"v{number}".encode() for number in range(200)] == told


def test_verdicts_tell_of_everything_that_is_wrong(running: Running, ingest_topics: dict[str, str]) -> None:
    body = [
        {"key": 1, "value": 1},
        {"key": 2, "value": {"a": [None]}},
        {"key": "x", "value": 1},
        {"key": 3},
        {"key": 4, "value": 1, "timestamp": -1},
        {"key": 5, "value": 5},
    ]
    before = ends(running.kafka, [ingest_topics["long"]])
    answer = post(running, ingest_topics["long"], body, "?verdicts=true")
    assert 400 == answer.status_code
    verdicts = {verdict["index"]: verdict["error"] for verdict in answer.json()["verdicts"]}
    assert [1, 2, 3, 4] == list(verdicts)
    assert ("$.value", "long", '{"a":[null]}') == tuple(verdicts[1][name] for name in ("path", "expected", "found"))
    assert ("$.key", "long", '"x"') == tuple(verdicts[2][name] for name in ("path", "expected", "found"))
    assert all(error["detail"] for error in verdicts.values())
    assert before == ends(running.kafka, [ingest_topics["long"]])


def test_verdicts_tell_of_each_record_that_does_not_fit_the_schema(
    running: Running, ingest_topics: dict[str, str]
) -> None:
    values = [ITEM, {**ITEM, "parts": [{"code": 5}]}, ITEM, {**ITEM, "name": None}, []]
    body = [{"key": number, "value": value} for number, value in enumerate(values)]
    before = ends(running.kafka, [ingest_topics["schema"]])
    answer = post(running, ingest_topics["schema"], body, "?verdicts=true")
    assert (400, [1, 3, 4]) == (answer.status_code, [verdict["index"] for verdict in answer.json()["verdicts"]])
    assert before == ends(running.kafka, [ingest_topics["schema"]])


def test_without_verdicts_the_first_mistake_is_told_with_its_place(
    running: Running, ingest_topics: dict[str, str]
) -> None:
    body = [{"key": 1, "value": 1}, {"key": 2, "value": "x"}, {"key": 3, "value": "y"}]
    answer = post(running, ingest_topics["long"], body).json()
    assert answer["detail"].startswith('Data must be of type long. Got: string ("x") (record 2 of 3, and 1 more')
    assert "verdicts" not in answer


def test_the_last_of_repeated_names_counts(running: Running) -> None:
    name = new_topic(running)
    body = b'{"key":"first","value":"x","key":"last","value":5,"value":"v","headers":{"h":"1","h":"2"}}'
    with running.http() as http:
        for kind in ("application/json", "application/x-ndjson"):
            http.post(f"/ingest/{name}", content=body, headers={"Content-Type": kind})
    assert [("last", "v")] * 2 == texts(running.kafka, name)
    assert [[("h", b"2")]] * 2 == [record.headers() for record in content(running.kafka, name)]


# Headers and timestamps.

HEADERS = [
    (
        {"a": "1", "ä": "ü", "n": None, "b": {"base64": SHA}, "": ""},
        [("a", b"1"), ("ä", "ü".encode()), ("n", None), ("b", bytes(range(256))), ("", b"")],
    ),
    (
        [{"name": "z", "value": "1"}, {"name": "a", "value": None}, {"name": "z", "value": {"base64": ""}}],
        [("z", b"1"), ("a", None), ("z", b"")],
    ),
    ({}, None),
    ([], None),
    (None, None),
]


@pytest.mark.parametrize("query", ["", "?verdicts=true", "?atomic=true"])
@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_headers_are_kept_in_order_with_repetitions(running: Running, query: str, kind: str) -> None:
    name = new_topic(running)
    pairs = [{"key": "k", "value": f"{number}", "headers": given} for number, (given, _) in enumerate(HEADERS)]
    body = json.dumps(pairs) if "nd" not in kind else "\n".join(map(json.dumps, pairs))
    with running.http() as http:
        answer = http.post(f"/ingest/{name}{query}", content=body, headers={"Content-Type": kind})
    assert 200 == answer.status_code, answer.text
    records = content(running.kafka, name)
    assert [expected for _, expected in HEADERS] == [record.headers() for record in records]
    assert [f"{number}".encode() for number in range(len(HEADERS))] == [record.value() for record in records]


TIMESTAMPS = [
    (1, 1),
    (1_700_000_000_123, 1_700_000_000_123),
    ("2026-01-31T12:00:00Z", int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp() * 1000)),
    ("2026-01-31T12:00:00.5+02:00", int(datetime(2026, 1, 31, 10, tzinfo=UTC).timestamp() * 1000) + 500),
]


@pytest.mark.parametrize("query", ["", "?verdicts=true", "?atomic=true"])
def test_timestamps_are_kept(running: Running, query: str) -> None:
    name = new_topic(running)
    # Each has a key of its own: times so far apart begin new segments, and Kafka may compact the earlier ones at once.
    body = [{"key": f"k{given}", "value": "v", "timestamp": given} for given, _ in TIMESTAMPS]
    assert 200 == post(running, name, body, query).status_code
    with_headers = [{**pair, "key": f"h{pair['key']}", "headers": {"a": "b"}} for pair in body]
    assert 200 == post(running, name, with_headers, query).status_code
    assert sorted([expected for _, expected in TIMESTAMPS] * 2) == sorted(
        record.timestamp()[1] for record in content(running.kafka, name)
    )


# Options.


def test_a_dry_run_checks_everything_and_writes_nothing(running: Running) -> None:
    name = new_topic(running)
    good, bad = {"key": "a", "value": "b"}, {"key": "a", "value": 5}
    assert {"valid": 2} == post(running, name, [good, good], "?dryRun=true").json()
    assert {"valid": 1, "verdicts": [{"index": 0}]} == post(running, name, good, "?dryRun=1&verdicts").json()
    assert {"valid": 1} == post(running, name, good, "?dryRun=true&atomic=true").json()
    assert 400 == post(running, name, [good, bad], "?dryRun=true").status_code
    assert 413 == post(running, name, {"key": "a", "value": "x" * 2_000_000}, "?dryRun=true").status_code
    with running.http() as http:
        assert {"valid": 1} == http.delete(f"/ingest/{name}/a?dryRun=true").json()
        assert {"valid": 1} == http.request("DELETE", f"/ingest/{name}?dryRun=true", json="a").json()
    assert [] == texts(running.kafka, name)


def test_strict_refuses_names_beside_key_and_value(running: Running) -> None:
    name = new_topic(running)
    body = {"key": "a", "value": "b", "vaule": "c"}
    assert 200 == post(running, name, body).status_code
    answer = post(running, name, body, "?strict=true")
    assert (400, True) == (answer.status_code, "vaule" in answer.json()["detail"])
    assert 200 == post(running, name, {"key": "a", "value": "b", "headers": {}}, "?strict=true").status_code


def test_the_position_is_in_the_header_too_and_a_read_waits_for_it(running: Running) -> None:
    name = new_topic(running)
    for query in ("", "?atomic=true", "?verdicts=true"):
        for number in range(20):
            answer = post(running, name, {"key": "k", "value": f"{query}{number}"}, query)
            position = answer.headers["Quick-Position"]
            assert answer.json()["position"] == position
            with running.http() as http:
                read = http.get(f"/mirror/{name}/mirror/k", headers={"Quick-At-Least": position})
            assert {"value": f"{query}{number}"} == read.json()


def test_bodies_of_the_types_that_curl_sends_by_itself_are_json(running: Running) -> None:
    name = new_topic(running)
    with running.http() as http:
        for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json; charset=UTF-8", ""):
            answer = http.post(f"/ingest/{name}", content=b'{"key":"a","value":"b"}', headers={"Content-Type": kind})
            assert 200 == answer.status_code, answer.text


def test_what_a_broker_refuses_is_told_as_refused(running: Running) -> None:
    name = new_topic(running)
    alter_in_force(running.kafka, name, "message.timestamp.after.max.ms", "3600000")
    body = [{"key": "a", "value": "b"}, {"key": "a", "value": "b", "timestamp": "2199-01-01T00:00:00Z"}]
    for query in ("?verdicts=true", "?atomic=true"):
        answer = post(running, name, body, query)
        assert 400 == answer.status_code, answer.text
    assert [] == texts(running.kafka, name)


# Bodies of bytes.


def test_a_body_of_bytes_is_one_value(running: Running, ingest_topics: dict[str, str]) -> None:
    avro = bytes([2, 2]) + b"n" + bytes(5)
    samples = [
        (new_topic(running), "application/octet-stream", "k%C3%BC", "ü".encode(), "kü".encode()),
        (new_topic(running), "application/octet-stream", "", b"", b""),
        (
            new_topic(running, key="long", value="long"),
            "application/octet-stream",
            "7",
            struct.pack(">q", 5),
            struct.pack(">q", 7),
        ),
        (ingest_topics["schema"], "application/avro", "4711", avro, struct.pack(">q", 4711)),
    ]
    with running.http() as http:
        for name, kind, key, body, expected_key in samples:
            answer = http.post(
                f"/ingest/{name}?key={key}&timestamp=1700000000000&verdicts=true",
                content=body,
                headers={"Content-Type": kind},
            )
            assert 200 == answer.status_code, answer.text
            (record,) = (each for each in content(running.kafka, name) if each.key() == expected_key)
            assert record.value().endswith(body)
            assert 1_700_000_000_000 == record.timestamp()[1]
            running.include(name, answer.json()["position"])
        assert "n" == http.get(f"/mirror/{ingest_topics['schema']}/mirror/4711").json()["value"]["name"]


# Transactions.


def test_an_atomic_batch_is_wholly_there_or_not_at_all(running: Running) -> None:
    name = new_topic(running)
    body = [{"key": f"k{number}", "value": f"v{number}"} for number in range(1_000)]
    answer = post(running, name, body, "?atomic=true&verdicts=true").json()
    there = {(record.partition(), record.offset()): record.value() for record in content(running.kafka, name)}
    assert [f"v{number}".encode() for number in range(1_000)] == [
        there[verdict["partition"], verdict["offset"]] for verdict in answer["verdicts"]
    ]
    too_large = [*body[:500], {"key": "large", "value": "x" * 1_500_000}, *body[500:]]
    assert 413 == post(running, name, too_large, "?atomic=true").status_code
    assert 400 == post(running, name, [*body, {"key": "bad", "value": 5}], "?atomic=true").status_code
    assert 1_000 == len(texts(running.kafka, name))


def test_a_limit_that_kafka_alone_knows_aborts_an_atomic_batch(running: Running) -> None:
    name = new_topic(running)
    small = {"key": "a", "value": "b"}
    with running.http() as http:
        for _ in range(10):  # So that each worker has looked the limit up.
            http.post(f"/ingest/{name}?dryRun=true", json=small)
    alter_in_force(running.kafka, name, "max.message.bytes", "2000")
    answer = post(running, name, [small, {"key": "a", "value": "x" * 5_000}, small], "?atomic=true")
    assert 413 == answer.status_code, answer.text
    assert [] == texts(running.kafka, name)
    assert 200 == post(running, name, [small], "?atomic=true").status_code


def test_atomic_batches_at_the_same_time_do_not_mix(running: Running) -> None:
    name = new_topic(running)

    def write(number: int) -> tuple[int, int]:
        body = [{"key": f"{number}-{index}", "value": f"{number}"} for index in range(50)]
        if number % 4 == 3:
            body.append({"key": "late", "value": "x" * 2_000_000})
        return number, post(running, name, body, "?atomic=true").status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = dict(pool.map(write, range(40)))
    assert {number: 413 if number % 4 == 3 else 200 for number in range(40)} == statuses
    expected = sorted(f"{number}-{index}" for number in range(40) if number % 4 != 3 for index in range(50))
    assert expected == sorted(key for key, _ in texts(running.kafka, name))


def test_a_worker_that_is_killed_in_a_transaction_holds_nobody_up(running: Running) -> None:
    name = new_topic(running)
    before = {process.pid for process in web_workers(running)}
    with connect(running) as connection:
        request = head(
            "POST", f"/ingest/{name}?atomic=true", "Content-Type: application/x-ndjson", "Transfer-Encoding: chunked"
        )
        lines = b"".join(b'{"key":"lost","value":"%d"}\n' % number for number in range(5_000))
        connection.sendall(request + chunk(lines))
        until(lambda: any(end > 0 for end in ends(running.kafka, [name])[name].values()))
        serving = {
            process.pid for process in web_workers(running) if is_connected(process, connection.getsockname()[1])
        }
        assert 1 == len(serving)
        psutil.Process(*serving).send_signal(signal.SIGKILL)
    until(lambda: len(web_workers(running)) == 2 and not serving & {process.pid for process in web_workers(running)})
    assert before != {process.pid for process in web_workers(running)}
    running.await_health()
    position = running.ingest(name, {"key": "lost", "value": "found"})
    # Kafka itself ends such a transaction after 15 to 25 s; a read waits for the position 10 s at most.
    running.include(name, position)
    assert [("lost", "found")] == texts(running.kafka, name)


def is_connected(process: psutil.Process, port: int) -> bool:
    return any(connection.raddr and connection.raddr.port == port for connection in process.net_connections("tcp"))


# The topic's own limit.


def limited_topic(running: Running, limit: int) -> str:
    name = new_topic(running)
    alter_in_force(running.kafka, name, "max.message.bytes", str(limit))
    return name


def test_a_record_beyond_the_topics_own_limit_is_413_and_nothing_is_written(running: Running) -> None:
    name = limited_topic(running, 2_000)
    body = [{"key": "a", "value": "b"}, {"key": "a", "value": "x" * 2_000}, {"key": "c", "value": "d"}]
    answer = post(running, name, body, "?verdicts=true")
    assert (413, [1]) == (answer.status_code, [verdict["index"] for verdict in answer.json()["verdicts"]])
    assert "max.message.bytes" in answer.json()["verdicts"][0]["error"]["detail"]
    assert [] == texts(running.kafka, name)


@pytest.mark.parametrize("query", ["", "?verdicts=true", "?atomic=true"])
def test_small_records_whose_sum_is_beyond_the_limit_are_written(running: Running, query: str) -> None:
    name = limited_topic(running, 2_000)
    body = [{"key": "k", "value": f"{number:0300}"} for number in range(100)]
    answer = post(running, name, body, query)
    assert 200 == answer.status_code, answer.text
    assert [("k", f"{number:0300}") for number in range(100)] == texts(running.kafka, name)


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_a_limit_that_is_changed_is_noticed(running: Running, kind: str) -> None:
    name = new_topic(running)
    large = [{"key": "large", "value": "x" * 5_000}]
    small = [{"key": "small", "value": f"{number:0300}"} for number in range(100)]

    def status(pairs: list[dict[str, str]]) -> int:
        body = json.dumps(pairs) if "nd" not in kind else "\n".join(map(json.dumps, pairs))
        with running.http() as http:
            answer = http.post(f"/ingest/{name}", content=body, headers={"Content-Type": kind})
        if kind == "application/json":
            return answer.status_code
        return 200 if json.loads(answer.text.splitlines()[-1])["written"] == len(pairs) else 413

    for _ in range(10):  # So that each worker has looked the limit up.
        assert 200 == status(large)
    for limit in (2_000, 20_000, 1_000):
        alter_in_force(running.kafka, name, "max.message.bytes", str(limit))
        if kind == "application/json":
            assert 200 == status(small)
        else:
            until(lambda: status(small) == 200)
        for _ in range(10):
            assert (200 if limit > 5_000 else 413) == status(large)


def test_writes_at_the_same_time_keep_the_order_of_each_client(running: Running) -> None:
    name = new_topic(running)
    failures: list[str] = []

    def write(client: int) -> None:
        with running.http() as http:
            for start in range(0, 200, 10):
                body = [{"key": f"{client}", "value": f"{start + index}"} for index in range(10)]
                answer = http.post(f"/ingest/{name}", json=body)
                if answer.status_code != 200:
                    failures.append(answer.text)

    threads = [threading.Thread(target=write, args=(client,)) for client in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failures
    written = texts(running.kafka, name)
    for client in range(6):
        assert [f"{number}" for number in range(200)] == [value for key, value in written if key == f"{client}"]
