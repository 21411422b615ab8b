"""The manager's REST API as the commands use it, and what is said when it cannot be used."""

from __future__ import annotations

import functools
import getpass
import json
import os
import platform
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

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 60.0
"""Longest wait for an answer: a command that needs an effect in Kafka may take half of it."""

CONNECT_TIMEOUT_S = 10.0
"""Longest wait until a host takes the connection."""

RETRY_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Pauses before a request is sent again that had no answer, or one that says to come again."""

RETRY_FOR_S = 15.0
"""After so long no further attempt is made."""

_UNAUTHORIZED = 401
_NOT_FOUND = 404
_BAD_GATEWAY = 502
"""What a proxy answers while the server behind it is being restarted; the server itself says `Retry-After`."""
_SERVER_ERRORS = 500

UNREACHABLE = "Please check your host and try again. Set the host and your API key using:\n\t$ quick context create\n"
UNAUTHORIZED = "Unauthorized.\n Your API key is invalid."
CREATE_AGAIN = "Create the context again:\n\t$ quick context create --host https://example.com --key KEY"

_TRACE_PARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 00; as it says, one of another form is ignored."""

_NONE: Mapping[str, str] = {}


class CliError(click.ClickException):
    """Raised to end a command with a text on stderr and exit code 1."""

    is_passing = False
    """Whether the same request may succeed later."""


class ManagerError(CliError):
    """Raised when the manager has answered that it cannot do what was asked."""

    def __init__(
        self, message: str, status: int | None = None, *, is_passing: bool = False, is_spent: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        """Of the answer; `None` for a failure that a streamed answer ends with."""
        self.is_passing = is_passing
        self.is_spent = is_spent
        """Whether the command id was given up, and nothing recorded: it has to be a new one."""


class UnreachableError(CliError):
    """Raised when nobody listens at the host."""

    is_passing = True

    def __init__(self, host: str, cause: object) -> None:
        self.brief = f"{host} cannot be reached: {cause}."
        """What happened, without what to do about it."""
        super().__init__(f"{UNREACHABLE}\n{self.brief}")


class LostAnswerError(CliError):
    """Raised when a request was sent and no answer came, however often it was tried."""

    is_passing = True


class UnexpectedAnswerError(CliError):
    """Raised for an answer that is none of Quick's: by a proxy, or another program at that address."""

    def __init__(self, answer: httpx.Response, what: str) -> None:
        super().__init__(
            f"Unexpected answer: {answer.request.url} answered {what}. Check the host of your context, and whether the"
            " server behind it runs."
        )
        self.is_passing = answer.status_code == _BAD_GATEWAY
        self.may_hide_success = answer.status_code >= _SERVER_ERRORS
        """Whether the manager may have done what it was asked."""


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
        self._find_context = context
        self._is_debugging = is_debugging

    @functools.cached_property
    def _context(self) -> Context:
        return self._find_context()

    def get(self, path: str, **parameters: str) -> Any:
        """Return the decoded answer to a question.

        Raises:
            ManagerError: The manager refused.
            CliError: It could not be reached, or answered something else.
        """
        return _decoded(_persistently(lambda: self._send("GET", path, parameters), self._trace))

    def change(self, method: str, path: str, body: object = None, *, why: Why, **parameters: str) -> Any:
        """Send a command, with who sends it and why; return the decoded answer, `None` for an empty one.

        An answer that is lost is asked for again with the same command id, so that the command is recorded once.

        Raises:
            ManagerError: The manager refused.
            CliError: It could not be reached, or answered something else.
        """
        headers = {"Quick-Source": _source(), "Quick-Command-Id": why.command_id or str(uuid.uuid4())}
        if why.reason is not None:
            headers["Quick-Reason"] = quote(why.reason, errors="surrogateescape")
        if _TRACE_PARENT.fullmatch(trace := os.environ.get("TRACEPARENT", "")):
            headers["traceparent"] = trace
        maybe_recorded = set[str]()

        def attempt() -> httpx.Response:
            command_id = headers["Quick-Command-Id"]
            try:
                return self._send(method, path, parameters, body, headers)
            except ManagerError as error:
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
            answer = _persistently(attempt, self._trace)
        except CliError as error:
            is_answer = isinstance(error, ManagerError) and not error.is_passing
            if headers["Quick-Command-Id"] in maybe_recorded and not is_answer:
                raise OutcomeUnknownError(error, headers["Quick-Command-Id"]) from error
            raise
        return _decoded(answer) if answer.content else None

    @contextmanager
    def stream(
        self, method: str, path: str, *, content: Iterator[bytes] | None = None, parameters: Mapping[str, str] = _NONE
    ) -> Iterator[httpx.Response]:
        """Send a request whose answer is read as it comes.

        Raises:
            ManagerError: The manager refused.
            CliError: It could not be reached, or the connection broke.
        """
        import httpx  # noqa: PLC0415 - 100 ms that help texts do not need

        self._trace(f"> {method} {self._context.host}{path} {parameters or ''}")
        with self._client() as client:
            request = self._request(
                client, method, path, parameters, content=content, headers={"Quick-Source": _source()}
            )
            try:
                answer = client.send(request, stream=True)
                self._trace(f"< {answer.status_code}")
                with closing(answer):
                    if not answer.is_success:
                        answer.read()
                        raise _refusal(answer)
                    yield answer
            except httpx.RequestError as error:
                failure = self._failure(error)
                if isinstance(failure, LostAnswerError):
                    cause = str(error).rstrip(".")
                    failure = CliError(f"The connection broke before the end of the answer ({cause}). Try again.")
                raise failure from error

    def lines(
        self, method: str, path: str, *, content: Iterator[bytes] | None = None, parameters: Mapping[str, str] = _NONE
    ) -> Iterator[dict[str, Any]]:
        """Yield the JSON lines of an answer, as they come.

        Raises:
            ManagerError: The manager refused, or says at last that it failed.
            CliError: It could not be reached, or the connection broke.
        """
        with self.stream(method, path, content=content, parameters=parameters) as answer:
            is_complete = False
            for line in answer.iter_lines():
                if not line:
                    continue
                self._trace(f"< {line}")
                decoded = _decoded_line(line, answer)
                if "error" in decoded:
                    raise ManagerError(decoded["error"])
                is_complete = "result" in decoded
                yield decoded
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
        import httpx  # noqa: PLC0415 - 100 ms that help texts do not need

        self._trace(f"> {method} {self._context.host}{path} {parameters or ''} {'' if body is None else body}")
        with self._client() as client:
            request = self._request(client, method, path, parameters, json=body, headers=headers)
            try:
                answer = client.send(request)
            except httpx.RequestError as error:
                self._trace(f"< {type(error).__name__}: {error}")
                raise self._failure(error) from error
        self._trace(f"< {answer.status_code} {answer.text}")
        if answer.is_success:
            return answer
        raise _refusal(answer)

    def _client(self) -> httpx.Client:
        import httpx  # noqa: PLC0415 - 100 ms that help texts do not need

        return httpx.Client(timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S), trust_env=False)

    def _request(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        *,
        headers: Mapping[str, str],
        json: object = None,
        content: Iterator[bytes] | None = None,
    ) -> httpx.Request:
        """Return what is to be sent.

        Raises:
            CliError: The context, or what the user wrote, cannot be put into a request.
        """
        import httpx  # noqa: PLC0415 - 100 ms that help texts do not need

        host, key = self._context.host, self._context.api_key
        if not (key.isascii() and key.isprintable()):
            raise CliError(f"The API key for {host} has characters that no key has. {CREATE_AGAIN}")
        try:
            return client.build_request(
                method,
                host + path,
                params=parameters,
                json=json,
                content=content,
                headers={"X-API-Key": key, **headers},
            )
        except httpx.InvalidURL as error:
            raise self._no_url(error) from error
        except UnicodeEncodeError as error:
            raise CliError(f"What you wrote cannot be sent: {error}. Write it in UTF-8.") from error

    def _failure(self, error: httpx.RequestError) -> CliError:
        """Return what it means for the user that a request had no answer."""
        import httpx  # noqa: PLC0415 - 100 ms that help texts do not need

        host = self._context.host
        match error:
            case httpx.UnsupportedProtocol():
                return self._no_url(error)
            case httpx.LocalProtocolError():
                return CliError(f"The request to {host} cannot be sent: {error}. {CREATE_AGAIN}")
            case httpx.ConnectTimeout():
                return UnreachableError(host, f"no connection within {CONNECT_TIMEOUT_S:g} s")
            case httpx.ConnectError():
                return UnreachableError(host, error)
            case httpx.ReadTimeout():
                return LostAnswerError(f"{host} took the request, and no answer came within {TIMEOUT_S:g} s.")
            case _:
                cause = str(error).rstrip(".") or type(error).__name__
                return LostAnswerError(f"The connection to {host} broke before an answer came: {cause}.")

    def _no_url(self, error: Exception) -> CliError:
        cause = str(error).rstrip(".")
        return CliError(f"The host {self._context.host} cannot be used: {cause}. {CREATE_AGAIN}")

    def _trace(self, line: str) -> None:
        if self._is_debugging:
            click.echo(line, err=True)


@contextmanager
def failing_with(text: str, *, missing: str | None = None) -> Iterator[None]:
    """Add a command's own *text* to what the manager says when it refuses.

    Args:
        text: What could not be done.
        missing: What is said instead when the manager knows no such thing.
    """
    try:
        yield
    except ManagerError as error:
        own = missing if missing is not None and error.status == _NOT_FOUND else text
        raise CliError(f"{error.format_message()}\n{own}") from error


def hint(text: str) -> None:
    """Say something that scripts must not see: on a terminal only."""
    if sys.stderr.isatty():
        click.echo(text, err=True)


def in_path(name: str) -> str:
    """Return *name* as a segment of a path."""
    return quote(name, safe="", errors="surrogateescape")


def _persistently(attempt: Callable[[], httpx.Response], trace: Callable[[str], None]) -> httpx.Response:
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


def _refusal(answer: httpx.Response) -> CliError:
    if answer.status_code == _UNAUTHORIZED:
        return CliError(UNAUTHORIZED)
    try:
        body = answer.json()
        text = f"{body['title']}: {body['detail']}"
    except (ValueError, KeyError, TypeError):
        where = f" (it redirects to {answer.headers['Location']})" if "Location" in answer.headers else ""
        return UnexpectedAnswerError(answer, f"{answer.status_code} and no Quick error{where}")
    return ManagerError(
        text,
        answer.status_code,
        is_passing="Retry-After" in answer.headers,
        is_spent=answer.headers.get("Quick-Command-Outcome") == "not-recorded",
    )


def _decoded(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise UnexpectedAnswerError(answer, "no JSON") from error


def _decoded_line(line: str, answer: httpx.Response) -> dict[str, Any]:
    try:
        decoded = json.loads(line)
    except ValueError:
        decoded = None
    if not isinstance(decoded, dict):
        raise UnexpectedAnswerError(answer, "something else than lines of JSON objects")
    return decoded


def _source() -> str:
    """Return who runs this program where, for a header; a process without a user name has a number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return quote(f"{user}@{platform.node()}", safe="@.", errors="surrogateescape")
