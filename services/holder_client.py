"""One request to one replica of a mirror, over connections that are kept open."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final, NamedTuple

import httpcore
import msgspec

CONNECT_TIMEOUT_S: Final = 1.0
"""Longest wait for a connection: within a cluster it takes milliseconds, or the other side is gone."""

ANSWER_TIMEOUT_S: Final = 7.0
"""Longest wait for a piece of the answer: more than a replica waits for a position that it is to include."""

_CONNECTIONS: Final = 64
_KEPT_OPEN_S: Final = 30.0
_MAX_DETAIL: Final = 300

_BROKEN: Final = (
    *(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError),
    *(ValueError, OverflowError),  # An address that cannot be one.
)


class NoAnswerError(Exception):
    """Raised when a replica cannot be reached, or goes away or is silent before its answer is there."""


class HolderAnswer(NamedTuple):
    """What a replica answered."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes

    def detail(self) -> str:
        """Return what an answer that is no success says."""
        try:
            return str(msgspec.json.decode(self.body)["detail"])[:_MAX_DETAIL]
        except (msgspec.DecodeError, LookupError, TypeError):
            return f"it answers {self.status}"


class HolderClient:
    """Sends requests to replicas. Safe to use from several threads; blocks.

    Nothing is opened before the first request, so that it may be made before a fork.

    Args:
        api_key: The key that all processes of a Quick share.
    """

    def __init__(self, api_key: str) -> None:
        self._headers = [(b"X-API-Key", api_key.encode("utf-8", "surrogateescape"))]
        self._lock = threading.Lock()
        self._opened: httpcore.ConnectionPool | None = None

    def post(
        self, address: str, path: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float
    ) -> HolderAnswer:
        """Send one request and return the answer, whatever its status.

        Args:
            address: `HOST:PORT`.
            path: Path of the request, encoded.
            body: Its body.
            headers: Its headers, beside the key.
            timeout_s: Longest wait for each step.

        Raises:
            NoAnswerError: There is none.
        """
        sent = [*self._headers, *((name.encode(), text.encode()) for name, text in headers.items())]
        sent += [(b"Host", address.encode()), (b"Content-Length", str(len(body)).encode())]
        step_s = max(0.001, min(timeout_s, ANSWER_TIMEOUT_S))
        timeouts = {"connect": min(step_s, CONNECT_TIMEOUT_S), "read": step_s, "write": step_s, "pool": step_s}
        try:
            answer = self._pool().request(
                "POST", f"http://{address}{path}", headers=sent, content=body, extensions={"timeout": timeouts}
            )
        except _BROKEN as error:
            raise NoAnswerError(f"{address} does not answer ({error!r:.200})") from error
        found = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in answer.headers}
        return HolderAnswer(answer.status, found, answer.content)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _pool(self) -> httpcore.ConnectionPool:
        with self._lock:
            if self._opened is None:
                self._opened = httpcore.ConnectionPool(
                    max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_KEPT_OPEN_S
                )
            return self._opened
