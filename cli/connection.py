"""One request to a service of Quick: sent with the key of a context, and what is said when it cannot be used."""

from __future__ import annotations

import functools
import getpass
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import rich_click as click

from cli.config import Context

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 60.0
"""Longest wait for an answer: a command that needs an effect in Kafka may take half of it."""

CONNECT_TIMEOUT_S = 10.0
"""Longest wait until a host takes the connection."""

KEEP_ALIVE_S = 2.0
"""Longest idle time of a connection that is used again: shorter than servers keep it, so that none is closed just when
a request is on its way, whose outcome nobody would know."""

_UNAUTHORIZED = 401
_BAD_GATEWAY = 502
"""What a proxy answers while the server behind it is being restarted; the server itself says `Retry-After`."""
_SERVER_ERRORS = 500

UNREACHABLE = "Please check your host and try again. Set the host and your API key using:\n\t$ quick context create\n"
UNAUTHORIZED = "Unauthorized.\n Your API key is invalid."
CREATE_AGAIN = "Create the context again:\n\t$ quick context create --host https://example.com --key KEY"


class CliError(click.ClickException):
    """Raised to end a command with a text on stderr and exit code 1."""

    is_passing = False
    """Whether the same request may succeed later."""


class RefusedError(CliError):
    """Raised when a server has answered that it cannot do what was asked."""

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
        """Whether the server may have done what it was asked."""


class Connection:
    """Requests to one service, with the host and the key of a context.

    Args:
        context: Returns host and key; asked when they are needed, since some commands may do without.
        url_of: Returns the address of the service that a context reaches; the manager's by default.
        is_debugging: Trace requests and answers on stderr, without the key.
    """

    def __init__(
        self,
        context: Callable[[], Context],
        url_of: Callable[[Context], str] = attrgetter("host"),
        *,
        is_debugging: bool = False,
    ) -> None:
        self._find_context = context
        self._url_of = url_of
        self._is_debugging = is_debugging

    @functools.cached_property
    def _context(self) -> Context:
        return self._find_context()

    @property
    def url(self) -> str:
        """Return the address of the service."""
        return self._url_of(self._context)

    def client(self) -> httpx.Client:
        """Return a client that keeps its connections while it is open."""
        import httpx  # noqa: PLC0415 - 100 ms that help texts do not need

        return httpx.Client(
            timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_S),
            trust_env=False,
            # Without TLS there is nothing to verify, and reading all authorities takes 20 ms.
            verify=not self.url.lower().startswith("http://"),
        )

    def exchange(self, client: httpx.Client, request: httpx.Request) -> httpx.Response:
        """Send a request and return the answer, whatever it says.

        Raises:
            UnreachableError: Nobody took the request.
            LostAnswerError: It was sent, and no answer came.
            CliError: It cannot be sent.
        """
        import httpx  # noqa: PLC0415 - 100 ms that help texts do not need

        try:
            answer = client.send(request)
        except httpx.RequestError as error:
            self.trace(f"< {type(error).__name__}: {error}")
            raise self.failure(error) from error
        self.trace(f"< {answer.status_code} {answer.text}")
        return answer

    def request(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        *,
        headers: Mapping[str, str],
        json: object = None,
        content: bytes | Iterable[bytes] | None = None,
    ) -> httpx.Request:
        """Return what is to be sent.

        Raises:
            CliError: The context, or what the user wrote, cannot be put into a request.
        """
        import httpx  # noqa: PLC0415 - 100 ms that help texts do not need

        url, key = self.url, self._context.api_key
        if not (key.isascii() and key.isprintable()):
            raise CliError(f"The API key for {url} has characters that no key has. {CREATE_AGAIN}")
        try:
            return client.build_request(
                method,
                url + path,
                params=parameters,
                json=json,
                content=content,
                headers={"X-API-Key": key, **headers},
            )
        except httpx.InvalidURL as error:
            raise self._no_url(error) from error
        except UnicodeEncodeError as error:
            raise CliError(f"What you wrote cannot be sent: {error}. Write it in UTF-8.") from error

    def failure(self, error: httpx.RequestError) -> CliError:
        """Return what it means for the user that a request had no answer."""
        import httpx  # noqa: PLC0415 - 100 ms that help texts do not need

        url = self.url
        match error:
            case httpx.UnsupportedProtocol():
                return self._no_url(error)
            case httpx.LocalProtocolError():
                return CliError(f"The request to {url} cannot be sent: {error}. {CREATE_AGAIN}")
            case httpx.ConnectTimeout():
                return UnreachableError(url, f"no connection within {CONNECT_TIMEOUT_S:g} s")
            case httpx.ConnectError():
                return UnreachableError(url, error)
            case httpx.ReadTimeout():
                return LostAnswerError(f"{url} took the request, and no answer came within {TIMEOUT_S:g} s.")
            case _:
                cause = str(error).rstrip(".") or type(error).__name__
                return LostAnswerError(f"The connection to {url} broke before an answer came: {cause}.")

    def trace(self, line: str) -> None:
        """Show *line* to who debugs."""
        if self._is_debugging:
            click.echo(line, err=True)

    def _no_url(self, error: Exception) -> CliError:
        cause = str(error).rstrip(".")
        return CliError(f"The host {self.url} cannot be used: {cause}. {CREATE_AGAIN}")


def refusal(answer: httpx.Response) -> CliError:
    """Return what an answer that is no success says."""
    if answer.status_code == _UNAUTHORIZED:
        return CliError(UNAUTHORIZED)
    try:
        body = answer.json()
        text = f"{body['title']}: {body['detail']}"
    except (ValueError, KeyError, TypeError):
        where = f" (it redirects to {answer.headers['Location']})" if "Location" in answer.headers else ""
        return UnexpectedAnswerError(answer, f"{answer.status_code} and no Quick error{where}")
    return RefusedError(
        text,
        answer.status_code,
        is_passing="Retry-After" in answer.headers,
        is_spent=answer.headers.get("Quick-Command-Outcome") == "not-recorded",
    )


def decoded(answer: httpx.Response) -> Any:
    """Return the JSON of an answer.

    Raises:
        UnexpectedAnswerError: It is none.
    """
    try:
        return answer.json()
    except ValueError as error:
        raise UnexpectedAnswerError(answer, "no JSON") from error


def source() -> str:
    """Return who runs this program where, for a header; a process without a user name has a number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return quote(f"{user}@{platform.node()}", safe="@.", errors="surrogateescape")
