"""A schema registry elsewhere gives the IDs: ours, served by another instance, stands for it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest

from core.kafka_reader import TopicsConsumer
from core.settings import registry_topic_beside
from projections.registry_publisher import held_by
from tests.running import API_KEY, Running, until


@pytest.fixture(scope="module")
def authority(new_running: Callable[..., Running]) -> Running:
    """Return the instance whose schema registry is the authority."""
    started = new_running()
    started.start()
    return started


@pytest.fixture(scope="module")
def user(new_running: Callable[..., Running], authority: Running) -> Running:
    """Return the instance that registers there."""
    url = f"http://anybody:{API_KEY}@127.0.0.1:{authority.port}/schema-registry"
    started = new_running(settings={"QUICK_KAFKA_SCHEMA_REGISTRY_URL": url})
    started.start()
    return started


@pytest.fixture
def http(user: Running) -> Iterator[httpx.Client]:
    with user.http() as client:
        yield client


@pytest.fixture
def registry(authority: Running) -> Iterator[httpx.Client]:
    headers = {"X-API-Key": API_KEY}
    with httpx.Client(base_url=f"{authority.url}/schema-registry", headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"item-{uuid.uuid4().hex[:8]}"


def define(http: httpx.Client, gateway: str, fields: str) -> None:
    sdl = f"type Query {{ a: Int }} type Item {{ {fields} }}"
    http.post("/manager/gateway", json={"name": gateway})
    assert 200 == http.post(f"/manager/gateway/{gateway}/schema", json={"schema": sdl}).status_code


def create(http: httpx.Client, name: str) -> httpx.Response:
    parameters = {"keyType": "integer", "valueType": "schema"}
    return http.post(
        f"/manager/topic/{name}", params=parameters, json={"valueSchema": {"gateway": name, "type": "Item"}}
    )


def change(http: httpx.Client, name: str, **parameters: str) -> httpx.Response:
    return http.post(f"/manager/topic/{name}/schema", params=parameters, json={"gateway": name, "type": "Item"})


def value(http: httpx.Client, name: str, key: int | str) -> httpx.Response:
    return http.get(f"/mirror/{name}/mirror/{key}")


def test_a_topic_takes_its_id_from_there_and_records_none_of_ours(
    user: Running, http: httpx.Client, registry: httpx.Client, name: str
) -> None:
    registry.post(
        f"/subjects/{name}-other/versions", json={"schema": f'{{"type":"record","name":"{name[5:]}x","fields":[]}}'}
    )
    define(http, name, "id: Int!")
    created = create(http, name)
    assert 200 == created.status_code, created.text
    shown = http.get(f"/manager/topic/{name}").json()
    there = registry.get(f"/subjects/{name}-value/versions/latest").json()
    assert (there["id"], 1) == (shown["schemaId"], shown["schemaVersion"])
    events = json.dumps(http.get(f"/manager/log/{created.headers['Quick-Position']}").json())
    assert "TopicCreated" in events
    assert "SchemaIdTaken" not in events
    assert "SchemaRegistered" not in events
    position = user.ingest(name, {"key": 1, "value": {"id": 1}})
    user.include(name, position)
    assert {"value": {"id": 1}} == value(http, name, 1).json()


def test_its_refusals_are_passed_on_before_anything_is_recorded(
    http: httpx.Client, registry: httpx.Client, name: str
) -> None:
    registry.post(f"/subjects/{name}-value/versions", json={"schema": '"string"'})
    define(http, name, "id: Int!")
    refused = create(http, name)
    assert 400 == refused.status_code
    detail = refused.json()["detail"]
    assert f'Subject "{name}-value" already exists' in detail
    assert "answered 409" in detail
    assert "the new schema has quick.Item, the old one has string" in detail
    assert API_KEY not in detail
    assert 404 == http.get(f"/manager/topic/{name}").status_code


def test_a_schema_is_changed_there_and_old_records_stay_readable(
    user: Running, http: httpx.Client, registry: httpx.Client, name: str
) -> None:
    define(http, name, "id: Int!")
    create(http, name)
    user.ingest(name, {"key": 1, "value": {"id": 1}})
    define(http, name, "id: Int! size: Long")
    assert change(http, name, dryRun="true").json()["changed"]
    assert [1] == registry.get(f"/subjects/{name}-value/versions").json()
    changed = change(http, name)
    assert 200 == changed.status_code, changed.text
    there = registry.get(f"/subjects/{name}-value/versions/latest").json()
    assert (2, there["id"]) == (changed.json()["schemaVersion"], changed.json()["schemaId"])
    assert not change(http, name).json()["changed"]
    user.include(name, user.ingest(name, {"key": 2, "value": {"id": 2, "size": 3}}))
    assert [{"id": 1}, {"id": 2, "size": 3}] == [value(http, name, key).json()["value"] for key in (1, 2)]
    define(http, name, "id: String!")
    for parameters in ({}, {"dryRun": "true"}):
        assert "the new schema has string, the old one has int" in change(http, name, **parameters).text


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_subject_goes_with_its_topic_when_it_was_made_for_it(
    http: httpx.Client, registry: httpx.Client, name: str, *, is_ours: bool
) -> None:
    define(http, name, "id: Int!")
    if not is_ours:
        schema = http.get(f"/manager/gateway/{name}/schema/Item/avro").json()["schema"]
        registry.post(f"/subjects/{name}-value/versions", json={"schema": schema})
    assert 200 == create(http, name).status_code
    assert 200 == http.delete(f"/manager/topic/{name}").status_code
    left = registry.get("/subjects", params={"subjectPrefix": name, "deleted": "true"}).json()
    assert ([] if is_ours else [f"{name}-value"]) == left


def test_the_published_registry_has_its_schema_there(
    user: Running, http: httpx.Client, registry: httpx.Client, name: str
) -> None:
    define(http, name, "id: Int!")
    assert 200 == create(http, name).status_code
    topic = registry_topic_beside(user.log_topic)
    until(lambda: value(http, topic, name).status_code == 200)
    assert "INTEGER" == value(http, topic, name).json()["value"]["keyType"]
    there = registry.get(f"/subjects/{topic}-value/versions/latest").json()
    raw = held_by(topic, 1, lambda: TopicsConsumer(user.kafka))[name.encode()]
    assert there["id"] == int.from_bytes(raw[1:5])


def test_our_own_registry_says_where_the_other_one_is(authority: Running, http: httpx.Client) -> None:
    for path in ("", "/subjects", "/schemas/ids/1"):
        answer = http.get(f"/schema-registry{path}")
        assert (404, 404) == (answer.status_code, answer.json()["error_code"])
        assert f"127.0.0.1:{authority.port}/schema-registry" in answer.json()["message"]
        assert API_KEY not in answer.text


def test_known_schemas_go_on_working_while_it_is_away(
    user: Running, authority: Running, http: httpx.Client, registry: httpx.Client, name: str
) -> None:
    define(http, name, "id: Int!")
    create(http, name)
    user.ingest(name, {"key": 1, "value": {"id": 1}})
    define(http, name, "id: Int! size: Long")
    change(http, name)
    user.include(name, user.ingest(name, {"key": 2, "value": {"id": 2}}))
    first = registry.get(f"/subjects/{name}-value/versions/1").json()["id"]
    assert {"id": 1} == value(http, name, 1).json()["value"]
    assert (user.data_dir / "schemas" / f"{first}.json").exists()
    unknown = f"{name}-unknown"
    define(http, unknown, "id: Int! other: Long")
    create(http, unknown)
    user.ingest(unknown, {"key": 1, "value": {"id": 1}})
    define(http, unknown, "id: Int! other: Long size: Long")
    assert 200 == change(http, unknown).status_code
    user.include(unknown, user.ingest(unknown, {"key": 2, "value": {"id": 2}}))
    authority.stop()
    try:
        user.stop()
        user.start()
        with user.http() as again:
            for _ in range(6):  # By every worker.
                assert {"id": 1} == value(again, name, 1).json()["value"]
                assert {"id": 2, "size": None} == value(again, name, 2).json()["value"]
                away = value(again, unknown, 1)
                assert (503, "1") == (away.status_code, away.headers.get("Retry-After"))
                assert "schema registry at http://127.0.0.1" in away.json()["detail"]
            user.ingest(name, {"key": 3, "value": {"id": 3}})
            define(again, f"{name}-new", "id: Int!")
            refused = create(again, f"{name}-new")
            assert 503 == refused.status_code
            assert "does not answer" in refused.json()["detail"]
            assert API_KEY not in refused.text
            assert 404 == again.get(f"/manager/topic/{name}-new").status_code
    finally:
        authority.start()
    with user.http() as again:
        assert 200 == create(again, f"{name}-new").status_code
