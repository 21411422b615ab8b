"""The manager's REST API: actions, their errors, and what they leave in the log."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.running import Running

SDL = """
type Query { item(id: Int): Item @topic(name: "TOPIC", keyArgument: "id") }
"An item."
type Item { id: Int!  name: String  others: [Item] @topic(name: "TOPIC") }
"""


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    with running.http() as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"manager-{uuid.uuid4().hex[:12]}"


def create(http: httpx.Client, name: str, **parameters: Any) -> httpx.Response:
    body = parameters.pop("body", {})
    types = {"keyType": "long", "valueType": "string", **parameters}
    return http.post(f"/manager/topic/{name}", params=types, json=body)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert answer.status_code == body["code"]
    assert {"type", "title", "code", "detail", "uriPath"} == set(body)
    return body["code"], body["detail"]


def test_a_topic_from_creation_to_deletion(http: httpx.Client, name: str) -> None:
    created = create(http, name)
    assert (200, b"") == (created.status_code, created.content)
    assert int(created.headers["Quick-Position"]) > 0
    shown = {
        "name": name,
        "writeType": "MUTABLE",
        "keyType": "LONG",
        "valueType": "STRING",
        "partitions": 3,
        "config": {"cleanup.policy": "compact"},
    }
    assert shown == http.get(f"/manager/topic/{name}").json()
    assert shown in http.get("/manager/topics").json()
    assert (400, f'Topic "{name}" already exists in Kafka') == refusal(create(http, name))
    assert 200 == http.delete(f"/manager/topic/{name}").status_code
    missing = (404, f"Topic {name} not found in topic registry")
    assert missing == refusal(http.get(f"/manager/topic/{name}"))
    assert missing == refusal(http.delete(f"/manager/topic/{name}"))
    assert 200 == create(http, name, keyType="STRING").status_code
    assert "STRING" == http.get(f"/manager/topic/{name}").json()["keyType"]


def test_a_topic_with_a_schema_shows_the_write_type(http: httpx.Client, name: str) -> None:
    http.post("/manager/gateway", json={"name": name, "schema": SDL.replace("TOPIC", name)}).raise_for_status()
    reference = {"valueSchema": {"gateway": name, "type": "Item"}}
    assert 200 == create(http, name, keyType="int", valueType="schema", body=reference).status_code
    schema = http.get(f"/manager/topic/{name}").json()["schema"]
    assert "name: String" in schema
    assert "others" not in schema
    assert schema == http.get(f"/manager/gateway/{name}/schema/item/graphql").json()["schema"]
    assert '"name":"Item"' in http.get(f"/manager/gateway/{name}/schema/Item/avro").json()["schema"]


def test_a_topic_as_it_was_asked_for(http: httpx.Client, name: str) -> None:
    sdl = "type Query { a: Int } type Place { row: Int!, seat: String } type Guest { name: String }"
    http.post("/manager/gateway", json={"name": name, "schema": sdl}).raise_for_status()
    body = {
        "writeType": "IMMUTABLE",
        "keySchema": {"gateway": name, "type": "Place"},
        "valueSchema": {"gateway": name, "type": "Guest"},
        "format": "avro",
        "partitions": 5,
        "config": {"message.timestamp.type": "LogAppendTime"},
    }
    assert 200 == create(http, name, keyType="schema", valueType="schema", body=body).status_code
    shown = http.get(f"/manager/topic/{name}").json()
    assert ("IMMUTABLE", "SCHEMA", 5) == (shown["writeType"], shown["keyType"], shown["partitions"])
    assert {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "message.timestamp.type": "LogAppendTime",
    } == shown["config"]
    assert "row: Int!" in shown["keySchema"]
    assert "name: String" in shown["schema"]
    assert shown in http.get("/manager/topics").json()


def test_a_gateway_from_creation_to_deletion(http: httpx.Client, name: str) -> None:
    assert 200 == http.post("/manager/gateway", json={"name": name, "replicas": 2, "tag": "1.2"}).status_code
    assert {"name": name, "replicas": 2, "tag": "1.2"} == http.get(f"/manager/gateway/{name}").json()
    assert name in [gateway["name"] for gateway in http.get("/manager/gateways").json()]
    again = http.post("/manager/gateway", json={"name": name})
    assert (400, f"The resource with the name {name} already exists") == refusal(again)
    applied = http.post(f"/manager/gateway/{name}/schema", json={"schema": SDL.replace("TOPIC", name)})
    assert 200 == applied.status_code
    warnings = http.get(f"/manager/gateway/{name}").json()["warnings"]
    assert f'topic "{name}" does not exist yet (line 2, column 34)' == warnings[0]
    create(http, name, keyType="string")
    assert all("does not exist" not in text for text in http.get(f"/manager/gateway/{name}").json()["warnings"])
    assert 200 == http.delete(f"/manager/gateway/{name}").status_code
    assert 200 == http.delete(f"/manager/gateway/{name}").status_code
    assert (404, f"Could not find resource {name}") == refusal(http.get(f"/manager/gateway/{name}"))
    assert 404 == http.post(f"/gateway/{name}/graphql", json={"query": "{a}"}).status_code


def test_a_schema_with_mistakes_names_all_of_them_with_their_places(http: httpx.Client, name: str) -> None:
    http.post("/manager/gateway", json={"name": name}).raise_for_status()
    code, detail = refusal(http.post(f"/manager/gateway/{name}/schema", json={"schema": "type Query {\n a: \n}"}))
    assert 400 == code
    assert "Could not parse GraphQL schema: - Syntax Error" in detail
    assert "(line 3, column 1)" in detail
    two = 'type Query {\n a(x: Int): Int @topic(name: "t", keyArgument: "y")\n b: Unknown\n}'
    code, detail = refusal(http.post(f"/manager/gateway/{name}/schema", json={"schema": two}))
    assert "Key argument has to be identical to the input name. (line 2" in detail
    assert "Unknown" in detail
    assert 2 == detail.count("- ")


def test_what_is_not_available_yet_says_so(http: httpx.Client, name: str) -> None:
    http.post("/manager/gateway", json={"name": name}).raise_for_status()
    subscription = 'type Query { a: Int } type Subscription { s: Int @topic(name: "t") }'
    code, detail = refusal(http.post(f"/manager/gateway/{name}/schema", json={"schema": subscription}))
    assert 501 == code
    assert "yet" in detail


@pytest.mark.parametrize("bad", ["with space", "ü", "a" * 250, "__quick-log", "a&b", "a:b"])
def test_a_name_that_kafka_would_refuse_is_400(http: httpx.Client, bad: str) -> None:
    code, detail = refusal(create(http, bad))
    assert 400 == code
    assert "is invalid" in detail


@pytest.mark.parametrize("bad", ["", "UPPER", "-a", "12", "a/b", "a" * 254])
def test_a_gateways_name_must_be_able_to_be_in_a_path(http: httpx.Client, bad: str) -> None:
    code, detail = refusal(http.post("/manager/gateway", json={"name": bad}))
    assert 400 == code
    assert "is invalid" in detail


def test_mistakes_in_a_request_are_400(http: httpx.Client, name: str) -> None:
    path = f"/manager/topic/{name}"
    for answer in (
        http.post(path),
        http.post(path, content=b"{"),
        http.post(path, json=[]),
        create(http, name, keyType="text"),
        create(http, name, valueType="avro"),
        create(http, name, valueType="schema"),
        create(http, name, body={"writeType": "SOMETIMES"}),
        create(http, name, body={"writeType": 1}),
        create(http, name, body={"writeType": "IMMUTABLE", "config": {"cleanup.policy": "compact"}}),
        create(http, name, body={"writeType": "immutable", "config": {"retention.ms": "1"}}),
        create(http, name, body={"config": {"retention.millis": "1"}}),
        create(http, name, body={"config": {"retention.ms": "soon"}}),
        create(http, name, body={"config": {"retention.ms": -1}}),
        create(http, name, body={"partitions": 0}),
        create(http, name, body={"partitions": 1000000}),
        create(http, name, body={"partitions": "3"}),
        create(http, name, body={"format": "json"}),
        create(http, name, keyType="schema"),
        create(http, name, valueType="schema", body={"valueSchema": {"gateway": ""}}),
        http.post("/manager/gateway", json={}),
        http.post("/manager/gateway", json={"name": name, "replicas": 0}),
        http.post("/manager/gateway", json={"name": name, "schema": "type Query {"}),
        http.post("/manager/gateway", json={"name": name}, headers={"Quick-Command-Id": "x" * 1000}),
        http.get("/manager/log", params={"limit": "all"}),
        http.get("/manager/log", params={"limit": "0"}),
        http.get("/manager/log", params={"limit": "9" * 5000}),
    ):
        assert 400 == refusal(answer)[0], answer.text
    unknown = create(http, name, valueType="schema", body={"valueSchema": {"gateway": "nowhere", "type": "T"}})
    assert (404, "Could not find resource nowhere") == refusal(unknown)
    http.post("/manager/gateway", json={"name": name, "schema": SDL}).raise_for_status()
    unknown = create(http, name, valueType="schema", body={"valueSchema": {"gateway": name, "type": "Nothing"}})
    assert (400, "Type Nothing does not exist") == refusal(unknown)
    assert 404 == http.get(path).status_code


def test_the_same_command_id_is_carried_out_once_and_answers_the_same(http: httpx.Client, name: str) -> None:
    headers = {"Quick-Command-Id": str(uuid.uuid4()), "Quick-Source": "me%40here", "Quick-Reason": "gr%C3%B6%C3%9Fer"}
    parameters = {"keyType": "long", "valueType": "string"}
    answers = [http.post(f"/manager/topic/{name}", params=parameters, json={}, headers=headers) for _ in range(3)]
    assert [200] * 3 == [answer.status_code for answer in answers]
    assert 1 == len({answer.headers["Quick-Position"] for answer in answers})
    found = [command for command in http.get("/manager/log").json()["commands"] if command["target"] == f"topic/{name}"]
    assert [("default", "create_topic", "me@here", "größer")] == [
        (command["actor"], command["command"], command["source"], command["reason"]) for command in found
    ]


def test_of_simultaneous_creations_exactly_one_succeeds(running: Running, name: str) -> None:
    def attempt(_: int) -> int:
        with running.http() as http:
            return create(http, name).status_code

    with ThreadPoolExecutor(8) as threads:
        codes = sorted(threads.map(attempt, range(8)))
    assert [200] + [400] * 7 == codes


def test_a_schema_is_swapped_in_all_workers_at_once(http: httpx.Client, running: Running, name: str) -> None:
    http.post("/manager/gateway", json={"name": name}).raise_for_status()
    for number in range(5):
        sdl = f"type Query {{ version{number}: Int }}"
        http.post(f"/manager/gateway/{name}/schema", json={"schema": sdl}).raise_for_status()
        for _ in range(6):  # Each on a connection of its own, and so on any worker.
            answer = running.ask(name, f"{{ version{number} }}")
            assert {"data": {f"version{number}": None}} == answer
