"""The mirror service as the commands use it: values as the JSON that the server has sent, never decoded and re-made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from cli.client import in_path, persistently
from cli.connection import Connection, UnexpectedAnswerError, refusal

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

KEYS_AT_ONCE = 1000
"""Keys of one request, at most; the server takes more."""

PAGE_LIMIT = 1000
"""Entries of one page: few enough to be held at once."""


class Pair(msgspec.Struct, frozen=True):
    """One entry."""

    key: msgspec.Raw
    value: msgspec.Raw


class Values(msgspec.Struct, frozen=True):
    """The values of some keys, in their order."""

    value: list[msgspec.Raw]
    """JSON null for a key that does not exist."""
    missing: list[str] = []


class Side(msgspec.Struct, frozen=True, rename="camel"):
    """What the keys or the values of a topic are; the schema is the one that records are written with now."""

    type: str
    schema_id: int | None = None
    schema_type: str | None = None
    schema: str | None = None
    sdl: str | None = None


class Lag(msgspec.Struct, frozen=True):
    """How far a mirror is behind its topic; `None` where that is not known."""

    records: int | None
    seconds: float | None


class Rebuild(msgspec.Struct, frozen=True, rename="camel"):
    """How far the copy is that is built to take the place of the one that answers."""

    records: int
    bytes: int
    share: float
    eta_seconds: float | None


class Status(msgspec.Struct, frozen=True):
    """What a mirror holds, as far as a dump of it depends on that."""

    keys: Side
    values: Side
    entries: int


class Standing(msgspec.Struct, frozen=True, rename="camel"):
    """How a mirror stands on the machine that answers."""

    state: str
    trouble: str | None
    rebuild: Rebuild | None
    incomplete_before: dict[str, int]
    lag: Lag
    entries: int
    bytes: int
    skipped: int
    unindexed: int


class _Page(msgspec.Struct, frozen=True):
    value: list[Pair]
    next: str | None


class _Rows(msgspec.Struct, frozen=True):
    value: list[msgspec.Raw]


class Mirror:
    """The mirror of one topic. Whatever is asked is asked again when the server does not answer now.

    Every method raises `RefusedError` where the server refuses, and `CliError` where it cannot be reached or answers
    something else.

    Args:
        connection: Of the mirror service.
        client: Kept open.
        topic: Name of the topic.
    """

    def __init__(self, connection: Connection, client: httpx.Client, topic: str) -> None:
        self._connection = connection
        self._client = client
        self._path = f"/{in_path(topic)}"

    def values(self, keys: Sequence[str]) -> Values:
        """Return the values of *keys*, which are written as in an address, in one moment or several."""
        found: list[msgspec.Raw] = []
        missing: list[str] = []
        for start in range(0, len(keys), KEYS_AT_ONCE):
            body = {"ids": keys[start : start + KEYS_AT_ONCE]}
            some = self._ask("POST", "/mirror/batch", {}, Values, body)
            found += some.value
            missing += some.missing
        return Values(found, missing)

    def range(self, key: str, parameters: Mapping[str, str]) -> list[msgspec.Raw]:
        """Return the values of *key* in a range, in the order of its field."""
        return self._ask("GET", "/range", {"key": key, **parameters}, _Rows).value

    def pages(self) -> Iterator[list[Pair]]:
        """Yield all entries by key, page by page."""
        parameters = {"keys": "true", "limit": str(PAGE_LIMIT)}
        while True:
            page = self._ask("GET", "/mirror", parameters, _Page)
            yield page.value
            if page.next is None:
                return
            parameters["after"] = page.next

    def status(self) -> Status:
        """Return what the mirror holds."""
        return self._ask("GET", "/status", {}, Status)

    def standing(self) -> Standing:
        """Return how the mirror stands."""
        return self._ask("GET", "/status", {}, Standing)

    def _ask(self, method: str, path: str, parameters: Mapping[str, str], kind: type[T], body: Any = None) -> T:
        answer = persistently(lambda: self._send(method, path, parameters, body), self._connection.trace)
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.DecodeError as error:
            raise UnexpectedAnswerError(answer, f"something else than a mirror does ({error})") from error

    def _send(self, method: str, path: str, parameters: Mapping[str, str], body: Any) -> httpx.Response:
        self._connection.trace(f"> {method} {self._connection.url}{self._path}{path} {parameters or ''}")
        request = self._connection.request(
            self._client, method, self._path + path, parameters, json=body, headers={"Accept": "application/json"}
        )
        answer = self._connection.exchange(self._client, request)
        if answer.is_success:
            return answer
        raise refusal(answer)


class Mirrors:
    """The mirror service of one context."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def of(self, topic: str) -> Iterator[Mirror]:
        """Keep a connection for what is asked of one mirror."""
        with self._connection.client() as client:
            yield Mirror(self._connection, client, topic)
