"""The manager's REST API as the commands use it, and what is said when it cannot be used."""

from __future__ import annotations

import functools
import getpass
import itertools
import json
import os
import platform
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import rich_click as click

from cli.config import Config, Context, config_path
from core.errors import QuickError

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 60.0
"""Longest wait for an answer: a command that needs an effect in Kafka may take half of it."""

RETRY_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Pauses before a request is sent again that had no answer, or one that says to come again."""

_BAD_GATEWAY = 502
"""What a proxy answers while the server behind it is being restarted; the server itself says `Retry-After`."""

RETRY_FOR_S = 15.0
"""After so long no further attempt is made."""

LOST_ANSWER = "The connection broke several times before an answer came."
NOT_INITIALIZED = "Not initialized.\nPlease run:\n\t$ quick context create\nto set your host and API key."
UNREACHABLE = "Please check your host and try again. Set the host and your API key using:\n\t$ quick context create\n"
UNAUTHORIZED = "Unauthorized.\n Your API key is invalid."


_NONE: Mapping[str, str] = {}


class CliError(click.ClickException):
    """Raised to end a command with a text on stderr and exit code 1."""


class ManagerError(CliError):
    """Raised when the manager has answered that it cannot do what was asked."""


class _TryAgainError(Exception):
    """Raised for an attempt that may succeed when it is repeated; *final* is what is said when it does not."""

    def __init__(self, final: CliError, *, is_spent: bool = False) -> None:
        self.final = final
        self.is_spent = is_spent
        """Whether the command id was given up: it has to be a new one."""


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
        return _decoded(self._persistently(lambda: self._send("GET", path, parameters)))

    def change(self, method: str, path: str, body: object = None, *, why: Why, **parameters: str) -> Any:
        """Send a command, with who sends it and why; return the decoded answer, `None` for an empty one.

        An answer that is lost is asked for again with the same command id, so that the command is recorded once.

        Raises:
            ManagerError: The manager refused.
            CliError: It could not be reached, or answered something else.
        """
        headers = {"Quick-Source": quote(_source(), safe="@."), "Quick-Command-Id": why.command_id or str(uuid.uuid4())}
        if why.reason is not None:
            headers["Quick-Reason"] = quote(why.reason)
        if trace := os.environ.get("TRACEPARENT"):
            headers["traceparent"] = trace

        def attempt() -> httpx.Response:
            try:
                return self._send(method, path, parameters, body, headers)
            except _TryAgainError as error:
                if error.is_spent:
                    headers["Quick-Command-Id"] = str(uuid.uuid4())
                raise

        try:
            answer = self._persistently(attempt)
        except LostAnswerError as error:
            raise LostAnswerError(
                f"{error.format_message()} The command may have been recorded. To find out, repeat it with:"
                f" --command-id {headers['Quick-Command-Id']}"
            ) from error
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
        headers = {"X-API-Key": self._context.api_key, "Quick-Source": quote(_source(), safe="@.")}
        try:
            with (
                httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client,
                client.stream(
                    method, self._context.host + path, params=parameters, content=content, headers=headers
                ) as answer,
            ):
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer)
                yield answer
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, UnicodeEncodeError) as error:
            raise CliError(UNREACHABLE) from error
        except httpx.TransportError as error:
            raise CliError(f"The connection broke before the end of the answer ({error}). Try again.") from error

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
                decoded = json.loads(line)
                self._trace(f"< {line}")
                if "error" in decoded:
                    raise ManagerError(decoded["error"])
                is_complete = "result" in decoded
                yield decoded
        if not is_complete:
            raise CliError("The server ended the answer before its result. Its log tells why.")

    def _persistently(self, attempt: Callable[[], httpx.Response]) -> httpx.Response:
        """Make *attempt* until it succeeds, fails for good, or was made often enough.

        A first attempt that cannot even connect fails at once: most likely the address is wrong.
        """
        deadline = time.monotonic() + RETRY_FOR_S
        for number in itertools.count():
            is_last = number == len(RETRY_PAUSES_S) or time.monotonic() > deadline
            try:
                return attempt()
            except _TryAgainError as error:
                if is_last:
                    raise error.final from error
            except UnreachableError:
                if number == 0 or is_last:
                    raise
            self._trace(f"! trying again in {RETRY_PAUSES_S[number]} s")
            time.sleep(RETRY_PAUSES_S[number])
        raise AssertionError("the last attempt returns or raises")

    def _send(
        self,
        method: str,
        path: str,
        parameters: dict[str, str],
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        import httpx  # noqa: PLC0415 - 100 ms that help texts do not need

        url = self._context.host + path
        self._trace(f"> {method} {url} {parameters or ''} {'' if body is None else body}")
        try:
            answer = httpx.request(
                method,
                url,
                params=parameters,
                json=body,
                headers={"X-API-Key": self._context.api_key, **(headers or {})},
                timeout=TIMEOUT_S,
                trust_env=False,
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, UnicodeEncodeError) as error:
            self._trace(f"< {type(error).__name__}: {error}")
            raise UnreachableError(UNREACHABLE) from error
        except httpx.TransportError as error:
            self._trace(f"< {type(error).__name__}: {error}")
            raise _TryAgainError(LostAnswerError(LOST_ANSWER)) from error
        self._trace(f"< {answer.status_code} {answer.text}")
        if answer.is_success:
            return answer
        if answer.status_code == _BAD_GATEWAY or "Retry-After" in answer.headers:
            raise _TryAgainError(_refusal(answer), is_spent=answer.headers.get("Quick-Command-Outcome") is not None)
        raise _refusal(answer)

    def _trace(self, line: str) -> None:
        if self._is_debugging:
            click.echo(line, err=True)


class UnreachableError(CliError):
    """Raised when nobody listens at the host."""


class LostAnswerError(CliError):
    """Raised when a request was sent and no answer came, several times."""


def manager_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every command that talks to the manager, and pass it as `manager`."""

    @functools.wraps(command)
    def with_manager(*, debug: bool, context: str | None, **options: Any) -> None:
        command(manager=Manager(lambda: chosen_context(context), is_debugging=debug), **options)

    for add in (
        click.option("--debug", is_flag=True, help="Trace requests and answers."),
        click.option("--context", metavar="NAME", help="Context to use instead of the current one."),
    ):
        with_manager = add(with_manager)
    return with_manager


def command_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `-m`, which tells the log why, and what repeats a command; passed as `why`."""

    @functools.wraps(command)
    def with_why(*, reason: str | None, command_id: str | None, **options: Any) -> None:
        command(why=Why(reason, command_id), **options)

    for add in (
        click.option("--command-id", metavar="ID", help="Repeat a command whose answer was lost: it is recorded once."),
        click.option("-m", "--message", "reason", metavar="TEXT", help="Why; it is kept in the log."),
    ):
        with_why = add(with_why)
    return with_why


def chosen_context(name: str | None) -> Context:
    """Return the context of that name, or the current one.

    Raises:
        CliError: There is no such context, or none at all.
    """
    config = load_config()
    if config is None:
        raise CliError(NOT_INITIALIZED)
    chosen = config.current if name is None else name
    if chosen is None or chosen not in config.contexts:
        raise CliError(f"Context {chosen} not found")
    return config.contexts[chosen]


def load_config() -> Config | None:
    """Return the configuration, `None` when there is none.

    Raises:
        CliError: It cannot be used.
    """
    try:
        return Config.load(config_path(os.environ))
    except QuickError as error:
        raise CliError(str(error)) from error


@contextmanager
def failing_with(text: str) -> Iterator[None]:
    """Add a command's own *text* to what the manager says when it refuses."""
    try:
        yield
    except ManagerError as error:
        raise CliError(f"{error.format_message()}\n{text}") from error


def hint(text: str) -> None:
    """Say something that scripts must not see: on a terminal only."""
    if sys.stderr.isatty():
        click.echo(text, err=True)


def in_path(name: str) -> str:
    """Return *name* as a segment of a path."""
    return quote(name, safe="")


def _refusal(answer: httpx.Response) -> CliError:
    if answer.status_code == 401:  # noqa: PLR2004 - RFC 9110
        return CliError(UNAUTHORIZED)
    try:
        body = answer.json()
        return ManagerError(f"{body['title']}: {body['detail']}")
    except (ValueError, KeyError, TypeError):
        return CliError(
            f"Unexpected answer: {answer.request.url} answered {answer.status_code} and no Quick error."
            " Check the host of your context."
        )


def _decoded(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise CliError(
            f"Unexpected answer: {answer.request.url} answered no JSON. Check the host of your context."
        ) from error


def _source() -> str:
    """Return who runs this program where; a process without a user name has a number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{platform.node()}"
