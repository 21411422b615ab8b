"""`quick delete`: keys as they are sent, and what is said when they cannot be deleted."""

from __future__ import annotations

from typing import Any

import pytest

from cli import delete, ingest_client
from tests.cli.small_manager import DROPPED, Reply, Request, answer, refusal
from tests.cli.small_manager import Manager as SmallManager

HARMLESS = "To repeat the command is harmless.\n"


def a_topic(key_type: str) -> Any:
    """Return what a server answers that has a topic with such keys."""

    def decide(request: Request) -> Reply:
        return answer({"keyType": key_type}) if request.method == "GET" else answer({"position": "p"})

    return decide


@pytest.fixture
def manager(manager: SmallManager) -> SmallManager:
    manager.decide = a_topic("LONG")
    return manager


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["1"], ["1"]),
        (["1", "größe", "a b", ""], ["1", "größe", "a b", ""]),
        (["-5"], ["-5"]),
        (["3", "-.5", "-1e3", "4"], ["3", "-.5", "-1e3", "4"]),
        (["--", "-5", "--debug"], ["-5", "--debug"]),
        (["-5", "--context", "test", "6"], ["-5", "6"]),
        (["-5", "--context=test", "--", "-x"], ["-5", "-x"]),
        (["1", "[2]", "null"], ["1", "[2]", "null"]),
    ],
)
def test_keys_are_sent_as_texts(quick: Any, manager: SmallManager, arguments: list[str], keys: list[str]) -> None:
    done = quick("delete", "a/b", *arguments)
    assert (0, "") == (done.code, done.err)
    assert f"Deleted {len(keys)} key{'' if len(keys) == 1 else 's'} from topic a/b\n" == done.out
    (request,) = manager.requests
    assert ("DELETE", "/ingest/a%2Fb", keys) == (request.method, request.path, request.body)
    assert ("secret-key", "application/json") == (request.headers["X-API-Key"], request.headers["Content-Type"])


def test_a_key_of_type_schema_is_an_object(quick: Any, manager: SmallManager) -> None:
    manager.decide = a_topic("SCHEMA")
    assert 0 == quick("delete", "t", '{"id": 12345678901234567890123}', ' {"id": 2}', "x").code
    assert ["/manager/topic/t", "/ingest/t"] == manager.paths
    assert [{"id": 12345678901234567890123}, {"id": 2}, "x"] == manager.requests[-1].body
    done = quick("delete", "t", "a", '{"id": }')
    assert 1 == done.code
    assert done.err.startswith('Key 2: The key {"id": } cannot be read as JSON: ')
    assert done.err.endswith("Could not delete from topic t\n")


def test_a_text_that_looks_like_an_object_is_a_text_where_keys_are_texts(quick: Any, manager: SmallManager) -> None:
    manager.decide = a_topic("STRING")
    assert 0 == quick("delete", "t", '{"id": 1}').code
    assert ['{"id": 1}'] == manager.requests[-1].body


def test_keys_come_from_stdin_a_line_each(quick: Any, manager: SmallManager) -> None:
    numbers = [str(number) for number in range(1001)]
    done = quick("delete", "t", "a", "-", stdin="\r\n".join(numbers) + "\n\n")
    assert (0, "Deleted 1002 keys from topic t\n", "") == done
    assert [500, 500, 2] == [len(request.body) for request in manager.requests]
    assert ["a", *numbers] == [key for request in manager.requests for key in request.body]
    assert (0, "Deleted 0 keys from topic t\n", "") == quick("delete", "t", "-", stdin="")


def test_a_key_that_is_no_utf_8_is_told_with_its_place(quick: Any, manager: SmallManager) -> None:
    done = quick("delete", "t", "-", stdin=b"a\n\xfc\n")
    assert 1 == done.code
    assert done.err.startswith("stdin:2: The key cannot be sent: ")
    assert [] == manager.requests


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (refusal(400, "Bad Request", "No key."), "Bad Request: No key.\nCould not delete from topic t\n"),
        (
            refusal(401, "Unauthorized", "No."),
            "Unauthorized.\n Your API key is invalid.\nCould not delete from topic t\n",
        ),
        (
            refusal(500, "Internal Server Error", "Look."),
            f"Internal Server Error: Look.\nCould not delete from topic t\n0 keys deleted before that. {HARMLESS}",
        ),
    ],
)
def test_a_refusal_is_passed_on(quick: Any, manager: SmallManager, reply: Reply, text: str) -> None:
    manager.decide = lambda _: reply
    assert (1, "", text) == quick("delete", "t", "1")


def test_what_was_deleted_before_is_told(quick: Any, manager: SmallManager) -> None:
    manager.decide = lambda _: None
    manager.answers_in_turn(answer({"position": "p"}), DROPPED)
    done = quick("delete", "t", *map(str, range(600)))
    assert 1 == done.code
    assert done.err.endswith(f"Could not delete from topic t\n500 keys deleted before that. {HARMLESS}")
    assert 2 == len(manager.requests)


def test_a_busy_server_is_waited_for(quick: Any, manager: SmallManager) -> None:
    manager.decide = lambda _: None
    manager.answers_in_turn(refusal(429, "Too Many Requests", "Later.", Retry_After="0"), answer({"position": "p"}))
    assert (0, "Deleted 1 key from topic t\n", "") == quick("delete", "t", "1")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "Missing argument 'TOPIC'."),
        (["t"], "Missing argument 'KEY…|-'."),
        (["t", "--typo", "1"], "No such option '--typo'."),
        (["t", "-x", "1"], "No such option '-x'."),
        (["t", "1", "--context"], "Option '--context' requires an argument."),
    ],
)
def test_a_mistake_on_the_command_line(quick: Any, manager: SmallManager, arguments: list[str], error: str) -> None:
    done = quick("delete", *arguments)
    assert (2, "") == (done.code, done.out)
    assert f"Error: {error}" in done.err
    assert [] == manager.requests


def test_batches_are_bounded_by_their_bytes() -> None:
    keys = [b"a" * 600_000, b"b" * 600_000, b"c"]
    assert [1, 2] == [len(batch) for batch in delete._batches(iter(keys))]


def test_nothing_is_tried_longer_than_it_is_said() -> None:
    assert ingest_client.MAX_PAUSE_S <= delete.RETRY_FOR_S
