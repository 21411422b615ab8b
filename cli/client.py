"""The manager's REST API as the commands use it: what is tried again, and under which command id."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import rich_click as click

from cli.config import Context
from cli.connection import (
    CliError,
    Connection,
    LostAnswerError,
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
    decoded,
    refusal,
    source,
)

if TYPE_CHECKING:
    import httpx

RETRY_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Pauses before a request is sent again that had no answer, or one that says to come again."""

RETRY_FOR_S = 15.0
"""After so long no further attempt is made."""

_NOT_FOUND = 404

_TRACE_PARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 00; as it says, one of another form is ignored."""

_NONE: Mapping[str, str] = {}


class OutcomeUnknownError(CliError):
    """Raised when a command may have been recorded: its answer was lost, and could not be had by repeating it."""

    def __init__(self, cause: CliError, command_id: str) -> None:
        self.command_id = command_id
        super().__init__(
            f"{cause.format_message()}\nThe command may have been recorded. To find out, repeat it with:"
            f" --command-id {command_id}"
        )


class Why(NamedTuple):
    """What the log keeps of a command beside who sent it."""

    reason: str | None
    command_id: str | None
    """Of a command whose answer was lost: repeated, it is recorded once."""


class Manager:
    """The manager of one context.

    Args:
        context: Returns host and key; asked when they are needed, since some commands may do without.
        is_debugging: Trace requests and answers on stderr, without the key.
    """

    def __init__(self, context: Callable[[], Context], *, is_debugging: bool = False) -> None:
        self._connection = Connection(context, is_debugging=is_debugging)

    def get(self, path: str, **parameters: str) -> Any:
        """Return the decoded answer to a question.

        Raises:
            RefusedError: The manager refused.
            CliError: It could not be reached, or answered something else.
        """
        return decoded(persistently(lambda: self._send("GET", path, parameters), self._connection.trace))

    def change(self, method: str, path: str, body: object = None, *, why: Why, **parameters: str) -> Any:
        """Send a command, with who sends it and why; return the decoded answer, `None` for an empty one.

        An answer that is lost is asked for again with the same command id, so that the command is recorded once.

        Raises:
            RefusedError: The manager refused.
            CliError: It could not be reached, or answered something else.
        """
        headers = {"Quick-Source": source(), "Quick-Command-Id": why.command_id or str(uuid.uuid4())}
        if why.reason is not None:
            headers["Quick-Reason"] = quote(why.reason, errors="surrogateescape")
        if _TRACE_PARENT.fullmatch(trace := os.environ.get("TRACEPARENT", "")):
            headers["traceparent"] = trace
        maybe_recorded = set[str]()

        def attempt() -> httpx.Response:
            command_id = headers["Quick-Command-Id"]
            try:
                return self._send(method, path, parameters, body, headers)
            except RefusedError as error:
                if error.is_spent:
                    headers["Quick-Command-Id"] = str(uuid.uuid4())
                raise
            except CliError as error:
                if isinstance(error, LostAnswerError) or (
                    isinstance(error, UnexpectedAnswerError) and error.may_hide_success
                ):
                    maybe_recorded.add(command_id)
                raise

        try:
            answer = persistently(attempt, self._connection.trace)
        except CliError as error:
            is_answer = isinstance(error, RefusedError) and not error.is_passing
            if headers["Quick-Command-Id"] in maybe_recorded and not is_answer:
                raise OutcomeUnknownError(error, headers["Quick-Command-Id"]) from error
            raise
        return decoded(answer) if answer.content else None

    @contextmanager
    def stream(
        self, method: str, path: str, *, content: Iterator[bytes] | None = None, parameters: Mapping[str, str] = _NONE
    ) -> Iterator[httpx.Response]:
        """Send a request whose answer is read as it comes.

        Raises:
            RefusedError: The manager refused.
            CliError: It could not be reached, or the connection broke.
        """
        import httpx  # noqa: PLC0415 - 100 ms that help texts do not need

        self._connection.trace(f"> {method} {self._connection.url}{path} {parameters or ''}")
        with self._connection.client() as client:
            request = self._connection.request(
                client, method, path, parameters, content=content, headers={"Quick-Source": source()}
            )
            try:
                answer = client.send(request, stream=True)
                self._connection.trace(f"< {answer.status_code}")
                with closing(answer):
                    if not answer.is_success:
                        answer.read()
                        raise refusal(answer)
                    yield answer
            except httpx.RequestError as error:
                failure = self._connection.failure(error)
                if isinstance(failure, LostAnswerError):
                    cause = str(error).rstrip(".")
                    failure = CliError(f"The connection broke before the end of the answer ({cause}). Try again.")
                raise failure from error

    def lines(
        self, method: str, path: str, *, content: Iterator[bytes] | None = None, parameters: Mapping[str, str] = _NONE
    ) -> Iterator[dict[str, Any]]:
        """Yield the JSON lines of an answer, as they come.

        Raises:
            RefusedError: The manager refused, or says at last that it failed.
            CliError: It could not be reached, or the connection broke.
        """
        with self.stream(method, path, content=content, parameters=parameters) as answer:
            is_complete = False
            for line in answer.iter_lines():
                if not line:
                    continue
                self._connection.trace(f"< {line}")
                message = _decoded_line(line, answer)
                if "error" in message:
                    raise RefusedError(message["error"])
                is_complete = "result" in message
                yield message
        if not is_complete:
            raise CliError("The server ended the answer before its result. Its log tells why.")

    def _send(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        body: object = None,
        headers: Mapping[str, str] = _NONE,
    ) -> httpx.Response:
        self._connection.trace(
            f"> {method} {self._connection.url}{path} {parameters or ''} {'' if body is None else body}"
        )
        with self._connection.client() as client:
            request = self._connection.request(client, method, path, parameters, json=body, headers=headers)
            answer = self._connection.exchange(client, request)
        if answer.is_success:
            return answer
        raise refusal(answer)


@contextmanager
def failing_with(text: str, *, missing: str | None = None) -> Iterator[None]:
    """Add a command's own *text* to what the manager says when it refuses.

    Args:
        text: What could not be done.
        missing: What is said instead when the manager knows no such thing.
    """
    try:
        yield
    except RefusedError as error:
        own = missing if missing is not None and error.status == _NOT_FOUND else text
        raise CliError(f"{error.format_message()}\n{own}") from error


def shows_hints() -> bool:
    """Return whether somebody sees what scripts must not see."""
    return sys.stderr.isatty()


def hint(text: str) -> None:
    """Say something that scripts must not see: on a terminal only."""
    if shows_hints():
        click.echo(text, err=True)


def persistently(attempt: Callable[[], httpx.Response], trace: Callable[[str], None]) -> httpx.Response:
    """Make *attempt* until it succeeds, fails for good, or was made often enough.

    A first attempt that cannot even connect fails at once: most likely the address is wrong.

    Raises:
        CliError: The last failure.
    """
    deadline = time.monotonic() + RETRY_FOR_S
    was_reached = False
    for pause_s in RETRY_PAUSES_S:
        try:
            return attempt()
        except CliError as error:
            was_reached = was_reached or not isinstance(error, UnreachableError)
            if not (error.is_passing and was_reached) or time.monotonic() + pause_s > deadline:
                raise
        trace(f"! trying again in {pause_s} s")
        time.sleep(pause_s)
    return attempt()


def in_path(name: str) -> str:
    """Return *name* as a segment of a path."""
    return quote(name, safe="", errors="surrogateescape")


def _decoded_line(line: str, answer: httpx.Response) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise UnexpectedAnswerError(answer, "something else than lines of JSON objects")
    return content
