"""`quick diff` and `quick replay`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.small_manager import lines, refusal

CHANGES = {
    "from": 1,
    "to": 3,
    "changes": [{"change": "created", "noun": "topic", "name": "t", "fields": [{"field": "name", "after": "t"}]}],
}


def difference(entry: str) -> dict[str, Any]:
    return {"difference": {"entry": entry, "live": {"name": "ü"}, "rebuilt": None}}


def result(position: int, differences: int) -> dict[str, Any]:
    return {"result": {"view": "v", "position": position, "differences": differences, "is_swapped": False}}


@pytest.mark.parametrize(
    ("moments", "path"),
    [
        (["1"], "/manager/diff?from=1"),
        (["1", "3"], "/manager/diff?from=1&to=3"),
        (["2026-01-31", "@3"], "/manager/diff?from=2026-01-31T05%3A00%3A00.000Z&to=3"),
    ],
)
def test_a_diff_is_asked_for_between_positions_or_times(
    quick: Any, manager: Any, moments: list[str], path: str
) -> None:
    manager.answers(CHANGES)
    assert (0, "+ topic/t created\n    name: t\n", "") == quick("diff", *moments, TZ="EST5")
    assert [path] == manager.paths


def test_a_diff_is_also_json_and_nothing_where_nothing_changed(quick: Any, manager: Any) -> None:
    manager.answers(CHANGES)
    assert json.loads(quick("diff", "1", "-o", "json").out) == CHANGES
    manager.answers({**CHANGES, "changes": []})
    assert (0, "", "") == quick("diff", "1")


def test_a_diff_that_is_refused_says_so(quick: Any, manager: Any) -> None:
    manager.refuses(400, "Bad Request", "from=3 lies behind to=1. Exchange them.")
    text = "Bad Request: from=3 lies behind to=1. Exchange them.\nCould not compare\n"
    assert (1, "", text) == quick("diff", "3", "1")


def test_all_views_are_compared_if_none_is_named(quick: Any, manager: Any) -> None:
    manager.answers_in_turn(lines({"step": "a"}, result(5, 0)), lines(result(7, 0)), lines(result(2, 0)))
    text = (
        "log: the same, at 5, 0 differences\n"
        "registry: the same, at 7, 0 differences\n"
        "status: the same, at 2, 0 differences\n"
    )
    assert (0, text, "") == quick("replay", "--compare")
    assert [("GET", f"/manager/replay?view={view}") for view in ("log", "registry", "status")] == [
        (request.method, request.path) for request in manager.requests
    ]


def test_differences_are_shown_and_end_with_exit_code_1(quick: Any, manager: Any) -> None:
    manager.reply = lines(difference("topic/a"), result(7, 1))
    text = 'registry topic/a\n    live    {"name": "ü"}\n    rebuilt null\nregistry: different, at 7, 1 difference\n'
    error = "Views differ from what the log says. To put the rebuilt ones in their place: quick replay --swap\n"
    assert (1, text, error) == quick("replay", "--view", "registry")


def test_a_swap_is_no_failure(quick: Any, manager: Any) -> None:
    manager.reply = lines(difference("topic/a"), difference("topic/b"), result(7, 2))
    done = quick("replay", "--swap", "--view", "registry")
    assert (0, "") == (done.code, done.err)
    assert done.out.endswith("registry: now the rebuilt one, at 7, 2 differences\n")
    (sent,) = manager.requests
    assert ("POST", "/manager/replay?view=registry&swap=true") == (sent.method, sent.path)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (lines({"step": "a"}, {"error": "The live view moved on."}), "The live view moved on.\nCould not replay"),
        (refusal(403, "Forbidden", "No."), "Forbidden: No.\nCould not replay the view log\n"),
        (lines(difference("a")), "The server ended the answer before its result. Its log tells why.\n"),
    ],
)
def test_a_replay_that_fails_says_why(quick: Any, manager: Any, reply: Any, error: str) -> None:
    manager.reply = reply
    done = quick("replay")
    assert 1 == done.code
    assert done.err.startswith(error)
    assert 1 == len(manager.requests)


def test_comparing_and_swapping_exclude_each_other(quick: Any, manager: Any) -> None:
    done = quick("replay", "--compare", "--swap")
    assert (2, "") == (done.code, done.out)
    assert "Error: --compare and --swap exclude each other.\n" in done.err
    assert [] == manager.requests
