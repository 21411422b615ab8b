"""`quick log list|show|tail|quarantine`."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli import client, log
from cli.config import Config
from cli.main import run
from tests.cli.small_manager import DROPPED, HELD, Reply, answer, refusal, until
from tests.cli.small_manager import Manager as SmallManager

ROW = "{position}   2026-11-24T03:34:00.123Z   default   create_topic   topic/t   größer\n"


def command(position: int) -> dict[str, Any]:
    return {
        "position": position,
        "time": "2026-11-24T03:34:00.123Z",
        "actor": "default",
        "command": "create_topic",
        "target": "topic/t",
        "source": "me@here",
        "reason": "größer",
        "command_id": f"id-{position}",
    }


def page(*positions: int, following: int | None = None) -> Reply:
    return answer({"commands": [command(position) for position in positions], "next": following})


def positions(out: str) -> list[int]:
    return [each["position"] for each in json.loads(out)]


@pytest.fixture
def here(manager: SmallManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return the CLI in this process, without pauses."""
    monkeypatch.setattr(client, "RETRY_PAUSES_S", ())
    monkeypatch.setattr(log, "RECONNECT_S", 0.0)
    monkeypatch.setenv("QUICK_CONFIG", str(tmp_path / "quick.conf"))
    Config().with_context("test", manager.url, "k").save(tmp_path / "quick.conf")
    return lambda *arguments: run(arguments)


def test_filters_are_passed_on_with_times_in_utc(quick: Any, manager: Any) -> None:
    manager.reply = page()
    quick(
        *("log", "--limit", "5", "--since", "2026-01-31", "--until", "2026-01-31T12:00Z"),
        *("--actor", "ci", "--command", "create_topic", "--target", "topic/*"),
        TZ="EST5",
    )
    times = "since=2026-01-31T05%3A00%3A00.000Z&until=2026-01-31T12%3A00%3A00.000Z"
    assert [f"/manager/log?limit=5&{times}&actor=ci&command=create_topic&target=topic%2F%2A"] == manager.paths


def test_pages_are_fetched_until_there_are_enough_and_shown_in_order(quick: Any, manager: Any) -> None:
    manager.answers_in_turn(page(8, 9, following=8), page(following=5), page(3, 4, following=3))
    done = quick("log", "--limit", "4", "--actor", "ci", "-o", "json")
    assert [3, 4, 8, 9] == positions(done.out)
    assert [
        "/manager/log?limit=4&actor=ci",
        "/manager/log?limit=2&actor=ci&before=8",
        "/manager/log?limit=2&actor=ci&before=5",
    ] == manager.paths


def test_the_last_page_ends_the_list(quick: Any, manager: Any) -> None:
    manager.answers_in_turn(page(2, following=2), page(1))
    assert [1, 2] == positions(quick("log", "-o", "json").out)
    manager.answers_in_turn(page(2, 3, following=2))
    assert [2, 3] == positions(quick("log", "--limit", "2", "-o", "json").out)
    assert 3 == len(manager.requests)


def test_a_page_is_never_larger_than_the_manager_allows(quick: Any, manager: Any) -> None:
    manager.reply = page()
    quick("log", "--limit", "2500")
    assert ["/manager/log?limit=1000"] == manager.paths


def test_an_empty_log_is_a_table_without_rows(quick: Any, manager: Any) -> None:
    manager.reply = page()
    assert (0, "POSITION   TIME   ACTOR   COMMAND   TARGET   REASON\n", "") == quick("log")
    assert (0, "[]\n", "") == quick("log", "-o", "yaml")


WHOLE = {
    **command(2),
    "issued_at": "2026-11-24T03:34:00.100Z",
    "trace": None,
    "offset": 5,
    "is_restored": False,
    "expected": [],
    "events": [
        {"position": 1, "type": "quick:TopicCreated", "originator_id": "a", "version": 1, "facts": {"name": "ü"}},
        {"position": 2, "type": "quick:MirrorCreated", "originator_id": "b", "version": 1, "facts": {}},
    ],
    "changes": [{"change": "created", "noun": "topic", "name": "t", "fields": [{"field": "name", "after": "t"}]}],
}


def test_a_command_is_shown_whole_without_what_it_does_not_have(quick: Any, manager: Any) -> None:
    manager.answers(WHOLE)
    expected = """\
Position:    2
Time:        2026-11-24T03:34:00.123Z
Actor:       default
Source:      me@here
Command:     create_topic
Target:      topic/t
Reason:      größer
Command id:  id-2
Issued at:   2026-11-24T03:34:00.100Z
Offset:      5
Events:
    1 quick:TopicCreated {"name": "ü"}
    2 quick:MirrorCreated {}
Changes:
    + topic/t created
        name: t
"""
    assert (0, expected, "") == quick("log", "show", "1")
    assert json.loads(quick("log", "show", "1", "-o", "json").out) == WHOLE
    assert ["/manager/log/1"] * 2 == manager.paths


def test_a_position_that_the_log_lacks_is_told(quick: Any, manager: Any) -> None:
    manager.refuses(404, "Not Found", "The log has no position 99: it ends at 2.")
    text = "Not Found: The log has no position 99: it ends at 2.\nCould not show position 99\n"
    assert (1, "", text) == quick("log", "show", "99")


def test_the_tail_is_the_last_commands_a_line_each(quick: Any, manager: Any) -> None:
    manager.reply = page(7, 12)
    assert (0, ROW.format(position=7) + ROW.format(position=12), "") == quick("log", "tail")
    lines = quick("log", "tail", "-n", "2", "-o", "json").out.splitlines()
    assert [command(7), command(12)] == [json.loads(line) for line in lines]
    assert (0, "", "") == quick("log", "tail", "-n", "0")
    assert [f"/manager/log?limit={limit}" for limit in (10, 2, 1)] == manager.paths


def test_following_goes_on_where_the_last_page_ended(
    here: Callable[..., int], manager: SmallManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.answers_in_turn(
        page(7), page(following=7), page(9, 10, following=10), page(following=14), refusal(403, "Forbidden", "No.")
    )
    assert 1 == here("log", "tail", "-f", "-n", "0")
    out, err = capsys.readouterr()
    assert ROW.format(position=9) + ROW.format(position=10) == out
    assert "Forbidden: No.\nCould not follow the log\n" == err
    assert [f"/log?after={after}&wait=20&limit=1000" for after in (7, 7, 10, 14)] == [
        path.removeprefix("/manager") for path in manager.paths[1:]
    ]


def test_following_an_empty_log_begins_before_its_first_command(
    here: Callable[..., int], manager: SmallManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.answers_in_turn(page(), page(2, following=2), refusal(403, "Forbidden", "No."))
    assert 1 == here("log", "tail", "--follow")
    assert ROW.format(position=2) == capsys.readouterr().out
    assert ["after=0", "after=2"] == [path.partition("?")[2].partition("&")[0] for path in manager.paths[1:]]


def test_following_survives_a_manager_that_is_away_and_says_so_once(
    here: Callable[..., int], manager: SmallManager, capsys: pytest.CaptureFixture[str]
) -> None:
    away = refusal(503, "Service Unavailable", "Kafka does not answer.", Retry_After="1")
    manager.answers_in_turn(page(1), DROPPED, DROPPED, away, away, page(2, following=2))
    manager.answers_in_turn(DROPPED, page(3, following=3), refusal(400, "Bad Request", "It ends at 1."))
    assert 1 == here("log", "tail", "-f", "-n", "0")
    out, err = capsys.readouterr()
    assert ROW.format(position=2) + ROW.format(position=3) == out
    broke, refused, again, broke_again, again_again, *end = err.splitlines()
    assert broke == broke_again
    assert broke.startswith(f"The connection to {manager.url}/manager broke before an answer came: ")
    assert broke.endswith(". Trying again.")
    assert "Service Unavailable: Kafka does not answer. Trying again." == refused
    assert "The log is followed again." == again == again_again
    assert ["Bad Request: It ends at 1.", "Could not follow the log"] == end


def test_a_manager_that_cannot_be_reached_is_one_line_while_following(
    here: Callable[..., int],
    manager: SmallManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manager.answers_in_turn(page(1), refusal(401, "Unauthorized", "No."))
    send, calls = client.Manager._send, []

    def sometimes(self: client.Manager, *arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise client.UnreachableError("http://h/manager", "[Errno 111] Connection refused")
        return send(self, *arguments)

    monkeypatch.setattr(client.Manager, "_send", sometimes)
    assert 1 == here("log", "tail", "-f", "-n", "0")
    expected = (
        "http://h/manager cannot be reached: [Errno 111] Connection refused. Trying again.\n"
        "Unauthorized.\n Your API key is invalid.\n"
    )
    assert expected == capsys.readouterr().err


def test_a_tail_that_cannot_begin_fails(here: Callable[..., int], manager: SmallManager) -> None:
    manager.reply = DROPPED
    assert 1 == here("log", "tail", "-f")


def test_ctrl_c_is_the_ordinary_end_of_following(
    quick: Any, manager: SmallManager, start_quick: Callable[..., subprocess.Popen[bytes]]
) -> None:
    assert quick is not None  # It has written the configuration.
    manager.answers_in_turn(page(1), page(2, following=2), HELD)
    process = start_quick("log", "tail", "-f")
    until(lambda: len(manager.requests) == 3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (0, b"") == (process.returncode, err)
    assert (ROW.format(position=1) + ROW.format(position=2)).encode() == out


def test_a_reader_that_has_gone_is_no_error_to_speak_of(
    quick: Any, manager: SmallManager, start_quick: Callable[..., subprocess.Popen[bytes]]
) -> None:
    assert quick is not None  # It has written the configuration.
    manager.answers_in_turn(page(1), *(page(*range(n, n + 1000), following=n + 1000) for n in range(2, 50_000, 1000)))
    process = start_quick("log", "tail", "-f")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert 1 == process.wait(60)
    assert process.stderr is not None
    assert b"" == process.stderr.read()


def test_a_quarantine_names_the_offset_and_why(quick: Any, manager: Any) -> None:
    manager.answers({"offset": 5, "isPassed": True})
    assert (0, "Quarantined offset 5\n", "") == quick("log", "quarantine", "5", "--reason", "a stray größe")
    assert (0, "Quarantined offset 5\n", "") == quick("log", "quarantine", "5", "-m", "a stray größe")
    for sent in manager.requests:
        assert ("POST", "/manager/log/quarantine") == (sent.method, sent.path)
        assert {"offset": 5, "reason": "a stray größe"} == sent.body


def test_a_quarantine_that_does_not_help_yet_says_why(quick: Any, manager: Any) -> None:
    manager.answers({"offset": 5, "isPassed": False})
    text = "Offset 5 is quarantined, but not passed yet: another record before it is unreadable too.\n"
    assert (1, "", text) == quick("log", "quarantine", "5", "--reason", "x")
    manager.refuses(400, "Bad Request", "The record can be decoded.")
    text = "Bad Request: The record can be decoded.\nCould not quarantine offset 5\n"
    assert (1, "", text) == quick("log", "quarantine", "5", "--reason", "x")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["5"], "Please say why with --reason."),
        (["-1", "-m", "x"], "No such option"),
        (["x", "-m", "x"], "is no whole"),
    ],
)
def test_a_quarantine_without_offset_or_reason_is_a_mistake(
    quick: Any, manager: Any, arguments: list[str], error: str
) -> None:
    done = quick("log", "quarantine", *arguments)
    assert (2, "") == (done.code, done.out)
    assert error in done.err
    assert [] == manager.requests
