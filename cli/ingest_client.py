"""The ingest service as the commands use it: batches, what is tried again, and what became of each record.

Nothing is repeated whose outcome is unknown: only a refusal for now (`Retry-After`), and a host that does not take the
connection after it took others.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
import rich_click as click

from cli.client import hint, in_path
from cli.connection import (
    CliError,
    Connection,
    LostAnswerError,
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
    refusal,
    source,
)

if TYPE_CHECKING:
    import httpx

MAX_PAUSE_S = 30.0
"""Longest pause before a batch is sent again, whatever the server asks for."""

DEFAULT_PAUSE_S = 1.0
"""Pause where the server does not say for how long, or not in seconds."""

JITTER = 0.25
"""Part of a pause that is added at random, so that many clients do not come back at once."""

_NOT_NOW = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class NotAcknowledgedError(CliError):
    """Raised when a batch was not acknowledged, and no record of it is to blame."""


@dataclass(frozen=True)
class Outcome:
    """What became of the records of one batch, by their indexes in it."""

    errors: Mapping[int, str]
    """Why the server does not take these."""
    written: frozenset[int]
    """These are in the topic, or could be written where that was the question."""
    position: str | None
    """Of the batch; `None` when it was refused."""
    has_verdicts: bool
    """Whether the server knows what verdicts are."""


class IngestSession:
    """Requests to the ingest service over one connection, one after another.

    Args:
        connection: Of the ingest service.
        client: Kept open.
        retry_for_s: How long a batch is sent again that the server does not take now.
    """

    def __init__(self, connection: Connection, client: httpx.Client, *, retry_for_s: float) -> None:
        self._connection = connection
        self._client = client
        self._retry_for_s = retry_for_s
        self._was_reached = False
        self.may_be_written = False
        """Whether the last batch may be in the topic: it was sent, and no answer says otherwise."""

    def send(self, method: str, topic: str, items: Sequence[bytes], parameters: Mapping[str, str]) -> Outcome:
        """Send a batch, whose items are JSON, until the server says what became of it.

        Raises:
            NotAcknowledgedError: It refuses the batch as a whole, or still does not take it.
            CliError: It cannot be reached, or answered something else.
        """
        self.may_be_written = False
        body = b"[%b]" % b",".join(items)
        path = f"/{in_path(topic)}"
        self._connection.trace(
            f"> {method} {self._connection.url}{path} {parameters or ''} {len(items)} records, {len(body)} bytes"
        )
        deadline: float | None = None
        while True:
            try:
                answer = self._exchange(method, path, body, parameters)
                if answer.status_code not in _NOT_NOW or "Retry-After" not in answer.headers:
                    return self._outcome(answer, len(items))
                failure, pause_s = refusal(answer), _asked_pause_s(answer)
            except UnreachableError as error:
                if not self._was_reached:
                    raise
                failure, pause_s = error, DEFAULT_PAUSE_S
            pause_s *= 1 + random.random() * JITTER  # noqa: S311 - no secret
            if deadline is None:
                deadline = time.monotonic() + self._retry_for_s
                hint(f"{_brief(failure)} Trying again for {self._retry_for_s:g} s.")
            if time.monotonic() + pause_s > deadline:
                raise NotAcknowledgedError(f"{failure.format_message()}\nThat was so for {self._retry_for_s:g} s.")
            self._connection.trace(f"! trying again in {pause_s:.1f} s")
            time.sleep(pause_s)

    def _exchange(self, method: str, path: str, body: bytes, parameters: Mapping[str, str]) -> httpx.Response:
        headers = {"Quick-Source": source(), "Content-Type": "application/json"}
        request = self._connection.request(self._client, method, path, parameters, content=body, headers=headers)
        was_unknown, self.may_be_written = self.may_be_written, True
        try:
            answer = self._connection.exchange(self._client, request)
        except LostAnswerError:
            raise
        except CliError:
            self.may_be_written = was_unknown
            raise
        self._was_reached = True
        if HTTPStatus.BAD_REQUEST <= answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            self.may_be_written = was_unknown
        return answer

    def _outcome(self, answer: httpx.Response, count: int) -> Outcome:
        try:
            body = msgspec.json.decode(answer.content, type=_Body)
        except msgspec.DecodeError as error:
            if answer.is_success:
                raise UnexpectedAnswerError(answer, "nothing that says what was written") from error
            raise _as_a_whole(answer) from error
        verdicts = [verdict for verdict in body.verdicts or () if verdict.index < count]
        errors = {verdict.index: verdict.error.text() for verdict in verdicts if verdict.error is not None}
        if answer.is_success:
            written = frozenset(range(count)) - errors.keys()
            return Outcome(errors, written, body.position, body.verdicts is not None)
        if not errors or answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _as_a_whole(answer)
        written = frozenset(verdict.index for verdict in verdicts if verdict.offset is not None)
        return Outcome(errors, written, body.position, has_verdicts=True)


class Ingest:
    """The ingest service of one context."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def session(self, *, retry_for_s: float) -> Iterator[IngestSession]:
        """Keep a connection for many batches."""
        with self._connection.client() as client:
            yield IngestSession(self._connection, client, retry_for_s=retry_for_s)


class _VerdictError(msgspec.Struct):
    detail: str
    path: str | None = None
    expected: str | None = None
    found: str | None = None

    def text(self) -> str:
        pieces = [f"{label} {piece}" for label, piece in (("expected", self.expected), ("found", self.found)) if piece]
        where = ": ".join(filter(None, (f"at {self.path}" if self.path else "", ", ".join(pieces))))
        return f"{self.detail} ({where})" if where else self.detail


class _Verdict(msgspec.Struct):
    index: int
    offset: int | None = None
    error: _VerdictError | None = None


class _Body(msgspec.Struct):
    position: str | None = None
    verdicts: list[_Verdict] | None = None


def _as_a_whole(answer: httpx.Response) -> CliError:
    error = refusal(answer)
    return NotAcknowledgedError(error.format_message()) if isinstance(error, RefusedError) else error


def _asked_pause_s(answer: httpx.Response) -> float:
    try:
        asked = float(answer.headers["Retry-After"])
    except ValueError:
        return DEFAULT_PAUSE_S
    return min(max(asked, 0.0), MAX_PAUSE_S)


def _brief(error: click.ClickException) -> str:
    return error.brief if isinstance(error, UnreachableError) else error.format_message()
