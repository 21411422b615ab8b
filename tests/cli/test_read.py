"""`quick get` and `quick range`: what is asked, what is printed, and what is said when something is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import pytest

from cli import mirror_client
from cli.config import Context
from cli.connection import Connection, UnexpectedAnswerError
from cli.mirror_client import Mirror, Mirrors
from tests.cli.small_manager import Manager as SmallManager
from tests.cli.small_manager import Reply, Request, answer


@pytest.fixture
def mirror(manager: SmallManager) -> Iterator[Mirror]:
    with Mirrors(Connection(lambda: Context(f"{manager.url}/manager", "key"), attrgetter("mirror_url"))).of("t") as one:
        yield one


def test_values_are_printed_a_line_as_the_server_has_them(quick: Any, manager: SmallManager) -> None:
    text = b'{"value":[{"b":1.50,"a":"gr\xc3\xb6\xc3\x9fe"},12345678901234567890123]}'
    manager.reply = Reply((text,))
    done = quick("get", "a/b", "-5", "x,y")
    assert (0, '{"b":1.50,"a":"größe"}\n12345678901234567890123\n', "") == done
    (request,) = manager.requests
    assert ("POST", "/mirror/a%2Fb/mirror/batch", {"ids": ["-5", "x,y"]}) == (
        request.method,
        request.path,
        request.body,
    )


def test_keys_that_do_not_exist_are_told_and_the_others_printed(quick: Any, manager: SmallManager) -> None:
    manager.answers({"value": [1, None, 3, None], "missing": ["b", "d"]})
    assert (1, "1\n3\n", "Topic t has no value under: b, d\n") == quick("get", "t", "a", "b", "c", "d")
    done = quick("get", "t", "a", "b", "c", "d", "-o", "json")
    assert (1, {"value": [1, None, 3, None], "missing": ["b", "d"]}) == (done.code, json.loads(done.out))


def test_a_refusal_is_told_with_what_could_not_be_done(quick: Any, manager: SmallManager) -> None:
    manager.refuses(404, "Not Found", "Topic t not found in topic registry")
    assert (1, "", "Not Found: Topic t not found in topic registry\nCould not read from topic t\n") == quick(
        "get", "t", "a"
    )
    manager.refuses(400, "Bad Request", "You are trying to query a range. But no range index set.")
    assert (
        1,
        "",
        "Bad Request: You are trying to query a range. But no range index set.\nCould not read a range of topic t\n",
    ) == quick("range", "t", "a", "--from", "1", "--to", "2")


def test_a_range_is_asked_for_as_it_was_said(quick: Any, manager: SmallManager) -> None:
    manager.answers({"value": [{"at": 1}, {"at": 2}]})
    done = quick("range", "t", "-5", "--from", "-10", "--to", "x y", "--reverse", "--limit", "3")
    assert (0, '{"at": 1}\n{"at": 2}\n', "") == done
    assert "/mirror/t/range?key=-5&from=-10&to=x%20y&reverse=true&limit=3" == manager.paths[-1].replace("+", "%20")
    done = quick("range", "t", "", "--gte", "1", "--lt", "2", "-o", "json")
    assert {"value": [{"at": 1}, {"at": 2}]} == json.loads(done.out)
    assert "/mirror/t/range?key=&gte=1&lt=2" == manager.paths[-1]
    assert 2 == quick("range", "t", "a", "--limit", "0").code


def test_many_keys_are_asked_for_in_several_requests(
    mirror: Mirror, manager: SmallManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_client, "KEYS_AT_ONCE", 2)

    def decide(request: Request) -> Reply:
        ids = request.body["ids"]
        return answer({"value": [None if key == "c" else key for key in ids], "missing": ["c"] * ("c" in ids)})

    manager.decide = decide
    found = mirror.values(list("abcde"))
    assert [b'"a"', b'"b"', b"null", b'"d"', b'"e"'] == [bytes(value) for value in found.value]
    assert (["c"], 3) == (found.missing, len(manager.requests))


@pytest.mark.parametrize("text", [b"", b"[]", b'{"value": 1}', b"<html>", b'{"value":[{"key":1}],"next":null}'])
def test_an_answer_that_is_none_of_a_mirror_is_told(mirror: Mirror, manager: SmallManager, text: bytes) -> None:
    manager.reply = Reply((text,))
    with pytest.raises(UnexpectedAnswerError, match="something else than a mirror does"):
        list(mirror.pages())
