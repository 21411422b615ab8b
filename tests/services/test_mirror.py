"""Mirrors over REST: one value, some, all, and reading one's own writes."""

from __future__ import annotations

import json
import uuid
from urllib.parse import quote

import pytest

from core.kafka_admin import KafkaAdmin
from core.kafka_writer import OutRecord, RecordWriter, last_offsets
from core.position import Position
from services.mirrors.cursors import cursor
from services.mirrors.entry_frames import MEDIA_TYPE, decode_entries, encode_keys
from tests.running import Running


@pytest.fixture(scope="module")
def topic(running: Running) -> str:
    name = f"mirror-{uuid.uuid4().hex[:12]}"
    with running.http() as http:
        http.post(f"/manager/topic/{name}", params={"keyType": "long", "valueType": "string"}, json={})
    running.include(name, running.ingest(name, [{"key": key, "value": f"v{key}"} for key in range(-5, 1200)]))
    return name


def test_one_value(running: Running, topic: str) -> None:
    with running.http() as http:
        assert {"value": "v-5"} == http.get(f"/mirror/{topic}/mirror/-5").json()
        missing = http.get(f"/mirror/{topic}/mirror/5000")
    assert (404, "Key 5000 does not exist in Mirror") == (missing.status_code, missing.json()["detail"])


def test_some_values_in_the_requested_order(running: Running, topic: str) -> None:
    with running.http() as http:
        found = http.get(f"/mirror/{topic}/mirror/keys?ids=7,5000,-1&ids=7").json()
    assert {"value": ["v7", None, "v-1", "v7"], "missing": ["5000"]} == found


def test_all_values_across_pages(running: Running, topic: str) -> None:
    with running.http() as http:
        values = http.get(f"/mirror/{topic}/mirror").json()["value"]
    assert sorted(f"v{key}" for key in range(-5, 1200)) == sorted(values)


def test_pages_go_through_all_keys_each_once(running: Running, topic: str) -> None:
    found, after = [], {}
    with running.http() as http:
        while after is not None:
            page = http.get(f"/mirror/{topic}/mirror", params={"limit": 500, "keys": "true", **after}).json()
            found += page["value"]
            after = {"after": page["next"]} if page["next"] else None
        made_up = cursor("keys x", b"\x00a")
        assert 400 == http.get(f"/mirror/{topic}/mirror", params={"after": made_up}).status_code
    pairs = {pair["key"]: pair["value"] for pair in found}
    assert len(pairs) == len(found)
    assert {key: f"v{key}" for key in range(-5, 1200)}.items() <= pairs.items()


def test_many_keys_at_once_as_json_and_as_bytes(running: Running, topic: str) -> None:
    body = encode_keys([key.to_bytes(8, signed=True) for key in (7, 5000, -1)])
    with running.http() as http:
        as_json = http.post(f"/mirror/{topic}/mirror/batch", json={"keys": [7, 5000, "-1"]}).json()
        as_bytes = http.post(f"/mirror/{topic}/mirror/batch", content=body, headers={"Content-Type": MEDIA_TYPE})
    assert {"value": ["v7", None, "v-1"], "missing": [5000]} == as_json
    assert [b"v7", None, b"v-1"] == [entry and entry.value for entry in decode_entries(as_bytes.content)]


def test_a_mirror_tells_what_it_is_and_how_far(running: Running, topic: str) -> None:
    with running.http() as http:
        position = running.ingest(topic, {"key": 9001, "value": "last"})
        running.include(topic, position)
        answer = http.get(f"/mirror/{topic}/status")
        partitions = http.get(f"/mirror/{topic}/streams/partitions").json()
        assert 400 == http.get(f"/mirror/{topic}/mirror/range/7?from=0&to=9").status_code
        assert 404 == http.get("/mirror/nowhere/status").status_code
    status = answer.json()
    keeps_last = {"rangeField": None, "rangeKey": None, "indexes": [], "retentionMs": None}
    assert ("ready", keeps_last, 0) == (status["state"], status["definition"], status["skipped"])
    assert ({"type": "LONG"}, {"type": "STRING"}) == (status["keys"], status["values"])
    assert status["entries"] >= 1205
    assert status["bytes"] > 10_000
    assert dict.fromkeys(status["offsets"], f"127.0.0.1:{running.port}") == partitions
    reached = {str(partition): offset + 1 for partition, offset in Position.parse(position).offsets.items()}
    assert reached.items() <= status["offsets"].items()
    ends = {int(partition): offset - 1 for partition, offset in status["offsets"].items() if offset}
    assert ends == Position.parse(answer.headers["Quick-Position"]).offsets


def test_mistakes_are_told(running: Running, topic: str) -> None:
    with running.http() as http:
        assert 400 == http.get(f"/mirror/{topic}/mirror/x").status_code
        assert 400 == http.get(f"/mirror/{topic}/mirror/keys").status_code
        assert 400 == http.get(f"/mirror/{topic}/mirror/keys?ids=1,x").status_code
        unknown = http.get("/mirror/nowhere/mirror/1")
    assert (404, "Topic nowhere not found in topic registry") == (unknown.status_code, unknown.json()["detail"])


def test_a_read_with_the_position_of_a_write_includes_it(running: Running, topic: str) -> None:
    with running.http() as http:
        for number in range(50):
            position = running.ingest(topic, {"key": 9000, "value": f"own {number}"})
            answer = http.get(f"/mirror/{topic}/mirror/9000", headers={"Quick-At-Least": position})
            assert {"value": f"own {number}"} == answer.json()


def test_a_position_of_another_topic_or_of_nothing_is_refused(running: Running, topic: str) -> None:
    other = f"mirror-{uuid.uuid4().hex[:12]}"
    with running.http() as http:
        http.post(f"/manager/topic/{other}", params={"keyType": "long", "valueType": "string"}, json={})
        foreign = running.ingest(other, {"key": 1, "value": "v"})
        for token in (foreign, "garbage"):
            answer = http.get(f"/mirror/{topic}/mirror/1", headers={"Quick-At-Least": token})
            assert 400 == answer.status_code
            assert "position" in answer.json()["detail"]


def test_keys_with_a_schema_are_json_in_the_path(running: Running) -> None:
    name = f"mirror-{uuid.uuid4().hex[:12]}"
    sdl = "type Query { a: Int } type Place { row: Int! seat: String }"
    places = [{"row": 1, "seat": "A"}, {"row": 1, "seat": "größer, & {b} %"}, {"row": 2, "seat": None}]
    paths = [quote(json.dumps(place), safe="") for place in places]
    with running.http() as http:
        http.post("/manager/gateway", json={"name": name, "schema": sdl}).raise_for_status()
        http.post(
            f"/manager/topic/{name}",
            params={"keyType": "schema", "valueType": "string"},
            json={"keySchema": {"gateway": name, "type": "Place"}},
        ).raise_for_status()
        position = running.ingest(name, [{"key": place, "value": f"guest {i}"} for i, place in enumerate(places)])
        at_least = {"Quick-At-Least": position}
        for number, path in enumerate(paths):
            assert {"value": f"guest {number}"} == http.get(f"/mirror/{name}/mirror/{path}", headers=at_least).json()
        other_spelling = quote('{"seat": "A",\n"row": 1}', safe="")
        assert {"value": "guest 0"} == http.get(f"/mirror/{name}/mirror/{other_spelling}").json()
        ids = [json.dumps(place) for place in (places[1], {"row": 3, "seat": "x"}, places[0])]
        found = http.get(f"/mirror/{name}/mirror/keys", params={"ids": ids}).json()
        assert {"value": ["guest 1", None, "guest 0"], "missing": [ids[1]]} == found
        deleted = http.delete(f"/ingest/{name}/{paths[1]}")
        at_least = {"Quick-At-Least": deleted.json()["position"]}
        assert 404 == http.get(f"/mirror/{name}/mirror/{paths[1]}", headers=at_least).status_code
        assert {"value": "guest 0"} == http.get(f"/mirror/{name}/mirror/{paths[0]}").json()
        for bad in ("1", "{", "%7B%7D"):
            assert 400 == http.get(f"/mirror/{name}/mirror/{bad}").status_code
            assert 400 == http.delete(f"/ingest/{name}/{bad}").status_code


def test_a_mirror_of_an_immutable_topic_answers_with_the_first_value(running: Running) -> None:
    name = f"mirror-{uuid.uuid4().hex[:12]}"
    parameters = {"keyType": "string", "valueType": "string"}
    with running.http() as http:
        http.post(f"/manager/topic/{name}", params=parameters, json={"writeType": "IMMUTABLE"}).raise_for_status()
        facts = KafkaAdmin(running.kafka).describe(name)
        assert facts is not None
        writer = RecordWriter(running.kafka, delivery_timeout_s=60)  # As a program does that is not ours.
        records = [OutRecord(b"a", value) for value in (b"first", b"second", None, b"third")]
        written = writer.write(name, records).result(60)
        writer.close()
        position = Position(facts.topic_id, last_offsets(running.kafka, name, written))
        at_least = {"Quick-At-Least": position.token()}
        assert {"value": "first"} == http.get(f"/mirror/{name}/mirror/a", headers=at_least).json()
        assert {"value": ["first"]} == http.get(f"/mirror/{name}/mirror").json()
