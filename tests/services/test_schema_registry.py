"""The schema registry over REST: Confluent's paths, bodies and error codes, over the command log."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import falcon.testing
import httpx
import pytest

from core.keys import digest_of, new_secret
from core.settings import Settings
from services.app import create_app
from services.worker import Worker
from tests.running import API_KEY, Running

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    headers = {"X-API-Key": API_KEY, "Content-Type": MEDIA_TYPE}
    with httpx.Client(base_url=f"{running.url}/schema-registry", headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def subject() -> str:
    return f"s-{uuid.uuid4().hex[:8]}"


def record(*fields: tuple[str, Any, dict[str, Any]] | tuple[str, Any], name: str = "A") -> str:
    made = [{"name": field[0], "type": field[1], **(field[2] if len(field) == 3 else {})} for field in fields]
    return json.dumps({"type": "record", "name": name, "fields": made}, separators=(",", ":"))


def fresh(*fields: tuple[str, Any, dict[str, Any]] | tuple[str, Any]) -> str:
    """Return a schema that nobody has registered."""
    return record(*fields, name=f"R{uuid.uuid4().hex}")


def register(http: httpx.Client, subject: str, schema: str, **more: object) -> int:
    answer = http.post(f"/subjects/{quote(subject, safe='')}/versions", json={"schema": schema, **more})
    assert 200 == answer.status_code, answer.text
    assert MEDIA_TYPE == answer.headers["Content-Type"]
    schema_id: int = answer.json()["id"]
    return schema_id


def refused(answer: httpx.Response) -> tuple[int, int]:
    body = answer.json()
    assert {"error_code", "message"} == set(body), body
    assert MEDIA_TYPE == answer.headers["Content-Type"]
    return answer.status_code, body["error_code"]


def test_a_registered_schema_is_found_by_id_by_version_and_by_text(http: httpx.Client, subject: str) -> None:
    schema = fresh(("a", "int"))
    schema_id = register(http, subject, schema)
    assert {"schema": schema} == http.get(f"/schemas/ids/{schema_id}").json()
    assert schema == http.get(f"/schemas/ids/{schema_id}/schema").text
    assert schema_id <= http.get(f"/schemas/ids/{schema_id}", params={"fetchMaxId": "true"}).json()["maxId"]
    whole = {"subject": subject, "version": 1, "id": schema_id, "schema": schema}
    assert whole == http.get(f"/subjects/{subject}/versions/1").json()
    assert whole == http.get(f"/subjects/{subject}/versions/latest").json()
    assert whole == http.get(f"/subjects/{subject}/versions/-1").json()
    assert whole == http.post(f"/subjects/{subject}", json={"schema": schema}).json()
    assert schema == http.get(f"/subjects/{subject}/versions/1/schema").text
    assert [1] == http.get(f"/subjects/{subject}/versions").json()
    assert [subject] == http.get(f"/schemas/ids/{schema_id}/subjects").json()
    assert [{"subject": subject, "version": 1}] == http.get(f"/schemas/ids/{schema_id}/versions").json()
    assert whole in http.get("/schemas", params={"subjectPrefix": subject}).json()
    assert [subject] == http.get("/subjects", params={"subjectPrefix": f":*:{subject}"}).json()


def test_a_text_has_one_id_everywhere_and_is_recorded_once(running: Running, http: httpx.Client, subject: str) -> None:
    schema = fresh(("a", "int"))
    first = register(http, subject, schema)
    spaced = json.dumps(dict(reversed(json.loads(schema).items())), indent=2)
    assert first == register(http, subject, spaced)
    assert first == register(http, f"{subject}-2", spaced)
    assert [1] == http.get(f"/subjects/{subject}/versions").json()
    with running.http() as manager:
        targets = [command["target"] for command in manager.get("/manager/log?limit=50").json()["commands"]]
    assert 1 == targets.count(f"subject/{subject}")


def test_registrations_at_the_same_time_give_each_text_one_id(http: httpx.Client, subject: str) -> None:
    schemas = [fresh((f"f{number}", "int")) for number in range(4)] * 4
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda one: register(http, f"{subject}-{one[0]}", one[1]), enumerate(schemas)))
    assert 4 == len(set(ids))
    assert ids[:4] * 4 == ids
    assert [json.loads(one) for one in schemas[:4]] == [
        json.loads(http.get(f"/schemas/ids/{schema_id}").json()["schema"]) for schema_id in ids[:4]
    ]


@pytest.mark.parametrize("name", ["com/acme/money.proto", "a b", "größe", "a%2Fb", "a.b:c@d", "versions", "x/versions"])
def test_a_subject_can_be_called_anything(http: httpx.Client, name: str) -> None:
    name = f"{uuid.uuid4().hex[:8]}/{name}"
    schema_id = register(http, name, record(("a", "int")))
    path = quote(name, safe="")
    assert schema_id == http.get(f"/subjects/{path}/versions/latest").json()["id"]
    assert [name] == http.get("/subjects", params={"subjectPrefix": name}).json()
    assert {"compatibility": "NONE"} == http.put(f"/config/{path}", json={"compatibility": "NONE"}).json()
    assert [1] == http.delete(f"/subjects/{path}").json()


@pytest.mark.parametrize("name", ["__GLOBAL", "__EMPTY", "%0A"])
def test_what_no_subject_can_be_called_is_refused(http: httpx.Client, name: str) -> None:
    assert (422, 42208) == refused(http.post(f"/subjects/{name}/versions", json={"schema": '"int"'}))


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/nowhere", None, (404, 404)),
        ("PUT", "/subjects", None, (405, 405)),
        ("GET", "/schemas/ids/2147483647", None, (404, 40403)),
        ("GET", "/schemas/ids/2147483647/schema", None, (404, 40403)),
        ("GET", "/schemas/ids/2147483647/subjects", None, (404, 40403)),
        ("GET", "/schemas/ids/2147483647/versions", None, (404, 40403)),
        ("GET", "/schemas/ids/x", None, (404, 404)),
        ("GET", "/subjects/NONE/versions", None, (404, 40401)),
        ("GET", "/subjects/NONE/versions/1", None, (404, 40401)),
        ("GET", "/subjects/NONE/versions/0", None, (422, 42202)),
        ("GET", "/subjects/NONE/versions/x", None, (422, 42202)),
        ("GET", "/subjects/NONE/versions/2147483648", None, (422, 42202)),
        ("GET", "/subjects/NONE/versions/1/referencedby", None, (404, 40401)),
        ("DELETE", "/subjects/NONE", None, (404, 40401)),
        ("DELETE", "/subjects/NONE/versions/1", None, (404, 40401)),
        ("DELETE", "/subjects/NONE/versions/x", None, (422, 42202)),
        ("POST", "/subjects/NONE", {"schema": '"int"'}, (404, 40401)),
        ("GET", "/config/NONE", None, (404, 40408)),
        ("DELETE", "/config/NONE", None, (404, 40401)),
        ("PUT", "/config", {"compatibility": "SOME"}, (422, 42203)),
        ("PUT", "/config/NONE", {"compatibility": ""}, (422, 42203)),
        ("PUT", "/mode", {"mode": "IMPORT"}, (422, 42205)),
        ("PUT", "/mode/NONE", {"mode": "READONLY"}, (422, 42205)),
        ("POST", "/subjects/NONE/versions", {}, (422, 42201)),
        ("POST", "/subjects/NONE/versions", {"schema": ""}, (422, 42201)),
        ("POST", "/subjects/NONE/versions", {"schema": 1}, (400, 400)),
        ("POST", "/subjects/NONE/versions", {"schema": "nope"}, (422, 42201)),
        ("POST", "/subjects/NONE/versions", {"schema": '"nope"'}, (422, 42201)),
        ("POST", "/subjects/NONE/versions", {"schema": "{}", "schemaType": "JSON"}, (422, 42201)),
        ("POST", "/subjects/NONE/versions", {"schema": '"int"', "id": 7}, (422, 42205)),
        ("POST", "/subjects/NONE/versions", {"schema": '"int"', "metadata": {"properties": {"a": "b"}}}, (422, 42201)),
        ("POST", "/compatibility/subjects/NONE/versions", {"schema": "nope"}, (422, 42201)),
        ("POST", "/compatibility/subjects/NONE/versions/3", {"schema": '"int"'}, (404, 40402)),
        ("GET", "/subjects?offset=x", None, (400, 400)),
    ],
)
def test_refusals_have_confluents_codes(
    http: httpx.Client, method: str, path: str, body: object, expected: tuple[int, int]
) -> None:
    assert expected == refused(http.request(method, path.replace("NONE", uuid.uuid4().hex), json=body))


def test_a_missing_subject_is_named_as_confluent_names_it(http: httpx.Client) -> None:
    expected = {"error_code": 40401, "message": "Subject 'none-such' not found."}
    assert expected == http.get("/subjects/none-such/versions").json()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", {}),
        ("/", {}),
        ("/schemas/types", ["AVRO", "PROTOBUF"]),
        ("/contexts", ["."]),
        ("/mode", {"mode": "READWRITE"}),
        ("/mode/any", {"mode": "READWRITE"}),
        ("/config", {"compatibilityLevel": "BACKWARD"}),
        ("/config/any?defaultToGlobal=true", {"compatibilityLevel": "BACKWARD"}),
    ],
)
def test_what_clients_ask_the_registry_about_itself(http: httpx.Client, path: str, expected: object) -> None:
    answer = http.get(path)
    assert (200, expected, MEDIA_TYPE) == (answer.status_code, answer.json(), answer.headers["Content-Type"])


def test_metadata_names_the_cluster_and_the_version(http: httpx.Client) -> None:
    clusters = http.get("/v1/metadata/id").json()["scope"]["clusters"]
    assert all(clusters[name] for name in ("kafka-cluster", "schema-registry-cluster"))
    assert http.get("/v1/metadata/version").json()["version"]


def test_an_incompatible_schema_is_refused_with_each_place(http: httpx.Client, subject: str) -> None:
    register(http, subject, record(("a", "int"), ("b", "int")))
    body = {"schema": record(("a", "string"), ("b", "int"), ("c", "long"))}
    answer = http.post(f"/subjects/{subject}/versions", json=body)
    assert (409, 409) == refused(answer)
    for told in ("A.a: the new schema has string, the old one has int", "A.c: the new schema has this field"):
        assert told in answer.json()["message"]
    for path in ("", "/latest", "/1"):
        verdict = http.post(f"/compatibility/subjects/{subject}/versions{path}", json=body, params={"verbose": "True"})
        assert not verdict.json()["is_compatible"]
        assert 2 == len(verdict.json()["messages"])
    assert {"is_compatible": False} == http.post(f"/compatibility/subjects/{subject}/versions", json=body).json()
    assert [1] == http.get(f"/subjects/{subject}/versions").json()


A, B = ("a", "int"), ("b", "int", {"default": 0})
ONE, WITH_DEFAULT, WITHOUT = record(A), record(A, B), record(A, ("b", "int"))


@pytest.mark.parametrize(
    ("level", "earlier", "schema", "expected"),
    [
        ("NONE", [ONE], record(("a", "string")), True),
        ("BACKWARD", [ONE], WITH_DEFAULT, True),
        ("BACKWARD", [ONE], WITHOUT, False),
        ("BACKWARD", [WITH_DEFAULT], ONE, True),
        ("FORWARD", [ONE], WITHOUT, True),
        ("FORWARD", [WITHOUT], ONE, False),
        ("FULL", [ONE], WITH_DEFAULT, True),
        ("FULL", [ONE], WITHOUT, False),
        ("FULL", [WITHOUT], ONE, False),
        ("BACKWARD", [ONE, WITH_DEFAULT], WITHOUT, True),
        ("BACKWARD_TRANSITIVE", [ONE, WITH_DEFAULT], WITHOUT, False),
        ("FORWARD", [WITHOUT, WITH_DEFAULT], ONE, True),
        ("FORWARD_TRANSITIVE", [WITHOUT, WITH_DEFAULT], ONE, False),
        ("FULL_TRANSITIVE", [WITH_DEFAULT], record(A, B, ("c", "int", {"default": 1})), True),
    ],
)
def test_levels_ask_for_what_they_say(
    http: httpx.Client, subject: str, level: str, earlier: list[str], schema: str, *, expected: bool
) -> None:
    http.put(f"/config/{subject}", json={"compatibility": "NONE"})
    for one in earlier:
        register(http, subject, one)
    assert {"compatibility": level} == http.put(f"/config/{subject}", json={"compatibility": level.lower()}).json()
    verdict = http.post(f"/compatibility/subjects/{subject}/versions", json={"schema": schema}).json()
    assert {"is_compatible": expected} == verdict
    registered = http.post(f"/subjects/{subject}/versions", json={"schema": schema})
    assert (200 if expected else 409) == registered.status_code


def test_a_level_of_a_subject_comes_before_the_global_one(http: httpx.Client, subject: str) -> None:
    try:
        assert {"compatibility": "FULL"} == http.put("/config", json={"compatibility": "FULL"}).json()
        assert {"compatibilityLevel": "FULL"} == http.get(f"/config/{subject}?defaultToGlobal=true").json()
        http.put(f"/config/{subject}", json={"compatibility": "FORWARD"})
        assert {"compatibilityLevel": "FORWARD"} == http.get(f"/config/{subject}?defaultToGlobal=true").json()
        assert {"compatibilityLevel": "FORWARD"} == http.delete(f"/config/{subject}").json()
        assert {"compatibilityLevel": "FULL"} == http.get(f"/config/{subject}?defaultToGlobal=true").json()
    finally:
        assert {"compatibilityLevel": "FULL"} == http.delete("/config").json()
    assert {"compatibilityLevel": "BACKWARD"} == http.get("/config").json()


def test_versions_are_deleted_softly_then_for_good_and_their_numbers_stay(http: httpx.Client, subject: str) -> None:
    http.put(f"/config/{subject}", json={"compatibility": "NONE"})
    first, second = fresh(("a", "int")), fresh(("b", "int"))
    first_id = register(http, subject, first)
    register(http, subject, second)
    versions = f"/subjects/{subject}/versions"
    assert (404, 40407) == refused(http.delete(f"{versions}/1?permanent=true"))
    assert 1 == http.delete(f"{versions}/1").json()
    assert (404, 40406) == refused(http.delete(f"{versions}/1"))
    assert (404, 40402) == refused(http.get(f"{versions}/1"))
    assert first_id == http.get(f"{versions}/1?deleted=true").json()["id"]
    assert ([2], [1, 2], [1]) == (
        http.get(versions).json(),
        http.get(f"{versions}?deleted=true").json(),
        http.get(f"{versions}?deletedOnly=true").json(),
    )
    assert (404, 40403) == refused(http.post(f"/subjects/{subject}", json={"schema": first}))
    assert 1 == http.post(f"/subjects/{subject}?deleted=true", json={"schema": first}).json()["version"]
    assert first_id == register(http, subject, first)
    assert [2, 3] == http.get(versions).json()
    assert 1 == http.delete(f"{versions}/1?permanent=true").json()
    assert (404, 40402) == refused(http.get(f"{versions}/1?deleted=true"))
    assert {"schema": first} == http.get(f"/schemas/ids/{first_id}").json()


def test_a_subject_is_deleted_softly_then_for_good(http: httpx.Client, subject: str) -> None:
    schema = fresh(("a", "int"))
    schema_id = register(http, subject, schema)
    http.put(f"/config/{subject}", json={"compatibility": "FULL"})
    path = f"/subjects/{subject}"
    assert (404, 40405) == refused(http.delete(f"{path}?permanent=true"))
    assert [1] == http.delete(path).json()
    assert (404, 40404) == refused(http.delete(path))
    assert (404, 40401) == refused(http.get(f"{path}/versions"))
    assert (404, 40408) == refused(http.get(f"/config/{subject}"))
    assert [] == http.get("/subjects", params={"subjectPrefix": subject}).json()
    for shown in ("deleted", "deletedOnly"):
        assert [subject] == http.get("/subjects", params={"subjectPrefix": subject, shown: "true"}).json()
    assert schema_id == register(http, subject, schema)
    assert [2] == http.get(f"{path}/versions").json()
    http.delete(path)
    assert [1, 2] == http.delete(f"{path}?permanent=true").json()
    assert [] == http.get("/subjects", params={"subjectPrefix": subject, "deleted": "true"}).json()
    assert schema_id == register(http, subject, schema)
    assert [1] == http.get(f"{path}/versions").json()


def test_a_schema_can_name_another_one_which_then_stays(http: httpx.Client, subject: str) -> None:
    money = f"Money{uuid.uuid4().hex}"
    named = record(("amount", "long"), name=money)
    register(http, f"{subject}-money", named)
    reference = {"name": money, "subject": f"{subject}-money", "version": 1}
    order = fresh(("total", money))
    assert (422, 42201) == refused(http.post(f"/subjects/{subject}/versions", json={"schema": order}))
    order_id = register(http, subject, order, references=[reference])
    expected = {"schema": order, "references": [reference]}
    assert expected == http.get(f"/schemas/ids/{order_id}").json()
    assert 1 == http.post(f"/subjects/{subject}", json={"schema": order, "references": [reference]}).json()["version"]
    assert [order_id] == http.get(f"/subjects/{subject}-money/versions/1/referencedby").json()
    assert (422, 42206) == refused(http.delete(f"/subjects/{subject}-money/versions/1"))
    assert (422, 42206) == refused(http.delete(f"/subjects/{subject}-money"))
    assert [1] == http.delete(f"/subjects/{subject}").json()
    assert [1] == http.delete(f"/subjects/{subject}-money").json()
    assert [1] == http.delete(f"/subjects/{subject}-money?permanent=true").json()
    assert expected == http.get(f"/schemas/ids/{order_id}").json()


@pytest.mark.parametrize(
    "schema",
    [
        "[" * 100_000,
        '{"type":"array","items":' * 5_000 + '"int"' + "}" * 5_000,
        record(*((f"f{number}", "int") for number in range(20_000))),
        record(("a", "A")),
        " " * 2_000_000,
    ],
    ids=["brackets", "deep", "wide", "endless", "long"],
)
def test_a_hostile_schema_is_refused_at_once(http: httpx.Client, subject: str, schema: str) -> None:
    for path in (f"/subjects/{subject}/versions", f"/compatibility/subjects/{subject}/versions"):
        assert (422, 42201) == refused(http.post(path, json={"schema": schema}))


def test_pages_are_cut_by_offset_and_limit(http: httpx.Client, subject: str) -> None:
    for number in range(3):
        register(http, f"{subject}-{number}", record(A))
    params = {"subjectPrefix": subject, "offset": "1", "limit": "1"}
    assert [f"{subject}-1"] == http.get("/subjects", params=params).json()


def basic(password: str, user: str = "anybody") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_a_key_can_be_sent_as_a_password_to_the_registry_only(running: Running) -> None:
    assert 200 == httpx.get(f"{running.url}/schema-registry/subjects", headers=basic(API_KEY), timeout=30).status_code
    assert 401 == httpx.get(f"{running.url}/schema-registry/subjects", headers=basic("wrong"), timeout=30).status_code
    assert 401 == httpx.get(f"{running.url}/manager/topics", headers=basic(API_KEY), timeout=30).status_code
    for broken in ("Basic", "Basic ====", "Basic w", "Bearer x"):
        answer = httpx.get(f"{running.url}/schema-registry/subjects", headers={"Authorization": broken}, timeout=30)
        assert 401 == answer.status_code


def test_a_key_without_the_scope_reads_and_checks_and_registers_nothing(running: Running, subject: str) -> None:
    name = f"reader-{uuid.uuid4().hex[:8]}"
    secret = new_secret(name)
    with running.http() as manager:
        manager.post(f"/manager/key/{name}", json={"scopes": ["read:any"], "digest": digest_of(secret)})
    with httpx.Client(base_url=f"{running.url}/schema-registry", headers=basic(secret), timeout=30) as http:
        body = {"schema": record(A)}
        assert {"is_compatible": True} == http.post(f"/compatibility/subjects/{subject}/versions", json=body).json()
        assert (403, 403) == refused(http.post(f"/subjects/{subject}/versions", json=body))
        assert (404, 40401) == refused(http.post(f"/subjects/{subject}", json=body))


def test_a_registration_is_a_command_of_the_key_that_asked(running: Running, http: httpx.Client, subject: str) -> None:
    headers = {"Quick-Command-Id": str(uuid.uuid4()), "Quick-Reason": "first"}
    schema = fresh(("a", "int"))
    answers = [http.post(f"/subjects/{subject}/versions", json={"schema": schema}, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    with running.http() as manager:
        command = manager.get(f"/manager/log/{answers[0].headers['Quick-Position']}").json()
    expected = ("register_schema", f"subject/{subject}", "default", "first")
    assert expected == (command["command"], command["target"], command["actor"], command["reason"])


def test_a_registry_that_is_not_ready_says_to_come_again(tmp_path: Path) -> None:
    app = create_app(Worker(Settings(kafka="127.0.0.1:1", data_dir=tmp_path, api_key="k")))
    client = falcon.testing.TestClient(app, headers={"X-API-Key": "k"})
    answer = client.simulate_get("/schema-registry/subjects")
    assert (503, 50002, "1") == (answer.status_code, answer.json["error_code"], answer.headers["Retry-After"])
    assert MEDIA_TYPE == answer.headers["Content-Type"]
