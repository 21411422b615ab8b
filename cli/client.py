"""The manager's REST API as the commands use it, and what is said when it cannot be used."""

from __future__ import annotations

import functools
import getpass
import os
import platform
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import rich_click as click

from cli.config import Config, Context, config_path
from core.errors import QuickError

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 60.0
"""Longest wait for an answer: a command that needs an effect in Kafka may take half of it."""

NOT_INITIALIZED = "Not initialized.\nPlease run:\n\t$ quick context create\nto set your host and API key."
UNREACHABLE = "Please check your host and try again. Set the host and your API key using:\n\t$ quick context create\n"
UNAUTHORIZED = "Unauthorized.\n Your API key is invalid."


class CliError(click.ClickException):
    """Raised to end a command with a text on stderr and exit code 1."""


class ManagerError(CliError):
    """Raised when the manager has answered that it cannot do what was asked."""


class Manager:
    """The manager of one context.

    Args:
        context: Host and key.
        is_debugging: Trace requests and answers on stderr, without the key.
    """

    def __init__(self, context: Context, *, is_debugging: bool = False) -> None:
        self._context = context
        self._is_debugging = is_debugging

    def get(self, path: str, **parameters: str) -> Any:
        """Return the decoded answer to a question.

        Raises:
            ManagerError: The manager refused.
            CliError: It could not be reached, or answered something else.
        """
        return _decoded(self._send("GET", path, parameters))

    def change(
        self, method: str, path: str, body: object = None, *, reason: str | None = None, **parameters: str
    ) -> None:
        """Send a command, with who sends it and why.

        Raises:
            ManagerError: The manager refused.
            CliError: It could not be reached, or answered something else.
        """
        headers = {"Quick-Command-Id": str(uuid.uuid4()), "Quick-Source": quote(_source(), safe="@.")}
        if reason is not None:
            headers["Quick-Reason"] = quote(reason)
        self._send(method, path, parameters, body, headers)

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
        except (httpx.TransportError, httpx.InvalidURL, UnicodeEncodeError) as error:
            self._trace(f"< {type(error).__name__}: {error}")
            raise CliError(UNREACHABLE) from error
        self._trace(f"< {answer.status_code} {answer.text}")
        if answer.is_success:
            return answer
        raise _refusal(answer)

    def _trace(self, line: str) -> None:
        if self._is_debugging:
            click.echo(line, err=True)


def manager_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every command that talks to the manager, and pass it as `manager`."""

    @functools.wraps(command)
    def with_manager(*, debug: bool, context: str | None, **options: Any) -> None:
        command(manager=Manager(chosen_context(context), is_debugging=debug), **options)

    for add in (
        click.option("--debug", is_flag=True, help="Trace requests and answers."),
        click.option("--context", metavar="NAME", help="Context to use instead of the current one."),
    ):
        with_manager = add(with_manager)
    return with_manager


def message_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `-m`, which tells the log why."""
    option = click.option("-m", "--message", "reason", metavar="TEXT", help="Why; it is kept in the log.")
    return option(command)


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
