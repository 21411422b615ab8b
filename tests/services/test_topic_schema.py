"""Changing a topic's schema over REST: used by the next record, and no hindrance for those that are there."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.running import Running


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    with running.http() as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"item-{uuid.uuid4().hex[:8]}"


def define(http: httpx.Client, gateway: str, fields: str) -> None:
    sdl = f'type Query {{ i(id: Int): Item @topic(name: "{gateway}", keyArgument: "id") }} type Item {{ {fields} }}'
    http.post("/manager/gateway", json={"name": gateway})
    assert 200 == http.post(f"/manager/gateway/{gateway}/schema", json={"schema": sdl}).status_code


def create(http: httpx.Client, name: str) -> None:
    parameters = {"keyType": "integer", "valueType": "schema"}
    body = {"valueSchema": {"gateway": name, "type": "Item"}}
    answer = http.post(f"/manager/topic/{name}", params=parameters, json=body)
    assert 200 == answer.status_code, answer.text


def change(http: httpx.Client, name: str, **parameters: str) -> httpx.Response:
    return http.post(f"/manager/topic/{name}/schema", params=parameters, json={"gateway": name, "type": "Item"})


def test_the_next_record_is_written_with_the_new_schema_and_old_ones_stay_readable(
    running: Running, http: httpx.Client, name: str
) -> None:
    define(http, name, "id: Int!")
    create(http, name)
    running.ingest(name, {"key": 1, "value": {"id": 1}})
    before = http.get(f"/manager/topic/{name}").json()
    define(http, name, "id: Int! size: Long")
    answer = change(http, name)
    assert 200 == answer.status_code, answer.text
    after = answer.json()
    assert {
        "gateway": name,
        "type": "Item",
        "side": "value",
        "changed": True,
        "format": "AVRO",
    }.items() <= after.items()
    assert (1, 2) == (before["schemaVersion"], after["schemaVersion"])
    shown = http.get(f"/manager/topic/{name}").json()
    assert ("AVRO", after["schemaId"], 2) == (shown["format"], shown["schemaId"], shown["schemaVersion"])
    assert "size: Long" in shown["schema"]
    for key in range(2, 12):  # Each on a connection of its own, so that both workers answer some.
        position = running.ingest(name, {"key": key, "value": {"id": key, "size": 2**40}})
    running.include(name, position)
    assert {"id": 1} == http.get(f"/mirror/{name}/mirror/1").json()["value"]
    assert {"id": 2, "size": 2**40} == http.get(f"/mirror/{name}/mirror/2").json()["value"]
    registered = http.get(f"/schema-registry/subjects/{name}-value/versions/latest").json()
    assert (after["schemaId"], 2) == (registered["id"], registered["version"])
    assert ["id", "size"] == [field["name"] for field in json.loads(registered["schema"])["fields"]]


def test_a_check_changes_nothing_and_a_change_to_the_same_records_nothing(http: httpx.Client, name: str) -> None:
    define(http, name, "id: Int!")
    create(http, name)
    same = change(http, name)
    assert (False, None) == (same.json()["changed"], same.headers.get("Quick-Position"))
    define(http, name, "id: Int! size: Long")
    assert change(http, name, dryRun="true").json()["changed"]
    assert 1 == http.get(f"/manager/topic/{name}").json()["schemaVersion"]


def test_what_does_not_go_with_old_records_is_refused(http: httpx.Client, name: str) -> None:
    define(http, name, "id: Int!")
    create(http, name)
    define(http, name, "id: String!")
    for parameters in ({}, {"dryRun": "true"}):
        answer = change(http, name, **parameters)
        assert 400 == answer.status_code
        assert "quick.Item.id: the new schema has string, the old one has int." in answer.json()["detail"]
    wrong = http.post(f"/manager/topic/{name}/schema", json={"gateway": name, "type": "Item", "side": "both"})
    assert 400 == wrong.status_code
    missing = change(http, f"{name}-none")
    assert 404 == missing.status_code
