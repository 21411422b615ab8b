"""Gateways as the commands use them: answers of GraphQL as the server has sent them.

A query is asked again when the server does not answer now. A mutation is sent once: where its answer is lost, nobody
knows whether it was carried out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from cli.client import in_path, persistently
from cli.connection import Connection, UnexpectedAnswerError, refusal

if TYPE_CHECKING:
    import httpx

_MAY_WRITE = re.compile(r"\bmutation\b")
"""What no text without mutations holds, but in a comment, a string or a name: being careful does no harm."""


class Place(msgspec.Struct, frozen=True):
    """A place in the text of an operation, from 1."""

    line: int
    column: int


class ErrorOfAnswer(msgspec.Struct, frozen=True):
    """One error of an answer."""

    message: str
    locations: list[Place] = []
    path: list[str | int] | None = None

    def __str__(self) -> str:
        """Return the message; with its place where it is about the operation itself, and not about a value."""
        if self.path is not None or not self.locations:
            return self.message
        place = self.locations[0]
        return f"{self.message} (line {place.line}, column {place.column})"


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What GraphQL answers with."""

    data: msgspec.Raw = msgspec.Raw(b"")
    """As it was sent; empty where nothing was executed."""
    errors: list[ErrorOfAnswer] = []


class Gateways:
    """The gateways of one context."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, gateway: str, operation: Mapping[str, Any]) -> tuple[Answer, bytes]:
        """Send an operation; return the answer, and its text as it was sent.

        Args:
            gateway: Name of the gateway.
            operation: `query`, and where they are needed `variables`, `operationName` and `extensions`.

        Raises:
            RefusedError: The gateway refused the request.
            CliError: It could not be reached, or answered something else.
        """
        path = f"/{in_path(gateway)}/graphql"
        if _MAY_WRITE.search(operation["query"]):
            answer = self._send(path, operation)
        else:
            answer = persistently(lambda: self._send(path, operation), self._connection.trace)
        decoded = _decoded(answer)
        if decoded is None:
            raise UnexpectedAnswerError(answer, "something else than GraphQL does")
        return decoded, answer.content

    def _send(self, path: str, operation: Mapping[str, Any]) -> httpx.Response:
        self._connection.trace(f"> POST {self._connection.url}{path} {operation}")
        with self._connection.client() as client:
            headers = {"Accept": "application/json"}
            request = self._connection.request(client, "POST", path, {}, json=dict(operation), headers=headers)
            answer = self._connection.exchange(client, request)
        if answer.is_success or _decoded(answer) is not None:
            return answer
        raise refusal(answer)


def _decoded(answer: httpx.Response) -> Answer | None:
    """Return an answer of GraphQL, whatever its status; `None` for anything else."""
    try:
        decoded = msgspec.json.decode(answer.content, type=Answer)
    except msgspec.DecodeError:
        return None
    return decoded if decoded.errors or bytes(decoded.data) else None
