"""The client of the manager: what is tried again, under which command id, and what is said at the end."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from cli import client as client_module
from cli.client import Manager, OutcomeUnknownError, Why, failing_with, in_path
from cli.config import Context
from cli.connection import CliError, LostAnswerError, RefusedError, UnexpectedAnswerError, UnreachableError
from tests.cli.small_manager import DROPPED, Reply, answer, lines, refusal
from tests.cli.small_manager import Manager as SmallManager

PAUSES = (0.25, 0.5, 1.0)
NO_REASON = Why(None, None)
NOT_NOW = refusal(503, "Service Unavailable", "Kafka does not answer.", Retry_After="1")
STANDS_STILL = refusal(503, "Service Unavailable", "Cannot read the record.")
GIVEN_UP = refusal(503, "Service Unavailable", "Voided.", Retry_After="1", Quick_Command_Outcome="not-recorded")
PROXY = Reply((b"<html>Bad Gateway</html>",), 502)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that the client makes; none of them takes time."""
    made: list[float] = []
    monkeypatch.setattr(client_module, "RETRY_PAUSES_S", PAUSES)
    monkeypatch.setattr(client_module.time, "sleep", made.append)
    return made


@pytest.fixture
def nobody(free_port: Callable[[], int]) -> Manager:
    """Return a client of an address at which nobody listens."""
    return Manager(lambda: Context(f"http://127.0.0.1:{free_port()}", "k"))


def test_an_answer_is_decoded(client: Manager, manager: SmallManager) -> None:
    manager.answers([{"name": "größe"}])
    assert [{"name": "größe"}] == client.get("/topics", asOf="17")
    assert ["/topics?asOf=17"] == manager.paths


def test_an_empty_answer_to_a_command_is_none(client: Manager) -> None:
    assert client.change("DELETE", "/topic/t", why=NO_REASON) is None


def test_a_command_is_repeated_under_the_same_id_after_a_lost_answer(
    client: Manager, manager: SmallManager, pauses: list[float]
) -> None:
    manager.answers_in_turn(DROPPED, Reply((b"{",), is_cut=True), answer({"name": "t"}))
    assert {"name": "t"} == client.change("POST", "/topic/t", {"a": 1}, why=NO_REASON)
    assert [{"a": 1}] * 3 == [request.body for request in manager.requests]
    assert 1 == len(set(manager.command_ids))
    assert 36 == len(manager.command_ids[0])
    assert list(PAUSES[:2]) == pauses


def test_each_command_has_an_id_of_its_own(client: Manager, manager: SmallManager) -> None:
    for _ in range(2):
        client.change("DELETE", "/topic/t", why=NO_REASON)
    assert 2 == len(set(manager.command_ids))


@pytest.mark.parametrize("last", [DROPPED, NOT_NOW, PROXY])
def test_a_command_whose_outcome_stays_unknown_names_its_id(
    client: Manager, manager: SmallManager, pauses: list[float], last: Reply
) -> None:
    manager.answers_in_turn(DROPPED)
    manager.reply = last
    with pytest.raises(OutcomeUnknownError) as caught:
        client.change("DELETE", "/topic/t", why=NO_REASON)
    assert {caught.value.command_id} == set(manager.command_ids)
    way_out = f"may have been recorded. To find out, repeat it with: --command-id {caught.value.command_id}"
    assert caught.value.format_message().endswith(way_out)
    assert list(PAUSES) == pauses
    assert len(PAUSES) + 1 == len(manager.requests)


def test_a_manager_that_goes_away_after_a_lost_answer_leaves_the_outcome_unknown(
    client: Manager, manager: SmallManager, nobody: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.reply = DROPPED
    send = client._send
    monkeypatch.setattr(client, "_send", lambda *args: nobody._send(*args) if manager.requests else send(*args))
    with pytest.raises(OutcomeUnknownError, match=r"(?s)cannot be reached: .*may have been recorded"):
        client.change("DELETE", "/topic/t", why=NO_REASON)


def test_a_proxys_error_page_leaves_the_outcome_unknown(client: Manager, manager: SmallManager) -> None:
    manager.reply = Reply((b"<html>Gateway Timeout</html>",), 504)
    with pytest.raises(OutcomeUnknownError, match="answered 504 and no Quick error"):
        client.change("DELETE", "/topic/t", why=NO_REASON)


@pytest.mark.parametrize("page", [Reply((b"<html>",), 404), Reply((b"[]",), 400)])
def test_an_error_of_no_server_of_ours_recorded_nothing(client: Manager, manager: SmallManager, page: Reply) -> None:
    manager.reply = page
    with pytest.raises(UnexpectedAnswerError):
        client.change("DELETE", "/topic/t", why=NO_REASON)
    assert 1 == len(manager.requests)


def test_a_refusal_after_a_lost_answer_is_the_outcome(client: Manager, manager: SmallManager) -> None:
    manager.answers_in_turn(DROPPED, refusal(400, "Bad Request", "It exists."))
    with pytest.raises(RefusedError, match=r"^Bad Request: It exists\.$") as caught:
        client.change("POST", "/topic/t", why=NO_REASON)
    assert 400 == caught.value.status


def test_a_command_that_was_given_up_is_sent_under_a_new_id(client: Manager, manager: SmallManager) -> None:
    manager.answers_in_turn(DROPPED, GIVEN_UP, NOT_NOW, answer({}))
    client.change("POST", "/topic/t", why=Why(None, "mine"))
    first, second, third, fourth = manager.command_ids
    assert "mine" == first == second
    assert "mine" != third == fourth
    assert 4 == uuid.UUID(third).version


def test_a_command_that_was_given_up_each_time_is_known_not_to_be_recorded(
    client: Manager, manager: SmallManager
) -> None:
    manager.answers_in_turn(DROPPED)
    manager.reply = GIVEN_UP
    with pytest.raises(RefusedError, match=r"^Service Unavailable: Voided\.$"):
        client.change("POST", "/topic/t", why=NO_REASON)


def test_another_outcome_does_not_spend_the_id(client: Manager, manager: SmallManager) -> None:
    headers = {"Retry_After": "1", "Quick_Command_Outcome": "recorded"}
    manager.answers_in_turn(refusal(503, "Service Unavailable", "Later.", **headers), answer({}))
    client.change("POST", "/topic/t", why=NO_REASON)
    assert 1 == len(set(manager.command_ids))


def test_retry_after_decides_whether_a_refusal_is_tried_again(
    client: Manager, manager: SmallManager, pauses: list[float]
) -> None:
    manager.answers_in_turn(NOT_NOW, PROXY, answer([1]), STANDS_STILL)
    assert [1] == client.get("/topics")
    assert list(PAUSES[:2]) == pauses
    with pytest.raises(RefusedError, match=r"^Service Unavailable: Cannot read the record\.$") as caught:
        client.get("/topics")
    assert not caught.value.is_passing
    assert 4 == len(manager.requests)


def test_no_attempt_is_made_after_the_time_for_retries(
    client: Manager, manager: SmallManager, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "RETRY_FOR_S", 0.0)
    manager.reply = NOT_NOW
    with pytest.raises(RefusedError):
        client.get("/topics")
    assert [] == pauses
    assert 1 == len(manager.requests)


def test_a_first_connection_that_is_refused_fails_at_once(nobody: Manager, pauses: list[float]) -> None:
    with pytest.raises(UnreachableError, match=r"Please check your host(?s:.)*cannot be reached: .*refused"):
        nobody.change("POST", "/topic/t", why=NO_REASON)
    assert [] == pauses


def test_a_question_without_an_answer_says_where_and_why(client: Manager, manager: SmallManager) -> None:
    manager.reply = DROPPED
    with pytest.raises(LostAnswerError, match=rf"^The connection to {manager.url} broke before an answer came: .*"):
        client.get("/topics")


def test_a_wrong_key_is_not_tried_again(client: Manager, manager: SmallManager) -> None:
    manager.reply = refusal(401, "Unauthorized", "No.", Retry_After="1")
    with pytest.raises(CliError, match=r"^Unauthorized\.\n Your API key is invalid\.$"):
        client.get("/topics")
    assert 1 == len(manager.requests)


@pytest.mark.parametrize(("given", "sent"), [(TRACE, TRACE), ("a\nb", None), ("ü", None), ("", None)])
def test_a_trace_is_forwarded_if_it_is_one(
    client: Manager, manager: SmallManager, monkeypatch: pytest.MonkeyPatch, given: str, sent: str | None
) -> None:
    monkeypatch.setenv("TRACEPARENT", given)
    client.change("DELETE", "/topic/t", why=NO_REASON)
    assert sent == manager.requests[0].headers.get("traceparent")


@pytest.mark.parametrize(("reason", "sent"), [("größer & 1%", "gr%C3%B6%C3%9Fer%20%26%201%25"), ("\udcff", "%FF")])
def test_a_reason_is_sent_as_it_was_written(client: Manager, manager: SmallManager, reason: str, sent: str) -> None:
    client.change("DELETE", "/topic/t", why=Why(reason, None))
    assert sent == manager.requests[0].headers["Quick-Reason"]


def test_a_text_that_is_no_utf_8_is_said_so(client: Manager, manager: SmallManager) -> None:
    with pytest.raises(CliError, match=r"^What you wrote cannot be sent: .* Write it in UTF-8\.$"):
        client.get("/log", actor="\udcff")
    assert [] == manager.requests


def test_a_key_with_a_line_break_is_said_so(manager: SmallManager) -> None:
    with pytest.raises(CliError, match="has characters that no key has"):
        Manager(lambda: Context(manager.url, "a\nb")).get("/topics")


def test_no_context_is_needed_before_it_is_used() -> None:
    def no_context() -> Context:
        raise CliError("Not initialized.")

    manager = Manager(no_context)
    with pytest.raises(CliError, match="Not initialized"):
        manager.get("/topics")


def test_lines_come_as_they_are_sent(client: Manager, manager: SmallManager) -> None:
    manager.reply = lines({"step": "a"}, "", {"finding": "ü"}, {"result": {"n": 1}})
    assert [{"step": "a"}, {"finding": "ü"}, {"result": {"n": 1}}] == list(
        client.lines("POST", "/x", content=iter([b"a", b"b"]), parameters={"p": "1"})
    )
    (sent,) = manager.requests
    assert ("POST", "/x?p=1", b"ab") == (sent.method, sent.path, sent.body)
    assert "secret-key" == sent.headers["X-API-Key"]
    assert "@" in sent.headers["Quick-Source"]


@pytest.mark.parametrize(
    ("reply", "error", "text"),
    [
        (lines({"step": "a"}, {"error": "It is full."}), RefusedError, "^It is full.$"),
        (lines({"step": "a"}), CliError, "^The server ended the answer before its result. Its log tells why.$"),
        (lines(), CliError, "^The server ended the answer before its result."),
        (lines({"step": "a"}, is_cut=True), CliError, r"^The connection broke before the end of the answer \(.*"),
        (DROPPED, CliError, r"^The connection broke before the end of the answer \(.*\)\. Try again\.$"),
        (lines("<html>"), CliError, "^Unexpected answer: .* answered something else than lines of JSON"),
        (lines([1]), CliError, "^Unexpected answer: .* answered something else than lines of JSON"),
        (refusal(403, "Forbidden", "No."), RefusedError, "^Forbidden: No.$"),
        (refusal(401, "Unauthorized", "No."), CliError, "^Unauthorized."),
        (PROXY, UnexpectedAnswerError, "answered 502 and no Quick error"),
    ],
)
def test_lines_that_do_not_end_well_say_why(
    client: Manager, manager: SmallManager, reply: Reply, error: type[CliError], text: str
) -> None:
    manager.reply = reply
    with pytest.raises(error, match=text):
        list(client.lines("GET", "/x"))
    assert 1 == len(manager.requests)


def test_lines_of_nobody_name_the_host(nobody: Manager) -> None:
    with pytest.raises(UnreachableError, match="Please check your host"):
        list(nobody.lines("GET", "/x"))


def test_an_error_of_the_one_who_reads_a_stream_stays_what_it_is(client: Manager, manager: SmallManager) -> None:
    manager.reply = lines({"a": 1})
    with pytest.raises(UnicodeEncodeError), client.stream("GET", "/x"):
        "ü".encode("ascii")


@pytest.mark.parametrize(
    ("status", "text"), [(404, "No: no\nThere is no t"), (400, "No: no\nNot done"), (None, "No: no\nNot done")]
)
def test_a_missing_thing_has_a_text_of_its_own(status: int | None, text: str) -> None:
    with pytest.raises(CliError) as caught, failing_with("Not done", missing="There is no t"):
        raise RefusedError("No: no", status)
    assert text == caught.value.format_message()


@pytest.mark.parametrize(("name", "segment"), [("a/b", "a%2Fb"), ("..", ".."), ("ü", "%C3%BC"), ("\udcff", "%FF")])
def test_a_name_is_one_segment_of_a_path(name: str, segment: str) -> None:
    assert segment == in_path(name)


def test_the_program_repeats_a_command_with_the_id_that_it_is_given(quick: Any, manager: SmallManager) -> None:
    manager.answers_in_turn(DROPPED, answer({}))
    done = quick("topic", "delete", "t", "--command-id", "mine", "--debug", TRACEPARENT=TRACE)
    assert (0, "Deleted topic t\n") == (done.code, done.out)
    assert "! trying again in 0.2 s\n" in done.err
    assert ["mine", "mine"] == manager.command_ids
    assert [TRACE, TRACE] == [request.headers["traceparent"] for request in manager.requests]
