"""Mirrors over the manager's REST API: what is declared, shown, refused, and what readers and writers notice."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.running import Running, until
from tests.services.test_manager import create, refusal

SDL = "type Query { a: Int } type Item { id: Int! at: Long name: String }"


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    with running.http() as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"mirrored-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def item(http: httpx.Client) -> dict[str, Any]:
    """Return a reference to a type with fields."""
    answer = http.post("/manager/gateway", json={"name": "mirrored", "schema": SDL})
    assert answer.status_code in {200, 400}  # The first test has created it.
    return {"valueSchema": {"gateway": "mirrored", "type": "Item"}}


def create_mirror(http: httpx.Client, topic: str, **body: Any) -> httpx.Response:
    return http.post("/manager/topic/mirror", json={"topicName": topic, **body})


def shown(http: httpx.Client, topic: str) -> dict[str, Any]:
    """Return what the manager shows of a mirror, without what it warns of."""
    answer = http.get(f"/manager/topic/{topic}/mirror").raise_for_status()
    body: dict[str, Any] = answer.json()
    assert body in http.get("/manager/mirrors").json()
    body.pop("warnings", None)
    return body


def test_a_topic_lives_on_without_its_mirror_and_gets_another_one(http: httpx.Client, name: str) -> None:
    create(http, name).raise_for_status()
    position = http.post(f"/ingest/{name}", json={"key": 1, "value": "one"}).json()["position"]
    at_least = {"Quick-At-Least": position}
    assert {"value": "one"} == http.get(f"/mirror/{name}/mirror/1", headers=at_least).json()
    deleted = http.delete(f"/manager/topic/{name}/mirror")
    assert (200, b"") == (deleted.status_code, deleted.content)
    missing = (404, f"There is no mirror of topic {name}. Create one: quick mirror create {name}")
    for _ in range(4):  # Each worker knows at once.
        assert missing == refusal(
            httpx.get(f"{http.base_url}/mirror/{name}/mirror/1", headers=http.headers, timeout=30)
        )
    assert (404, f"There is no mirror {name}") == refusal(http.get(f"/manager/topic/{name}/mirror"))
    assert 404 == http.delete(f"/manager/topic/{name}/mirror").status_code
    position = http.post(f"/ingest/{name}", json={"key": 2, "value": "two"}).json()["position"]
    created = create_mirror(http, name, name=name, replicas=3, tag="1.2", mirrorArguments={})
    assert int(deleted.headers["Quick-Position"]) < int(created.headers["Quick-Position"])
    assert {"name": name, "topicName": name, "replicas": 3, "tag": "1.2"} == shown(http, name)
    until(lambda: http.get(f"/mirror/{name}/mirror/1").status_code == 200)
    both = http.get(f"/mirror/{name}/mirror/keys", params={"ids": "1,2"}, headers={"Quick-At-Least": position})
    assert {"value": ["one", "two"]} == both.json()
    assert (400, f"The resource with the name {name} already exists") == refusal(create_mirror(http, name))


def test_a_mirror_is_declared_with_its_topic_and_altered(http: httpx.Client, name: str, item: dict[str, Any]) -> None:
    arguments = {"rangeField": "at", "rangeKey": "name", "indexes": ["name", "at"]}
    body = item | {"mirrorArguments": arguments}
    create(http, name, valueType="schema", body=body).raise_for_status()
    same = {"name": name, "topicName": name, "replicas": 1, "tag": shown(http, name)["tag"]}
    assert same | {"rangeField": "at", "rangeKey": "name", "indexes": ["at", "name"]} == shown(http, name)
    assert "delete" == http.get(f"/manager/topic/{name}").json()["config"]["cleanup.policy"]
    assert "warnings" not in http.get(f"/manager/topic/{name}/mirror").json()
    path = f"/manager/topic/{name}/mirror"
    before = http.patch(path, json={"addIndexes": ["id"], "rangeKey": None}).headers["Quick-Position"]
    assert same | {"rangeField": "at", "indexes": ["at", "id", "name"]} == shown(http, name)
    unchanged = http.patch(path, json={"addIndexes": ["id"]})
    assert (200, None) == (unchanged.status_code, unchanged.headers.get("Quick-Position"))
    change = {"dropIndexes": ["at", "id", "name"], "rangeField": None, "retentionTime": "P1DT12H"}
    http.patch(path, json=change).raise_for_status()
    assert same | {"retentionTime": "P1DT12H"} == shown(http, name)
    rebuilt = http.post(f"{path}/rebuild").raise_for_status()
    assert int(before) < int(rebuilt.headers["Quick-Position"])
    assert same | {"retentionTime": "P1DT12H"} == shown(http, name)
    then = http.get(path, params={"asOf": before}).json()
    assert ("at", ["at", "id", "name"]) == (then["rangeField"], then["indexes"])


def test_ranges_over_a_topic_that_kafka_compacts_come_with_a_warning(
    http: httpx.Client, name: str, item: dict[str, Any]
) -> None:
    create(http, name, valueType="schema", body=item).raise_for_status()
    path = f"/manager/topic/{name}/mirror"
    assert "warnings" not in http.get(path).json()
    http.patch(path, json={"rangeField": "at"}).raise_for_status()
    (warning,) = http.get(path).json()["warnings"]
    settings = "cleanup.policy=delete,retention.ms=-1,retention.bytes=-1"
    assert warning.startswith(f"Topic {name} was not created with {settings}: Kafka may remove earlier records")
    assert warning.endswith(f"kafka-configs --alter --topic {name} --add-config {settings}")


def test_a_command_tells_what_it_changed(http: httpx.Client, name: str, item: dict[str, Any]) -> None:
    create(http, name, valueType="schema", body=item).raise_for_status()
    path = f"/manager/topic/{name}/mirror"
    answers = [
        http.patch(path, json={"addIndexes": ["at", "id"]}),
        http.post(f"{path}/rebuild"),
        http.delete(path),
    ]
    found = [http.get(f"/manager/log/{answer.headers['Quick-Position']}").json() for answer in answers]
    assert ["alter_mirror", "rebuild_mirror", "delete_mirror"] == [command["command"] for command in found]
    assert [f"mirror/{name}"] * 3 == [command["target"] for command in found]
    altered, rebuilt, deleted = ([(change["change"], change["fields"]) for change in one["changes"]] for one in found)
    assert [("changed", [{"field": "definition.indexes", "after": ["at", "id"]}])] == altered
    assert [("changed", [{"field": "definition.build", "after": 1}])] == rebuilt
    [(change, fields)] = deleted
    assert "removed" == change
    assert {"name", "topic", "replicas", "definition.indexes", "definition.build"} == {one["field"] for one in fields}


def test_an_immutable_topic_keeps_its_mirror(http: httpx.Client, name: str) -> None:
    create(http, name, body={"writeType": "IMMUTABLE"}).raise_for_status()
    code, detail = refusal(http.delete(f"/manager/topic/{name}/mirror"))
    assert (400, True) == (code, detail.endswith(f"delete it with its topic: quick topic delete {name}"))
    code, detail = refusal(http.patch(f"/manager/topic/{name}/mirror", json={"retentionTime": "P1D"}))
    assert (400, True) == (code, "must not be specified for an immutable topic" in detail)
    assert 200 == http.post(f"/ingest/{name}", json={"key": 1, "value": "one"}).status_code


def test_mistakes_are_refused_with_what_to_do(http: httpx.Client, name: str, item: dict[str, Any]) -> None:
    create(http, name, valueType="schema", body=item).raise_for_status()
    path = f"/manager/topic/{name}/mirror"
    for answer, text in (
        (
            create_mirror(http, name, name="other"),
            f"A mirror has the name of its topic. Leave the name out, or send {name}.",
        ),
        (create_mirror(http, name, replicas=0), "replicas"),
        (create_mirror(http, name, mirrorArguments={"retentionTime": "10m"}), "is no duration"),
        (create_mirror(http, name, mirrorArguments={"indexes": ["at", ""]}), "indexes"),
        (http.patch(path, json={}), "Nothing is to change"),
        (http.patch(path, json={"retentionTime": "P1M"}), "has no fixed length"),
        (http.patch(path, json={"rangeKey": "id"}), "The --range-key can be set only when a --range-field is set"),
        (
            http.patch(path, json={"rangeField": "at", "retentionTime": "P1D"}),
            "The --range-field option must not be specified when --retention-time is set",
        ),
        (http.patch(path, json={"dropIndexes": ["at"]}), f"The mirror {name} has no index at. It has: none."),
        (http.patch(path, json={"addIndexes": "at"}), "addIndexes"),
        (http.patch(path, json={"rangeField": 1}), "rangeField"),
        (http.patch(path, content=b"{"), "is not JSON"),
        (create(http, f"{name}-2", body={"mirrorArguments": {"rangeField": "at"}}), "not of type schema"),
        (create(http, f"{name}-2", body={"mirrorArguments": {"retentionTime": "soon"}}), "is no duration"),
    ):
        code, detail = refusal(answer)
        assert (400, True) == (code, text in detail), detail
    assert (404, "Topic nothing not found in topic registry") == refusal(create_mirror(http, "nothing"))
    assert 404 == http.post("/manager/topic/nothing/mirror/rebuild").status_code
    assert 404 == http.get(f"/manager/topic/{name}-2").status_code


def test_a_topic_may_be_called_mirror(http: httpx.Client) -> None:
    assert 200 == create(http, "mirror").status_code
    assert "mirror" == http.get("/manager/topic/mirror").json()["name"]
    assert {"topicName": "mirror"}.items() <= shown(http, "mirror").items()
    assert 200 == http.delete("/manager/topic/mirror").status_code


@pytest.mark.usefixtures("item")
def test_the_cli_and_the_manager_agree(running: Running, name: str) -> None:
    types = ("-k", "long", "-v", "schema", "-s", "mirrored.Item")
    running.quick("topic", "create", name, *types, "--index", "at", "id")
    text = f"Bad Request: The resource with the name {name} already exists\nCould not create mirror for topic {name}\n"
    assert text == running.quick("mirror", "create", name, code=1)
    assert f"Deleted mirror {name}\n" == running.quick("mirror", "delete", name)
    created = running.quick("mirror", "create", name, "--range-field", "at", "--range-key", "name")
    assert f"Create mirror for topic {name} (this may take a few seconds)\n" == created
    running.quick("mirror", "alter", name, "--no-range-field", "--retention-time", "36h", "-m", "enough")
    described = running.quick("mirror", "describe", name)
    assert "Retention Time: P1DT12H\n" in described
    assert f"Topic: {name}\n" in described
    logged = running.quick("log", "--target", f"mirror/{name}")
    assert ["delete_mirror", "create_mirror", "alter_mirror"] == [line.split()[3] for line in logged.splitlines()[1:]]
    position = logged.splitlines()[-1].split()[0]
    assert "definition.retention_ms: null → 129600000\n" in running.quick("log", "show", position)
    assert "Range Key: name\n" in running.quick("mirror", "describe", name, "--as-of", str(int(position) - 1))
