"""`quick topic`, `gateway` and `log`: requests sent, outputs printed, refusals passed on."""

from __future__ import annotations

import getpass
import json
import platform
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

NO_TOPIC = (
    "There is no topic t registered. Please create one: \n\t $ using quick topic create <NAME> -k <TYPE> -v <TYPE>"
)

SUCCESSES = [
    (
        ["topic", "create", "t", "--key", "int", "--value", "string", "-m", "why: größer"],
        ("POST", "/manager/topic/t?keyType=integer&valueType=string", {"writeType": "MUTABLE"}),
        "Created new topic t",
    ),
    (
        ["topic", "create", "t", "-k", "string", "-v", "schema", "-s", "g.T", "--immutable", "--range-field", "f"],
        (
            "POST",
            "/manager/topic/t?keyType=string&valueType=schema",
            {
                "writeType": "IMMUTABLE",
                "valueSchema": {"gateway": "g", "type": "T"},
                "mirrorArguments": {"rangeField": "f"},
            },
        ),
        "Created new topic t",
    ),
    (
        [
            *("topic", "create", "t", "--key", "schema", "--value", "schema", "--key-s", "g.K", "-s", "g.T"),
            *("--partitions", "7", "--config", "retention.ms=-1", "--config", "a=b=c", "--format", "protobuf"),
        ],
        (
            "POST",
            "/manager/topic/t?keyType=schema&valueType=schema",
            {
                "writeType": "MUTABLE",
                "valueSchema": {"gateway": "g", "type": "T"},
                "keySchema": {"gateway": "g", "type": "K"},
                "format": "protobuf",
                "partitions": 7,
                "config": {"retention.ms": "-1", "a": "b=c"},
            },
        ),
        "Created new topic t",
    ),
    (
        ["topic", "create", "t", "--key-type=int", "--value=int", "--immutable"],
        ("POST", "/manager/topic/t?keyType=integer&valueType=integer", {"writeType": "IMMUTABLE"}),
        "Created new topic t",
    ),
    (
        ["topic", "create", "t", "-k", "int", "-v", "schema", "-s", "g.T", "--retention-time", "90d"],
        (
            "POST",
            "/manager/topic/t?keyType=integer&valueType=schema",
            {
                "writeType": "MUTABLE",
                "valueSchema": {"gateway": "g", "type": "T"},
                "mirrorArguments": {"retentionTime": "P90D"},
            },
        ),
        "Created new topic t",
    ),
    (["topic", "delete", "a/b"], ("DELETE", "/manager/topic/a%2Fb", None), "Deleted topic a/b"),
    (
        ["gateway", "create", "g", "--replicas", "2", "--tag", "1"],
        ("POST", "/manager/gateway", {"name": "g", "replicas": 2, "tag": "1"}),
        "Create gateway g (this may take a few seconds)",
    ),
    (["gateway", "delete", "g"], ("DELETE", "/manager/gateway/g", None), "Deleted gateway g"),
]


@pytest.mark.parametrize(("arguments", "request_", "output"), SUCCESSES)
def test_a_command_is_sent_with_who_and_why(
    quick: Any, manager: Any, arguments: list[str], request_: tuple[Any, ...], output: str
) -> None:
    assert (0, f"{output}\n", "") == quick(*arguments)
    (sent,) = manager.requests
    assert request_ == (sent.method, sent.path, sent.body)
    assert "secret-key" == sent.headers["X-API-Key"]
    assert 36 == len(sent.headers["Quick-Command-Id"])
    assert f"{getpass.getuser()}@{platform.node()}" == sent.headers["Quick-Source"]
    assert (quote("why: größer") if "-m" in arguments else None) == sent.headers.get("Quick-Reason")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["topic", "create", "t", "-k", "int", "-v", "int"], "Could not create new topic: t"),
        (["topic", "delete", "t"], "Could not delete topic t"),
        (
            ["topic", "describe", "t"],
            NO_TOPIC,
        ),
        (["gateway", "create", "g"], "Could not create gateway g"),
        (["gateway", "delete", "g"], "Could not delete gateway g"),
        (
            ["gateway", "describe", "g"],
            "There is no gateway g created. Please create one using\n\t $ quick gateway create <NAME>",
        ),
        (
            ["gateway", "schema", "g", "T"],
            "There is no gateway g created. Please create one using\n\t $ quick gateway create <NAME>",
        ),
    ],
)
def test_a_refusal_is_passed_on_with_the_commands_own_text(
    quick: Any, manager: Any, arguments: list[str], text: str
) -> None:
    manager.refuses(404, "Not Found", "It is not there.")
    assert (1, "", f"Not Found: It is not there.\n{text}\n") == quick(*arguments)


@pytest.mark.parametrize("name", ["UPPER", "12", "-a", "a_b", "a" * 254])
@pytest.mark.parametrize("command", [["topic", "create", "-k", "int", "-v", "int", "--"], ["gateway", "create", "--"]])
def test_an_invalid_name_is_refused_before_anything_is_sent(
    quick: Any, manager: Any, command: list[str], name: str
) -> None:
    text = (
        "Invalid name.\n Use only lowercase alphanumeric characters (no more than 253 characters)."
        " '-', or '.' are allowed.\n"
    )
    assert (1, "", text) == quick(*command, name)
    assert [] == manager.requests


def test_lists_print_a_name_a_line_and_nothing_when_empty(quick: Any, manager: Any) -> None:
    manager.answers([{"name": "a"}, {"name": "b"}])
    assert (0, "a\nb\n", "") == quick("topic", "list")
    assert [{"name": "a"}, {"name": "b"}] == json.loads(quick("gateway", "list", "-o", "json").out)
    assert (0, "- name: a\n- name: b\n", "") == quick("topic", "list", "-o", "yaml")
    manager.answers([])
    assert (0, "", "") == quick("gateway", "list")


def test_descriptions_are_those_of_the_original(quick: Any, manager: Any) -> None:
    topic: dict[str, Any] = {
        "name": "t",
        "keyType": "LONG",
        "valueType": "SCHEMA",
        "writeType": "MUTABLE",
        "schema": "type T {\n}",
    }
    manager.answers(topic)
    expected = "Name: t\nKey Type: LONG\nValue Type: SCHEMA\nWrite Type: MUTABLE\nSchema:\ntype T {\n}\n"
    assert (0, expected, "") == quick("topic", "describe", "t")
    topic |= {"partitions": 3, "config": {"retention.ms": "-1", "cleanup.policy": "delete"}, "keySchema": "type K {\n}"}
    manager.answers(topic)
    expected = (
        "Name: t\nKey Type: LONG\nValue Type: SCHEMA\nWrite Type: MUTABLE\nPartitions: 3\n"
        "Config: cleanup.policy=delete\nConfig: retention.ms=-1\nKey Schema:\ntype K {\n}\nSchema:\ntype T {\n}\n"
    )
    assert (0, expected, "") == quick("topic", "describe", "t")
    assert topic == json.loads(quick("topic", "describe", "t", "-o", "json").out)
    manager.answers({"name": "g", "replicas": 1, "tag": "0.1", "warnings": ["topic is missing"]})
    assert (0, "Name: g\nReplicas: 1\nTag: 0.1\n", "") == quick("gateway", "describe", "g")


def test_a_schema_comes_from_a_file_or_from_stdin(quick: Any, manager: Any, tmp_path: Path) -> None:
    file = tmp_path / "schema.gql"
    file.write_text("type Query { ü: Int }\n# a comment\n")
    assert (0, "Applied schema to gateway g\n", "") == quick("gateway", "apply", "g", "-f", str(file))
    assert (0, "Applied schema to gateway g\n", "") == quick(
        "gateway", "apply", "g", "--file", "-", stdin="type Query {}"
    )
    assert ["type Query { ü: Int }\n# a comment\n", "type Query {}"] == [
        sent.body["schema"] for sent in manager.requests
    ]


def test_a_type_is_shown_as_sdl_or_avro(quick: Any, manager: Any) -> None:
    manager.answers({"schema": "text"})
    assert (0, "text\n", "") == quick("gateway", "schema", "g", "T")
    assert (0, "text\n", "") == quick("gateway", "schema", "g", "T", "--avro")
    assert ["/manager/gateway/g/schema/T/graphql", "/manager/gateway/g/schema/T/avro"] == [
        sent.path for sent in manager.requests
    ]


@pytest.mark.parametrize("arguments", [["log", "--limit", "2"], ["log", "list", "--limit", "2"]])
def test_the_log_is_a_table(quick: Any, manager: Any, arguments: list[str]) -> None:
    command = {
        "time": "2026-11-24T03:34:00.123Z",
        "actor": "default",
        "command": "create_topic",
        "target": "topic/flight",
        "reason": "a season of flights",
    }
    commands = [{"position": 7, **command}, {"position": 12, **command, "actor": None, "reason": None}]
    manager.answers({"commands": commands, "next": None})
    expected = (
        "POSITION   TIME                       ACTOR     COMMAND        TARGET         REASON\n"
        "7          2026-11-24T03:34:00.123Z   default   create_topic   topic/flight   a season of flights\n"
        "12         2026-11-24T03:34:00.123Z   -         create_topic   topic/flight   -\n"
    )
    assert (0, expected, "") == quick(*arguments)
    assert "/manager/log?limit=2" == manager.requests[-1].path


CHANGED = {"gateway": "g", "type": "T", "side": "value", "changed": True, "schemaId": 7, "schemaVersion": 2}


@pytest.mark.parametrize(
    ("options", "found", "path", "side", "expected"),
    [
        ([], CHANGED, "schema", "value", "Changed the schema of topic t to g.T (version 2, id 7)"),
        (["--key"], CHANGED, "schema", "key", "Changed the schema of topic t to g.T (version 2, id 7)"),
        (["--dry-run"], CHANGED, "schema?dryRun=true", "value", "Would change the schema of topic t to g.T"),
        (
            [],
            CHANGED | {"changed": False},
            "schema",
            "value",
            "The schema of topic t is g.T already (version 2, id 7)",
        ),
    ],
)
def test_a_topics_schema_is_changed(
    quick: Any, manager: Any, options: list[str], found: object, path: str, side: str, expected: str
) -> None:
    manager.answers(found)
    assert (0, f"{expected}\n", "") == quick("topic", "schema", "t", "g.T", *options)
    [sent] = manager.requests
    assert ("POST", f"/manager/topic/t/{path}", {"gateway": "g", "type": "T", "side": side}) == (
        sent.method,
        sent.path,
        sent.body,
    )


def test_a_description_shows_which_schema_it_is(quick: Any, manager: Any) -> None:
    topic = {"name": "t", "keyType": "LONG", "valueType": "SCHEMA", "writeType": "MUTABLE", "schema": "type T {\n}"}
    manager.answers(topic | {"format": "AVRO", "schemaId": 7, "schemaVersion": 2})
    shown = "Write Type: MUTABLE\nFormat: AVRO\nSchema ID: 7\nSchema Version: 2\nSchema:\ntype T {\n}\n"
    assert quick("topic", "describe", "t").out.endswith(shown)
