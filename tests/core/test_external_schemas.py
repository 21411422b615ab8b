"""A schema registry elsewhere as it is asked: again when it does not answer, once for each ID, and from the disk."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import external_schemas
from core.errors import ConflictError, IncompatibleSchemaError, InvalidInputError, NotFoundError, UnavailableError
from core.external_schemas import ExternalRegistry, RegisteredVersion
from tests.cli.small_manager import DROPPED, Manager, Reply, answer, small_manager

UNKNOWN = answer({"error_code": 40401, "message": "Subject 's' not found."}, 404)


@pytest.fixture
def server() -> Iterator[Manager]:
    with small_manager() as server:
        yield server


@pytest.fixture
def registry(server: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExternalRegistry]:
    monkeypatch.setattr(external_schemas, "RETRY_PAUSES_S", (0.0, 0.0, 0.0))
    registry = ExternalRegistry(server.url.replace("http://", "http://us%40er:pass%2Fword@"), tmp_path / "schemas")
    yield registry
    registry.close()


def again(server: Manager, tmp_path: Path) -> ExternalRegistry:
    """Return the registry as another process has it."""
    return ExternalRegistry(server.url, tmp_path / "schemas")


def test_a_schema_is_asked_for_once_and_kept_on_disk(
    server: Manager, registry: ExternalRegistry, tmp_path: Path
) -> None:
    server.answers({"schema": '"int"'})
    schema = registry.schema(7)
    assert (7, "AVRO", '"int"') == (schema.schema_id, schema.schema_type, schema.schema)
    assert schema is registry.schema(7)
    assert ["/schemas/ids/7"] == server.paths
    credentials = base64.b64encode(b"us@er:pass/word").decode()
    assert f"Basic {credentials}" == server.requests[0].headers["Authorization"]
    other = again(server, tmp_path)
    assert schema == other.schema(7)
    other.close()
    assert 1 == len(server.paths)
    assert "pass" not in (tmp_path / "schemas" / "7.json").read_text()


def test_what_a_schema_names_is_kept_with_it(server: Manager, registry: ExternalRegistry, tmp_path: Path) -> None:
    def named(text: str, *references: str) -> Reply:
        found = [{"name": one, "subject": f"a/{one}", "version": 2} for one in references]
        return answer({"id": 1, "schema": text, "schemaType": "PROTOBUF", "references": found})

    server.answers_in_turn(named("top", "one.proto"), named("one", "two.proto"), named("two"))
    assert {"one.proto": "one", "two.proto": "two"} == registry.schema(7).imports
    assert "/subjects/a%2Fone.proto/versions/2?deleted=true" == server.paths[1]
    other = again(server, tmp_path)
    assert registry.schema(7) == other.schema(7)
    other.close()


@pytest.mark.parametrize(
    "kept",
    ["", "{", '{"url": "http://another", "schema": {"schema_id": 7, "schema_type": "AVRO", "schema": "wrong"}}'],
)
def test_what_is_broken_on_disk_or_of_another_registry_is_asked_for_again(
    server: Manager, registry: ExternalRegistry, tmp_path: Path, kept: str
) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "7.json").write_text(kept)
    server.answers({"schema": '"int"'})
    assert '"int"' == registry.schema(7).schema
    assert '"int"' == json.loads((tmp_path / "schemas" / "7.json").read_text())["schema"]["schema"]


def test_a_registry_that_does_not_answer_is_left_alone_for_a_while(
    server: Manager, registry: ExternalRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply = DROPPED
    for number in range(3):
        with pytest.raises(UnavailableError, match="schema registry at http"):
            registry.schema(number)
    assert 1 == len(server.paths)
    monkeypatch.setattr(registry, "_rests_until", 0.0)
    server.answers({"schema": '"int"'})
    assert '"int"' == registry.schema(1).schema


def test_an_unknown_id_is_not_found_and_may_be_given_later(server: Manager, registry: ExternalRegistry) -> None:
    server.answers_in_turn(answer({"error_code": 40403, "message": "Schema 7 not found"}, 404))
    server.answers({"schema": '"int"'})
    with pytest.raises(NotFoundError, match="answered 404: Schema 7 not found"):
        registry.schema(7)
    assert '"int"' == registry.schema(7).schema


@pytest.mark.parametrize("failure", [DROPPED, answer({"error_code": 50001, "message": "later"}, 500)])
def test_a_registration_is_sent_again_when_it_has_no_answer(
    server: Manager, registry: ExternalRegistry, failure: Reply
) -> None:
    server.answers_in_turn(failure, failure, failure, answer({"id": 7}), answer({"id": 7, "version": 2}))
    assert RegisteredVersion(7, 2) == registry.register("a/b", "AVRO", '"int"')
    assert ["/subjects/a%2Fb/versions"] * 4 + ["/subjects/a%2Fb"] == server.paths
    assert all(json.loads(request.body) == {"schema": '"int"'} for request in server.requests)


def test_after_three_more_attempts_it_is_given_up(server: Manager, registry: ExternalRegistry) -> None:
    server.reply = DROPPED
    with pytest.raises(UnavailableError, match="does not answer"):
        registry.register("s", "AVRO", '"int"')
    assert 4 == len(server.paths)


@pytest.mark.parametrize(
    ("status", "kind", "way_out"),
    [
        (401, ConflictError, "Check user and password"),
        (403, ConflictError, "Check user and password"),
        (418, ConflictError, ""),
        (422, InvalidInputError, ""),
        (429, UnavailableError, "Try again."),
        (503, UnavailableError, "Try again."),
    ],
)
def test_refusals_are_told_in_its_own_words(
    server: Manager, registry: ExternalRegistry, status: int, kind: type[Exception], way_out: str
) -> None:
    server.answers({"error_code": 42201, "message": "its words"}, status)
    with pytest.raises(kind) as caught:
        registry.register("s", "AVRO", "x")
    assert f"The schema registry at {server.url} answered {status}: its words" in str(caught.value)
    assert way_out in str(caught.value)
    assert "42201" not in str(caught.value)


def test_an_incompatible_schema_is_told_with_the_registry_s_reasons(
    server: Manager, registry: ExternalRegistry
) -> None:
    verdict = answer({"is_compatible": False, "messages": ["a is gone"]})
    server.answers_in_turn(answer({"error_code": 409, "message": "incompatible"}, 409), verdict)
    with pytest.raises(IncompatibleSchemaError) as caught:
        registry.register("s", "PROTOBUF", "x")
    assert ["a is gone"] == caught.value.reasons
    assert {"schema": "x", "schemaType": "PROTOBUF"} == json.loads(server.requests[0].body)


def test_a_verdict_without_reasons_still_is_one(server: Manager, registry: ExternalRegistry) -> None:
    server.answers_in_turn(answer({"is_compatible": False}), answer({"is_compatible": True}), UNKNOWN)
    assert 1 == len(registry.incompatibilities("s", "AVRO", "x"))
    assert [] == registry.incompatibilities("s", "AVRO", "x")
    assert [] == registry.incompatibilities("s", "AVRO", "x")


def test_what_is_no_registry_is_told(server: Manager, registry: ExternalRegistry) -> None:
    server.reply = Reply((b"{<html>",))
    with pytest.raises(UnavailableError, match="no answer of a registry"):
        registry.has_subject("s")


def test_a_subject_is_deleted_softly_and_for_good(server: Manager, registry: ExternalRegistry) -> None:
    server.answers([1])
    assert registry.has_subject("s")
    registry.delete_subject("s")
    assert ["/subjects/s", "/subjects/s?permanent=true"] == server.paths[1:]
    server.reply = UNKNOWN
    registry.delete_subject("s")
    assert not registry.has_subject("s")
