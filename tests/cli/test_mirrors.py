"""`quick mirror …`: requests sent, outputs printed, refusals passed on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.small_manager import Reply, answer, refusal

MIRROR = {"name": "flight", "topicName": "flight", "replicas": 2, "tag": "0.1.0"}


def test_mirrors_are_listed_a_name_a_line(quick: Any, manager: Any) -> None:
    manager.answers([MIRROR, {**MIRROR, "name": "airport"}])
    assert (0, "flight\nairport\n", "") == quick("mirror", "list")
    assert [MIRROR] == json.loads(quick("mirror", "list", "-o", "json").out)[:1]
    manager.answers([])
    assert (0, "", "") == quick("mirror", "list")
    assert ["/manager/mirrors"] * 3 == manager.paths


STATUS = {
    "state": "rebuilding",
    "trouble": None,
    "rebuild": {"records": 250, "bytes": 5_000_000, "share": 0.25, "etaSeconds": 29.6},
    "incompleteBefore": {"2": 17},
    "lag": {"records": 3, "seconds": 0.25},
    "keys": {"type": "STRING"},
    "values": {"type": "STRING"},
    "entries": 1_000,
    "bytes": 3 * 2**30,
    "skipped": 4,
    "unindexed": 0,
}


def test_a_mirror_is_described_as_it_is_or_was(quick: Any, manager: Any) -> None:
    declared = "Name: flight\nTopic: flight\nReplicas: 2\nTag: 0.1.0\n"
    manager.answers_in_turn(answer(MIRROR), answer(STATUS))
    stands = (
        "State: rebuilding\nRebuild: 25%, 250 records, 5 MiB, about 30 s to go\nLag: 3 records, 0.2 s\nEntries: 1000\n"
        "Size: 3.0 GiB\nSkipped Records: 4\nIncomplete: partition 2 before offset 17, which Kafka had removed\n"
    )
    assert (0, declared + stands, "") == quick("mirror", "describe", "flight")
    manager.answers_in_turn(answer(MIRROR), refusal(403, "Forbidden", "No."))
    assert (0, f"{declared}State: unknown (Forbidden: No.)\n", "") == quick("mirror", "describe", "flight")
    manager.answers(MIRROR)
    assert (0, declared, "") == quick("mirror", "describe", "a/b", "--as-of", "17")
    paths = ["/manager/topic/flight/mirror", "/mirror/flight/status"]
    assert [*paths, *paths, "/manager/topic/a%2Fb/mirror?asOf=17"] == manager.paths


def test_mirrors_are_listed_with_their_status(quick: Any, manager: Any) -> None:
    fine = STATUS | {"state": "ready", "rebuild": None, "lag": {"records": None, "seconds": None}, "bytes": 512}
    still = fine | {"trouble": "The disk is full."}
    manager.answers_in_turn(answer([MIRROR, MIRROR, MIRROR]), answer(fine), answer(still), refusal(503, "No", "Later."))
    done = quick("mirror", "list", "--status")
    assert 0 == done.code
    head, *rows = [line.split("   ") for line in done.out.splitlines()]
    assert "NAME" == head[0]
    assert ["ready", "ready, stands still", "unknown"] == [row[1].strip() for row in rows]
    assert "not measured yet" in done.out
    assert 2 == quick("mirror", "list", "--status", "-o", "json").code


def test_a_description_shows_what_is_kept(quick: Any, manager: Any) -> None:
    kept = {"rangeField": "at", "rangeKey": "gate", "indexes": ["gate", "state"], "warnings": ["Mind the gap."]}
    manager.answers(MIRROR | kept)
    done = quick("mirror", "describe", "flight", "--as-of", "17")
    assert (0, "") == (done.code, done.err)
    assert done.out.endswith("Tag: 0.1.0\nRange Field: at\nRange Key: gate\nIndexes: gate, state\n")
    assert MIRROR | kept == json.loads(quick("mirror", "describe", "flight", "-o", "json").out)
    manager.answers(MIRROR | {"retentionTime": "P1D"})
    done = quick("mirror", "describe", "flight", "--as-of", "17")
    assert done.out.endswith("Tag: 0.1.0\nRetention Time: P1D\n")
    assert "retentionTime: P1D\n" in quick("mirror", "describe", "flight", "-o", "yaml").out


def test_a_missing_mirror_and_a_refused_question_are_told_apart(quick: Any, manager: Any) -> None:
    manager.refuses(404, "Not Found", "There is no mirror t")
    text = "There is no mirror t. Create one for its topic: quick mirror create <TOPIC>"
    assert (1, "", f"Not Found: There is no mirror t\n{text}\n") == quick("mirror", "describe", "t")
    manager.refuses(403, "Forbidden", "No.")
    assert (1, "", "Forbidden: No.\nCould not describe mirror t\n") == quick("mirror", "describe", "t")
    assert (1, "", "Forbidden: No.\nCould not list the mirrors\n") == quick("mirror", "list")


CREATED = "Create mirror for topic t (this may take a few seconds)"

SUCCESSES: list[tuple[list[str], tuple[str, str, object], str]] = [
    (["create", "t"], ("POST", "/manager/topic/mirror", {"name": "t", "topicName": "t"}), CREATED),
    (
        ["create", "t", "--tag", "1.2", "--replicas", "3", "--retention-time", "PT10M"],
        (
            "POST",
            "/manager/topic/mirror",
            {"name": "t", "topicName": "t", "replicas": 3, "tag": "1.2", "mirrorArguments": {"retentionTime": "PT10M"}},
        ),
        CREATED,
    ),
    (
        ["create", "t", "--range-f", "at", "--range-k", "gate", "--index", "a", "b", "--index", "c"],
        (
            "POST",
            "/manager/topic/mirror",
            {
                "name": "t",
                "topicName": "t",
                "mirrorArguments": {"rangeField": "at", "rangeKey": "gate", "indexes": ["a", "b", "c"]},
            },
        ),
        CREATED,
    ),
    (["delete", "a/b"], ("DELETE", "/manager/topic/a%2Fb/mirror", None), "Deleted mirror a/b"),
    (
        ["alter", "t", "--index", "a", "b", "--drop-index", "c", "--range-field", "at"],
        (
            "PATCH",
            "/manager/topic/t/mirror",
            {"addIndexes": ["a", "b"], "dropIndexes": ["c"], "rangeField": "at"},
        ),
        "Altered mirror t",
    ),
    (
        ["alter", "t", "--no-range-field", "--no-range-key", "--retention-time", "12h"],
        ("PATCH", "/manager/topic/t/mirror", {"rangeField": None, "rangeKey": None, "retentionTime": "PT12H"}),
        "Altered mirror t",
    ),
    (
        ["alter", "t", "--no-retention"],
        ("PATCH", "/manager/topic/t/mirror", {"retentionTime": None}),
        "Altered mirror t",
    ),
    (
        ["rebuild", "t", "-m", "why"],
        ("POST", "/manager/topic/t/mirror/rebuild", None),
        "Rebuild mirror t (the present one answers meanwhile)",
    ),
]


@pytest.mark.parametrize(("arguments", "request_", "output"), SUCCESSES)
def test_a_command_is_sent_and_told(
    quick: Any, manager: Any, arguments: list[str], request_: tuple[Any, ...], output: str
) -> None:
    assert (0, f"{output}\n", "") == quick("mirror", *arguments)
    (sent,) = manager.requests
    assert request_ == (sent.method, sent.path, sent.body)
    assert 36 == len(sent.headers["Quick-Command-Id"])
    assert ("why" if "-m" in arguments else None) == sent.headers.get("Quick-Reason")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["create", "t"], "Could not create mirror for topic t"),
        (["delete", "t"], "Could not delete mirror t"),
        (["alter", "t", "--index", "a"], "Could not alter mirror t"),
        (["rebuild", "t"], "Could not rebuild mirror t"),
    ],
)
def test_a_refusal_is_passed_on_with_the_commands_own_text(
    quick: Any, manager: Any, arguments: list[str], text: str
) -> None:
    manager.refuses(400, "Bad Request", "It cannot be.")
    assert (1, "", f"Bad Request: It cannot be.\n{text}\n") == quick("mirror", *arguments)


def test_several_mirrors_are_commands_of_their_own_up_to_the_first_that_is_refused(quick: Any, manager: Any) -> None:
    manager.answers_in_turn(Reply(), refusal(404, "Not Found", "There is no mirror b"))
    text = "Not Found: There is no mirror b\nCould not delete mirror b\n"
    assert (1, "Deleted mirror a\n", text) == quick("mirror", "delete", "a", "b", "c")
    assert 2 == len(set(manager.command_ids))
    assert 0 == quick("mirror", "rebuild", "a", "b", "c").code
    assert 5 == len(set(manager.command_ids))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["alter", "t"], "Please say what the mirror is to keep, as in --index FIELD."),
        (["alter", "t", "--range-field", "a", "--no-range-field"], "--range-field and --no-range-field exclude"),
        (["alter", "t", "--retention-time", "1d", "--no-retention-time"], "--no-retention-time exclude"),
        (["delete"], "Missing argument 'TOPIC…'"),
        (["delete", "a", "b", "--command-id", "x"], "--command-id is that of one command"),
        (["rebuild", "a", "b", "--command-id", "x"], "--command-id is that of one command"),
        (["create", "t", "--replicas", "0"], "'0' is no whole number from 1."),
        (["create", "t", "--retention-time", "soon"], "'soon' is no duration. Write it in ISO 8601: P1D for a day"),
        (["alter", "t", "--retention-time", "P1M"], "has no fixed length"),
        (["create", "t", "--retention-time", "0d"], "is not from PT0.001S to P36500D"),
        (["create", "t", "--retention-time", "99999999d"], "is not from PT0.001S to P36500D"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_before_anything_is_sent(
    quick: Any, manager: Any, arguments: list[str], text: str
) -> None:
    done = quick("mirror", *arguments)
    assert (2, "") == (done.code, done.out)
    assert text in done.err
    assert [] == manager.requests


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ["--range-field", "a", "--retention-time", "1d"],
            "The --range-field option must not be specified when --retention-time is set",
        ),
        (
            ["--index", "a", "--retention-time", "1d"],
            "The --index option must not be specified when --retention-time is set",
        ),
        (["--range-key", "a"], "The --range-key can be set only when a --range-field is set"),
    ],
)
def test_arguments_that_do_not_go_together_are_a_mistake_with_a_topic_and_left_to_the_manager_with_a_mirror(
    quick: Any, manager: Any, options: list[str], text: str
) -> None:
    done = quick("topic", "create", "t", "-k", "int", "-v", "int", *options)
    assert (2, "") == (done.code, done.out)
    assert f"Error: {text}\n" in done.err
    assert [] == manager.requests
    assert 0 == quick("mirror", "create", "t", *options).code
    assert 1 == len(manager.requests)
