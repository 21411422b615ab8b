"""`quick query`: what is sent, what is printed, and what is told when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_manager import DROPPED, Reply, answer, refusal
from tests.cli.small_manager import Manager as SmallManager

QUERY = "{ product(id: 1) { name } }"


def test_the_data_is_printed_as_the_server_has_it(quick: Any, manager: SmallManager) -> None:
    manager.reply = Reply((b'{"data":{"price":1.50,"n":12345678901234567890123,"name":"gr\xc3\xb6\xc3\x9fe"}}',))
    expected = '{"price":1.50,"n":12345678901234567890123,"name":"größe"}\n'
    assert (0, expected, "") == quick("query", "a/b", QUERY)
    (sent,) = manager.requests
    assert ("POST", "/gateway/a%2Fb/graphql", {"query": QUERY}) == (sent.method, sent.path, sent.body)
    assert "secret-key" == sent.headers["X-API-Key"]


def test_all_that_was_said_is_sent(quick: Any, manager: SmallManager, tmp_path: Path) -> None:
    manager.answers({"data": None})
    file, variables = tmp_path / "q.graphql", tmp_path / "v.json"
    file.write_text("query A { ü } query B { b }")
    variables.write_text('{"id": 1.5}')
    options = ["--operation", "B", "--at-least", "t:0:5"]
    assert (0, "null\n", "") == quick("query", "g", "-f", str(file), "--variables", f"@{variables}", *options)
    expected = {
        "query": "query A { ü } query B { b }",
        "variables": {"id": 1.5},
        "operationName": "B",
        "extensions": {"atLeast": "t:0:5"},
    }
    assert expected == manager.requests[-1].body
    assert 0 == quick("query", "g", "-", "--variables", '{"a": "b"}', stdin="{ a }").code
    assert {"query": "{ a }", "variables": {"a": "b"}} == manager.requests[-1].body


def test_errors_go_to_stderr_beside_the_data_that_there_is(quick: Any, manager: SmallManager) -> None:
    found = {
        "data": {"a": None, "b": 1},
        "errors": [
            {
                "message": "Exception while fetching data (/a) : no",
                "path": ["a"],
                "locations": [{"line": 1, "column": 3}],
            }
        ],
    }
    manager.answers(found)
    expected = (1, '{"a": null, "b": 1}\n', "Exception while fetching data (/a) : no\n")
    assert expected == quick("query", "g", "{ a b }")
    done = quick("query", "g", "{ a b }", "-o", "json")
    assert (1, found) == (done.code, json.loads(done.out))


@pytest.mark.parametrize("status", [200, 400])
def test_a_mistake_in_the_query_is_told_with_its_place(quick: Any, manager: SmallManager, status: int) -> None:
    message = "Cannot query field 'nmae' on type 'Product'. Did you mean 'name'?"
    manager.answers({"errors": [{"message": message, "locations": [{"line": 1, "column": 20}]}]}, status)
    assert (1, "", f"{message} (line 1, column 20)\n") == quick("query", "g", "{ product(id: 1) { nmae } }")


def test_a_gateway_that_does_not_exist_is_told(quick: Any, manager: SmallManager) -> None:
    manager.refuses(404, "Not Found", "Could not find resource g")
    expected = (
        "Not Found: Could not find resource g\nThere is no gateway g. To see which there are: quick gateway list\n"
    )
    assert (1, "", expected) == quick("query", "g", QUERY)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "Please write the query, or name a file with -f/--file: one of the two."),
        (["{ a }", "-f", "-"], "Please write the query, or name a file with -f/--file: one of the two."),
        ([" "], "The query is empty."),
        (["-"], "The query is empty."),
        (["{ a }", "--variables", "{"], "The variables are not JSON: "),
        (["{ a }", "--variables", "[1]"], 'The variables are no JSON object. Write them as {"name": value}.'),
        (
            ["{ a }", "--variables", "@/nowhere"],
            "argument --variables: can't open '/nowhere': No such file or directory",
        ),
        (["-f", "/nowhere"], "argument -f/--file: can't open '/nowhere': No such file or directory"),
    ],
)
def test_mistakes_on_the_command_line_are_told_before_anything_is_sent(
    quick: Any, manager: SmallManager, arguments: list[str], error: str
) -> None:
    done = quick("query", "g", *arguments)
    assert (2, "") == (done.code, done.out)
    assert done.err.splitlines()[2].startswith(f"Error: {error}")
    assert [] == manager.requests


def test_a_query_is_asked_again_and_a_mutation_is_sent_once(quick: Any, manager: SmallManager) -> None:
    manager.answers_in_turn(DROPPED, refusal(503, "Service Unavailable", "Later.", Retry_After="1"))
    manager.answers({"data": {"a": 1}})
    assert (0, '{"a": 1}\n', "") == quick("query", "g", "{ a }")
    assert 3 == len(manager.requests)
    manager.answers_in_turn(DROPPED)
    done = quick("query", "g", "mutation { write }")
    assert (1, "") == (done.code, done.out)
    assert "broke before an answer came" in done.err
    assert 4 == len(manager.requests)


@pytest.mark.parametrize("content", [{}, [], {"data": 1, "errors": 2}, {"commands": []}])
def test_an_answer_that_is_none_of_graphql_is_told(quick: Any, manager: SmallManager, content: object) -> None:
    manager.reply = answer(content)
    done = quick("query", "g", QUERY)
    assert (1, "") == (done.code, done.out)
    assert "answered something else than GraphQL does" in done.err
