"""The description of the API and the API agree: routes, parameters, statuses, bodies."""

from __future__ import annotations

import re
import uuid
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import falcon.inspect
import httpx
import pytest
import requests
import schemathesis
from hypothesis import settings
from hypothesis import strategies as st
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from core.keys import digest_of
from core.settings import Settings
from services.app import create_app
from services.mirrors.entry_frames import MEDIA_TYPE, encode_keys
from services.mirrors.freshness import MAX_LAG_HEADER
from services.openapi.document import document
from services.worker import Worker
from tests.ingesting import ANSWER_TIMEOUT_S
from tests.running import API_KEY, Running, until

METHODS = {"get", "put", "post", "patch", "delete"}


@pytest.fixture(params=[False, True], ids=["registry elsewhere", "registry here"])
def described(request: pytest.FixtureRequest) -> dict[str, Any]:
    return document(with_schema_registry=request.param)


def routes(registry_url: str | None) -> set[tuple[str, str]]:
    """Return method and path of all that the application serves, without converters: `{position:int}` is the number."""
    settings = Settings(kafka="127.0.0.1:1", data_dir=Path("unused"), api_key="k", schema_registry_url=registry_url)
    app = create_app(Worker(settings))
    return {
        (method.method, re.sub(r"{(\w+):[^}]*}", r"{\1}", route.path))
        for route in falcon.inspect.inspect_routes(app)
        for method in route.methods
        if not method.internal
    }


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, item[method])
        for path, item in described["paths"].items()
        for method in METHODS & item.keys()
    ]


def references(node: Any) -> set[str]:
    """Return everything that a description refers to."""
    if isinstance(node, dict):
        found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return found.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


@pytest.mark.parametrize("registry_url", [None, "http://127.0.0.1:1"])
def test_every_route_is_described_and_nothing_else_is(registry_url: str | None) -> None:
    described = document(with_schema_registry=registry_url is None)
    assert routes(registry_url) == {(method, path) for method, path, _ in operations(described)}


def test_the_description_is_valid(described: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(described).validate()


def test_all_that_is_referred_to_is_there(described: dict[str, Any]) -> None:
    for reference in references(described):
        node: Any = described
        for step in reference.removeprefix("#/").split("/"):
            assert step in node, reference
            node = node[step]


def test_all_parts_are_referred_to(described: dict[str, Any]) -> None:
    found = references(described)
    parts = {
        f"#/components/{kind}/{name}"
        for kind in ("parameters", "responses", "schemas")
        for name in described["components"][kind]
    }
    assert set() == parts - found


def test_parts_are_named_as_their_types_are(described: dict[str, Any]) -> None:
    """Two types of one name would be told apart by their modules, which are no business of clients."""
    assert [] == [name for name in described["components"]["schemas"] if not re.fullmatch("[A-Z][A-Za-z0-9]*", name)]


def test_operations_have_names_of_their_own_and_declare_what_their_paths_hold(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert sorted(set(names)) == sorted(names)
    for _, path, operation in operations(described):
        declared = described["paths"][path].get("parameters", []) + operation.get("parameters", [])
        held = {parameter["name"] for parameter in declared if parameter.get("in") == "path"}
        assert set(re.findall(r"{(\w+)}", path)) == held


def test_it_is_served_without_a_key(running: Running) -> None:
    answer = httpx.get(f"{running.url}/openapi.json", timeout=30)
    assert (200, "application/json") == (answer.status_code, answer.headers["Content-Type"])
    assert document(with_schema_registry=True) == answer.json()
    assert version("quick-es") == answer.json()["info"]["version"]


def test_it_is_not_sent_again_to_who_has_it(running: Running) -> None:
    etag = httpx.get(f"{running.url}/openapi.json", timeout=30).headers["ETag"]
    answer = httpx.get(f"{running.url}/openapi.json", headers={"If-None-Match": f'"other", {etag}'}, timeout=30)
    assert (304, b"") == (answer.status_code, answer.content)
    assert 200 == httpx.get(f"{running.url}/openapi.json", headers={"If-None-Match": '"other"'}, timeout=30).status_code


# Requests made up from the description, to the running server.

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    ignored_auth,
)

HEADERS = {"X-API-Key": API_KEY}

SESSION = requests.Session()
"""Keeps its connections from one request to the next."""

SESSION.trust_env = False

SDL = """
type Query { item(id: String): Item @topic(name: "TOPIC", keyArgument: "id") }
type Item { id: Int!  name: String!  price: Float  kind: Kind  parts: [Part!] }
type Part { code: String! }
enum Kind { GOOD BAD }
"""

AVRO = '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}'

APPLICATION = {"registry": "bakdata", "imageName": "counter", "tag": "1.0", "replicas": 2, "port": 80}

LINES = [b'{"key": "k", "value": "v"}', b'{"key": 1, "value": null}', b'{"key": "k"}', b"[]", b"{", b""]

schemathesis.openapi.media_type("application/x-ndjson", st.lists(st.sampled_from(LINES)).map(b"\n".join))
schemathesis.openapi.media_type("application/avro", st.binary(max_size=40))
schemathesis.openapi.media_type(MEDIA_TYPE, st.lists(st.binary(max_size=8), max_size=3).map(encode_keys))
schemathesis.openapi.media_type("application/x-protobuf", st.binary(max_size=40))
schemathesis.openapi.media_type(
    "application/graphql", st.sampled_from([b"{ __typename }", b'{ item(id: "k") { name } }', b"{ a }", b"{", b""])
)

API = schemathesis.openapi.from_dict(
    document(with_schema_registry=True),
    config=schemathesis.Config.from_dict(
        {
            "seed": 1,
            "generation": {
                "deterministic": True,
                "database": "none",
                "max-examples": 10,
                "with-security-parameters": False,  # The right key is sent; ignored_auth asks without and with others.
            },
        }
    ),
)

NOT_MADE_UP = {
    "verifyLog": "a process that reads the whole log, for each request",
    "exportLog": "a process that reads the whole log, for each request",
    "restoreLog": "a process that reads the whole log, for each request",
    "compareReplay": "a process that builds a view, for each request",
    "replay": "a process that builds a view and may put it in the place of the one that other tests read",
    "quarantine": "it tells every reader of the log that other tests use to pass a record",
    "setLevel": "it counts for the subjects of other tests",
    "resetLevel": "it counts for the subjects of other tests",
}
"""Operations to which nothing made up is sent, each with the reason; they are all asked for rightly."""

NOT_TO_WHAT_EXISTS = {
    "deleteTopic": "what exists is wanted by the next request",
    "deleteTopicMirror": "what exists is wanted by the next request",
    "deleteGateway": "what exists is wanted by the next request",
    "deleteApplication": "what exists is wanted by the next request",
    "revokeKey": "what exists is wanted by the next request",
    "deleteSubject": "what exists is wanted by the next request",
    "deleteVersion": "what exists is wanted by the next request",
    "applySchema": "an empty schema is one too, and queries want the one that is there",
    "applyGatewaySchema": "an empty schema is one too, and queries want the one that is there",
}
"""Operations that are sent made-up names only, each with the reason."""

MADE_UP = API.exclude(operation_id=list(NOT_MADE_UP))
TO_WHAT_EXISTS = MADE_UP.include(path_regex=r"\{").exclude(operation_id=list(NOT_TO_WHAT_EXISTS))


class Existing(NamedTuple):
    """Names of things that are there."""

    gateway: str
    """An application has this name too."""
    key: str
    topics: tuple[str, ...]
    """The first has values of type schema."""
    subject: str
    schema_id: int

    def of(self, case: schemathesis.Case) -> dict[str, Any]:
        """Return parts of the path of *case* that name what is there; which topic depends on the request."""
        noun = case.operation.path.split("/")[2]
        topic = self.topics[zlib.crc32(repr((case.body, case.query)).encode()) % len(self.topics)]
        names = {"gateway": self.gateway, "application": self.gateway, "key": self.key, "topic": topic}
        known = {
            "topic": topic,
            "name": self.gateway if case.operation.path.startswith("/gateway") else names.get(noun, noun),
            "type_name": "Item",
            "position": 1,
            "subject": self.subject,
            "version": "latest",
            "schema_id": self.schema_id,
            "file": "page.js",
            "field": "price",
        }
        return {part: known.get(part, value) for part, value in case.path_parameters.items()}


@pytest.fixture(scope="module")
def existing(running: Running) -> Existing:
    mark = uuid.uuid4().hex[:8]
    gateway, key = f"described-{mark}", f"described-{mark}"
    topics = tuple(f"described-{kind}-{mark}" for kind in ("schema", "text", "once", "number"))
    types = (("string", "schema"), ("string", "string"), ("string", "string"), ("long", "double"))
    bodies: tuple[Any, ...] = (
        {
            "valueSchema": {"gateway": gateway, "type": "Item"},
            "mirrorArguments": {"rangeField": "id", "indexes": ["price"]},
        },
        {},
        {"writeType": "IMMUTABLE"},
        {},
    )
    with running.http() as http:
        body = {"name": gateway, "schema": SDL.replace("TOPIC", topics[0])}
        http.post("/manager/gateway", json=body).raise_for_status()
        http.post("/manager/application", json={**APPLICATION, "name": gateway}).raise_for_status()
        http.post(f"/manager/key/{key}", json={"scopes": ["manage"], "digest": digest_of(key)}).raise_for_status()
        for topic, (key_type, value_type), body in zip(topics, types, bodies, strict=True):
            parameters = {"keyType": key_type, "valueType": value_type}
            http.post(f"/manager/topic/{topic}", params=parameters, json=body).raise_for_status()
            until(lambda topic=topic: http.get(f"/mirror/{topic}/mirror").status_code == 200)
        registered = http.post(f"/schema-registry/subjects/{key}/versions", json={"schema": AVRO}).raise_for_status()
    return Existing(gateway, key, topics, key, registered.json()["id"])


def send(case: schemathesis.Case, running: Running, *excluded: CheckFunction) -> schemathesis.Response:
    """Send a request, check that its answer is as described, and return it."""
    answer = case.call(base_url=running.url, headers=HEADERS, session=SESSION, timeout=ANSWER_TIMEOUT_S)
    if answer.status_code == 501 and "501" in case.operation.responses.status_codes:
        excluded += (not_a_server_error,)  # This is described: it is not available yet.
    if answer.status_code == 503 and MAX_LAG_HEADER in (case.headers or {}):
        excluded += (not_a_server_error,)  # So is this: the mirror lags behind further than the request allows.
    case.validate_response(
        answer,
        checks=list(CHECKS),
        excluded_checks=list(excluded),
        headers=HEADERS,
        transport_kwargs={
            "base_url": running.url,
            "headers": HEADERS,
            "session": SESSION,
            "timeout": ANSWER_TIMEOUT_S,
        },
    )
    return answer


def without_wait(case: schemathesis.Case) -> schemathesis.Case:
    """Return *case*; where it would wait for commands in earnest, it does not."""
    if str(case.query.get("wait")) in map(str, range(1, 31)):
        case.query = {**case.query, "wait": 0}
    return case


@MADE_UP.parametrize()
@settings(deadline=None)
def test_whatever_is_sent_is_answered_as_described(case: schemathesis.Case, running: Running) -> None:
    send(without_wait(case), running)


@TO_WHAT_EXISTS.parametrize()
@settings(deadline=None)
def test_whatever_is_sent_to_what_exists_is_answered_as_described(
    case: schemathesis.Case, running: Running, existing: Existing
) -> None:
    assert case.meta is not None
    is_mended = case.meta.is_negative_at(ParameterLocation.PATH)  # What was made wrong on purpose is no longer.
    case.path_parameters = existing.of(case)
    send(case, running, *[negative_data_rejection] * is_mended)


PAIR = {"key": "k", "value": "v", "headers": {"h": "v"}, "timestamp": "2026-01-31T12:00:00Z"}

RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("GET /health", {}),
    ("GET /metrics", {}),
    ("GET /openapi.json", {}),
    ("GET /manager/topics", {"query": {"asOf": "1"}}),
    ("POST /manager/topic/{name}", {"names": ["new"], "query": {"keyType": "STRING", "valueType": "LONG"}, "body": {}}),
    ("GET /manager/topic/{name}", {"names": ["schema"]}),
    ("POST /manager/topic/{name}/schema", {"names": ["schema"], "body": {"gateway": "GATEWAY", "type": "Item"}}),
    ("GET /manager/topic/{name}/mirror", {"names": ["schema"]}),
    ("DELETE /manager/topic/{name}/mirror", {"names": ["new"]}),
    ("POST /manager/topic/{name}", {"names": ["mirror"], "body": {"topicName": "NEW", "replicas": 2}}),
    ("PATCH /manager/topic/{name}/mirror", {"names": ["new"], "body": {"retentionTime": "P1D"}}),
    ("POST /manager/topic/{name}/mirror/rebuild", {"names": ["new"]}),
    ("DELETE /manager/topic/{name}", {"names": ["new"]}),
    ("GET /manager/mirrors", {}),
    ("GET /manager/gateways", {}),
    ("GET /manager/declarations", {"query": {"asOf": "1"}}),
    ("POST /manager/gateway", {"body": {"name": "NEW", "replicas": 2}}),
    ("POST /manager/gateway/{name}/schema", {"names": ["new"], "body": {"schema": SDL}}),
    ("POST /manager/gateway/{name}/schema", {"names": ["new"], "query": {"dryRun": "true"}, "body": {"schema": SDL}}),
    ("POST /gateway/{name}/control/schema", {"names": ["new"], "query": {"report": "true"}, "body": {"schema": SDL}}),
    ("GET /gateway/{name}/schema/{type_name}", {"names": ["gateway", "Item"]}),
    ("GET /manager/gateway/{name}/schema", {"names": ["gateway"]}),
    ("GET /manager/gateway/{name}", {"names": ["new"]}),
    ("GET /manager/gateway/{name}/schema/{type_name}/{form}", {"names": ["gateway", "Item", "avro"]}),
    ("DELETE /manager/gateway/{name}", {"names": ["new"]}),
    (
        "POST /manager/application",
        {"body": {**APPLICATION, "name": "NEW", "imagePullSecret": "regcred", "arguments": {"input-topics": "a"}}},
    ),
    ("GET /manager/applications", {}),
    ("GET /manager/application/{name}", {"names": ["new"]}),
    ("DELETE /manager/application/{name}", {"names": ["new"]}),
    ("POST /manager/key/{name}", {"names": ["new"], "body": {"scopes": ["admin"], "digest": digest_of("qk_new_x")}}),
    ("GET /manager/keys", {}),
    ("GET /manager/key/{name}", {"names": ["new"]}),
    ("DELETE /manager/key/{name}", {"names": ["new"]}),
    ("GET /manager/status", {}),
    ("GET /manager/doctor", {}),
    ("GET /manager/log", {"query": {"limit": 3, "actor": "default", "since": "2026-01-01T00:00:00Z"}}),
    ("GET /manager/log", {"query": {"after": 0, "wait": 1}}),
    ("GET /manager/log/{position}", {"names": [1]}),
    ("GET /manager/log/verify", {}),
    ("GET /manager/log/export", {}),
    (
        "POST /manager/log/restore",
        {"query": {"dryRun": "true"}, "body": b"no export", "media_type": "application/avro"},
    ),
    ("GET /manager/log/quarantine", {}),
    ("GET /manager/diff", {"query": {"from": "1"}}),
    ("GET /manager/replay", {"query": {"view": "status"}}),
    ("POST /manager/replay", {"query": {"view": "status", "swap": "false"}}),
    ("POST /ingest/{topic}", {"names": ["text"], "body": PAIR}),
    (
        "POST /ingest/{topic}",
        {"names": ["text"], "body": [PAIR, PAIR], "query": {"verdicts": "true", "atomic": "true"}},
    ),
    ("POST /ingest/{topic}", {"names": ["text"], "body": [PAIR], "query": {"dryRun": "true", "verdicts": "true"}}),
    ("POST /ingest/{topic}", {"names": ["text"], "body": LINES[0], "media_type": "application/x-ndjson"}),
    (
        "POST /ingest/{topic}",
        {"names": ["text"], "query": {"key": "o"}, "body": b"v", "media_type": "application/octet-stream"},
    ),
    ("POST /ingest/{topic}", {"names": ["schema"], "body": {"key": "k", "value": {"id": 1, "name": "n"}}}),
    (
        "POST /ingest/{topic}",
        {
            "names": ["schema"],
            "query": {"key": "bytes", "timestamp": 1},
            "body": b"\x02\x02n\x00\x00\x00",
            "media_type": "application/avro",
        },
    ),
    ("GET /mirror/{topic}/mirror", {"names": ["schema"]}),
    ("GET /mirror/{topic}/mirror/keys", {"names": ["schema"], "query": {"ids": ["k", "missing"]}}),
    ("POST /mirror/{topic}/mirror/batch", {"names": ["schema"], "body": {"keys": ["k", "missing"]}}),
    ("GET /mirror/{topic}/mirror/{key}", {"names": ["schema", "k"]}),
    ("GET /mirror/{topic}/mirror", {"names": ["schema"], "query": {"limit": 1, "keys": "true"}}),
    ("GET /mirror/{topic}/mirror/range/{key}", {"names": ["schema", "k"], "query": {"from": 1, "to": 4}}),
    ("GET /mirror/{topic}/range", {"names": ["schema"], "query": {"key": "k", "gt": 1, "reverse": "true"}}),
    ("GET /mirror/{topic}/mirror/index/{field}", {"names": ["schema", "price"], "query": {"gte": 0.5, "limit": 1}}),
    ("GET /mirror/{topic}/status", {"names": ["schema"]}),
    ("GET /mirror/{topic}/streams/partitions", {"names": ["schema"]}),
    ("GET /gateway/{name}/graphql", {"names": ["gateway"], "query": {"query": '{ item(id: "k") { name } }'}}),
    ("POST /gateway/{name}/graphql", {"names": ["gateway"], "body": {"query": '{ item(id: "k") { id kind } }'}}),
    ("GET /gateway/{name}/graphiql-assets/{file}", {"names": ["gateway", "page.css"]}),
    ("DELETE /ingest/{topic}", {"names": ["schema"], "body": ["k"]}),
    ("DELETE /ingest/{topic}/{key}", {"names": ["schema", "bytes"], "query": {"verdicts": "true"}}),
    ("GET /schema-registry", {}),
    ("GET /schema-registry/schemas", {"query": {"latestOnly": "true"}}),
    ("GET /schema-registry/schemas/types", {}),
    ("GET /schema-registry/schemas/ids/{schema_id}", {"names": ["id"], "query": {"fetchMaxId": "true"}}),
    ("GET /schema-registry/schemas/ids/{schema_id}/schema", {"names": ["id"]}),
    ("GET /schema-registry/schemas/ids/{schema_id}/subjects", {"names": ["id"], "query": {"deleted": "true"}}),
    ("GET /schema-registry/schemas/ids/{schema_id}/versions", {"names": ["id"]}),
    ("POST /schema-registry/subjects/{subject}/versions", {"names": ["new"], "body": {"schema": AVRO}}),
    ("POST /schema-registry/subjects/{subject}", {"names": ["new"], "body": {"schema": AVRO}}),
    ("GET /schema-registry/subjects", {"query": {"limit": 3}}),
    ("GET /schema-registry/subjects/{subject}/versions", {"names": ["new"]}),
    ("GET /schema-registry/subjects/{subject}/versions/{version}", {"names": ["new", "1"]}),
    ("GET /schema-registry/subjects/{subject}/versions/{version}/schema", {"names": ["new", "latest"]}),
    ("GET /schema-registry/subjects/{subject}/versions/{version}/referencedby", {"names": ["new", "1"]}),
    (
        "POST /schema-registry/compatibility/subjects/{subject}/versions",
        {"names": ["new"], "body": {"schema": AVRO}, "query": {"verbose": "true"}},
    ),
    (
        "POST /schema-registry/compatibility/subjects/{subject}/versions/{version}",
        {"names": ["new", "1"], "body": {"schema": '"int"'}, "query": {"verbose": "true"}},
    ),
    ("PUT /schema-registry/config", {"body": {"compatibility": "BACKWARD"}}),
    ("GET /schema-registry/config", {}),
    ("DELETE /schema-registry/config", {}),
    ("PUT /schema-registry/config/{subject}", {"names": ["new"], "body": {"compatibility": "FULL"}}),
    ("GET /schema-registry/config/{subject}", {"names": ["new"]}),
    ("DELETE /schema-registry/config/{subject}", {"names": ["new"]}),
    ("GET /schema-registry/mode", {}),
    ("GET /schema-registry/mode/{subject}", {"names": ["new"]}),
    ("GET /schema-registry/contexts", {}),
    ("GET /schema-registry/v1/metadata/id", {}),
    ("GET /schema-registry/v1/metadata/version", {}),
    ("DELETE /schema-registry/subjects/{subject}/versions/{version}", {"names": ["new", "1"]}),
    ("DELETE /schema-registry/subjects/{subject}", {"names": ["new"], "query": {"permanent": "true"}}),
]
"""Requests that succeed, in this order, with what they hold; the names of things that exist are filled in."""

NOT_RIGHT = {
    "quarantine": "every record of the log can be decoded",
    **dict.fromkeys(("setMode", "resetMode", "setSubjectMode", "resetSubjectMode"), "the mode never changes"),
}
"""Operations that cannot succeed on the log that the tests share, each with the reason."""


def test_every_operation_that_can_succeed_does_so_as_described(running: Running, existing: Existing) -> None:
    new = f"described-new-{uuid.uuid4().hex[:8]}"
    known = {"new": new, "gateway": existing.gateway, "schema": existing.topics[0], "text": existing.topics[1]}
    succeeded = set()
    for label, holds in RIGHT:
        operation = API.find_operation_by_label(label)
        assert operation is not None, label
        parts = dict(zip(re.findall(r"{(\w+)}", label), holds.get("names", ()), strict=True))
        media_types = operation.get_request_payload_content_types()
        case = operation.Case(
            path_parameters={part: {**known, "id": existing.schema_id}.get(name, name) for part, name in parts.items()},
            query=holds.get("query", {}),
            body=filled(holds["body"], existing, new) if "body" in holds else NOT_SET,
            media_type=holds.get("media_type") or (media_types[0] if "body" in holds else None),
        )
        answer = send(case, running)
        assert 200 == answer.status_code, label
        if label == "POST /ingest/{topic}" and (position := answer.headers.get("quick-position")):
            running.include(case.path_parameters["topic"], position[0])  # What comes then may read it.
        succeeded.add(operation.definition.raw["operationId"])
    described = {operation["operationId"] for _, _, operation in operations(document(with_schema_registry=True))}
    assert described - NOT_RIGHT.keys() == succeeded


def filled(body: Any, existing: Existing, new: str) -> Any:
    """Return *body* with names of what is there, and of what is new."""
    if not isinstance(body, dict):
        return body
    names = {"GATEWAY": existing.gateway, "NEW": new}
    return {field: names.get(value, value) if isinstance(value, str) else value for field, value in body.items()}
