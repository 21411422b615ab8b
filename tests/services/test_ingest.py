"""Ingest tells the truth: what it takes is in Kafka, what it refuses is not, and says why."""

from __future__ import annotations

import contextlib
import struct

import httpx
import pytest

from tests.ingesting import ITEM, KINDS, content, new_topic, texts
from tests.running import Running


def test_what_is_acknowledged_is_read_back(running: Running, ingest_topics: dict[str, str]) -> None:
    samples = {"string": "ü \U0001f600", "integer": -(2**31), "long": 2**63 - 1, "double": -1.5e300, "schema": ITEM}
    with running.http() as http:
        for kind, value in samples.items():
            key = 7 if kind == "schema" else value
            running.include(
                ingest_topics[kind], running.ingest(ingest_topics[kind], [{"key": key, "value": value, "extra": 1}])
            )
            answer = http.get(f"/mirror/{ingest_topics[kind]}/mirror/{key}")
            assert (200, {"value": value}) == (answer.status_code, answer.json())


def test_nullable_fields_may_be_absent(running: Running, ingest_topics: dict[str, str]) -> None:
    name = ingest_topics["schema"]
    running.include(name, running.ingest(name, {"key": 8, "value": {"id": 8, "name": "n"}}))
    with running.http() as http:
        value = http.get(f"/mirror/{name}/mirror/8").json()["value"]
    assert {"id": 8, "name": "n", "price": None, "kind": None, "parts": None, "big": None, "flag": None} == value


def test_an_empty_list_is_a_successful_nothing(running: Running, ingest_topics: dict[str, str]) -> None:
    with running.http() as http:
        assert 200 == http.post(f"/ingest/{ingest_topics['string']}", json=[]).status_code


@pytest.mark.parametrize("kind", KINDS)
def test_the_value_null_is_a_tombstone_for_every_type(
    running: Running, ingest_topics: dict[str, str], kind: str
) -> None:
    name = new_topic(running, key="long", value=kind) if kind != "schema" else ingest_topics[kind]
    value = {"string": "v", "double": 1.5, "schema": ITEM}.get(kind, 1)
    running.ingest(name, {"key": 77, "value": value})
    running.include(name, running.ingest(name, {"key": 77, "value": None}))
    with running.http() as http:
        assert 404 == http.get(f"/mirror/{name}/mirror/77").status_code
    key = struct.pack(">q", 77)
    assert [True, False] == [
        record.value() is not None for record in content(running.kafka, name) if record.key() == key
    ]


def test_a_key_may_end_in_a_slash_and_hold_any_character(running: Running) -> None:
    name = new_topic(running)
    paths = {
        "a/": "a%2F",
        "a//": "a%2F%2F",
        "/": "%2F",
        "ü": "%C3%BC",
        "%": "%25",
        "%2F": "%252F",
        "\x00": "%00",
        "a/b": "a/b",
        "?": "%3F",
    }
    with running.http() as http:
        for path in paths.values():
            assert 200 == http.delete(f"/ingest/{name}/{path}").status_code
        assert 200 == http.delete(f"/ingest/{name}/plain/").status_code
    assert sorted([*paths, "plain"]) == sorted(key for key, _ in texts(running.kafka, name))


def test_keys_are_deleted_by_path_by_body_and_by_list(running: Running, ingest_topics: dict[str, str]) -> None:
    name = ingest_topics["string"]
    keys = ["a/b", "c d", "ü", "plain", "%"]
    running.include(name, running.ingest(name, [{"key": key, "value": "v"} for key in keys]))
    with running.http() as http:
        answers = [
            http.delete(f"/ingest/{name}/a%2Fb"),
            http.delete(f"/ingest/{name}/c%20d"),
            http.request("DELETE", f"/ingest/{name}", json="ü"),
            http.request("DELETE", f"/ingest/{name}", json=["plain", "%", "never there"]),
        ]
        for answer in answers:
            assert 200 == answer.status_code, answer.text
            running.include(name, answer.json()["position"])
        found = http.get(f"/mirror/{name}/mirror/keys", params={"ids": keys}).json()
    assert [None] * 5 == found["value"]


TEXTS = [
    ("string", {"key": "k", "value": 5}, "Data must be of type string. Got: number (5)"),
    ("integer", {"key": 1, "value": 5.5}, "Data must be of type integer. Got: number (5.5)"),
    ("integer", {"key": 1, "value": 2**31}, "Data must be of type integer. Got: number (2147483648)"),
    ("long", {"key": 1, "value": "x"}, 'Data must be of type long. Got: string ("x")'),
    ("long", {"key": True, "value": 1}, "Data must be of type long. Got: boolean (true)"),
    ("double", {"key": 1, "value": {}}, "Data must be of type double. Got: object ({})"),
    ("schema", {"key": 1, "value": []}, "Data must be of type schema. Got: array ([])"),
    (
        "schema",
        {"key": 1, "value": {"id": "1", "name": "n"}},
        "Data does not conform to schema: Field id is expected to be type: java.lang.Number",
    ),
    ("string", {"key": "k"}, """Could not find 'key' or 'value' fields in: {"key":"k"}"""),
    ("string", [{"value": "v"}], """Could not find 'key' or 'value' fields in: {"value":"v"}"""),
    ("string", [1], "Could not find 'key' or 'value' fields in: 1"),
    ("string", "text", "Expected key-value object or list of key-value objects. Got: STRING"),
    ("string", 5, "Expected key-value object or list of key-value objects. Got: NUMBER"),
    ("string", True, "Expected key-value object or list of key-value objects. Got: BOOLEAN"),
]


@pytest.mark.parametrize(("kind", "body", "detail"), TEXTS)
def test_a_mistake_is_told_in_quicks_words(
    running: Running, ingest_topics: dict[str, str], kind: str, body: object, detail: str
) -> None:
    with running.http() as http:
        answer = http.post(f"/ingest/{ingest_topics[kind]}", json=body)
    assert (400, detail) == (answer.status_code, answer.json()["detail"])


def test_one_bad_record_rejects_the_whole_batch(running: Running, ingest_topics: dict[str, str]) -> None:
    name = ingest_topics["long"]
    batch = [{"key": 1000 + number, "value": number} for number in range(50)] + [{"key": 1050, "value": "x"}]
    with running.http() as http:
        assert 400 == http.post(f"/ingest/{name}", json=batch).status_code
        running.include(name, running.ingest(name, {"key": 2000, "value": 1}))
        found = http.get(f"/mirror/{name}/mirror/keys", params={"ids": "1000,1049,2000"}).json()
    assert [None, None, 1] == found["value"]


def test_a_body_beyond_the_limit_is_413(running: Running, ingest_topics: dict[str, str]) -> None:
    huge = b'{"key":"a","value":"' + b"x" * (11 * 1024 * 1024) + b'"}'
    with running.http() as http:
        assert 413 == http.post(f"/ingest/{ingest_topics['string']}", content=huge).status_code
        chunks = (huge[i : i + 65_536] for i in range(0, len(huge), 65_536))
        with contextlib.suppress(httpx.TransportError):  # The server may close before it has read everything.
            assert 413 == http.post(f"/ingest/{ingest_topics['string']}", content=chunks).status_code


def test_an_unknown_topic_is_told_in_quicks_words(running: Running) -> None:
    with running.http() as http:
        for answer in (
            http.post("/ingest/nowhere", json={"key": 1, "value": 2}),
            http.delete("/ingest/nowhere/1"),
            http.request("DELETE", "/ingest/nowhere", json=1),
        ):
            assert (400, "Topic nowhere does not exists.") == (answer.status_code, answer.json()["detail"])


def test_a_key_in_the_path_that_has_the_wrong_type_is_400(running: Running, ingest_topics: dict[str, str]) -> None:
    with running.http() as http:
        for key in ("x", "1.5", "9223372036854775808", "%ff"):
            answer = http.delete(f"/ingest/{ingest_topics['long']}/{key}")
            assert 400 == answer.status_code, answer.text


def test_wrong_methods_and_trailing_slashes(running: Running, ingest_topics: dict[str, str]) -> None:
    with running.http() as http:
        assert 405 == http.get(f"/ingest/{ingest_topics['string']}").status_code
        assert 200 == http.post(f"/ingest/{ingest_topics['string']}/", json={"key": "a", "value": "b"}).status_code
