"""HTTPS to the API server: one pool of connections, bounds on every wait, its errors as ours.

Plain urllib3: the `kubernetes` package's dynamic client applies as fast (200 to 280 objects a second here, by either),
but takes four times as long to import, hangs in a watch on a frozen server, and keeps a cache file with a predictable
name in /tmp. Nothing is tried again here: whoever calls knows what may be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from core.errors import KubernetesUnavailableError
from k8s.credentials import Credentials
from k8s.refusals import refusal

CONNECT_TIMEOUT_S = 5.0
"""Longest wait for a connection."""

_JSON = "application/json"
_ERRORS = 400


class Connection:
    """Asks one API server as one user. Safe to use from several threads; opens nothing before the first request.

    Args:
        credentials: Where, and as whom.
        timeout_s: Seconds without a sign of life from the server after which a request is given up.
        connections: How many are kept open; more are opened when more threads ask at once.
    """

    def __init__(self, credentials: Credentials, *, timeout_s: float, connections: int) -> None:
        self.credentials = credentials
        self._timeout_s = timeout_s
        options: dict[str, Any] = {"maxsize": connections, "ssl_context": credentials.tls, "retries": False}
        if credentials.tls_server_name is not None:
            options |= {"server_hostname": credentials.tls_server_name, "assert_hostname": credentials.tls_server_name}
        self._pool = (
            urllib3.PoolManager(**options)
            if credentials.proxy is None
            else urllib3.ProxyManager(credentials.proxy, **options)
        )

    def close(self) -> None:
        """Close the connections that nobody uses now."""
        self._pool.clear()

    def ask(
        self,
        what: str,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = _JSON,
    ) -> dict[str, Any]:
        """Send a request and return the answer.

        Args:
            what: What is tried, for messages: `apply Deployment a/b`.
            method: As in HTTP.
            path: From the root of the server.
            query: Parameters; encoded here.
            body: What is sent.
            content_type: What that is.

        Raises:
            KubernetesUnavailableError: There was no answer in time, or none that can be used.
            KubernetesRefusedError: The answer is no.
            KubernetesConflictError: Somebody else has to do with the object.
            KubernetesExpiredError: The resource version is too old.
        """
        with self._answer(what, method, path, query, body, content_type, self._timeout_s) as answer:
            return self.decoded(what, answer.data)

    @contextmanager
    def lines(self, what: str, path: str, query: Mapping[str, str], silence_s: float) -> Iterator[Iterator[bytes]]:
        """Open an answer that comes line by line; leaving the block ends it.

        Args:
            what: What is tried, for messages.
            path: From the root of the server.
            query: Parameters; encoded here.
            silence_s: Seconds without a sign of life after which the server is given up.

        Raises:
            KubernetesUnavailableError, KubernetesRefusedError, KubernetesExpiredError: As `ask`.
        """
        with self._answer(what, "GET", path, query, None, _JSON, silence_s, stream=True) as answer:
            try:
                yield _lines(answer)
            finally:
                answer.close()

    def decoded(self, what: str, text: bytes) -> dict[str, Any]:
        """Return the JSON object in *text*, one line of an answer.

        Raises:
            KubernetesUnavailableError: It is none.
        """
        try:
            return msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            cause = f"what answers there does not speak its language ({text[:80]!r})"
            raise KubernetesUnavailableError(self.credentials.server, what, cause) from error

    @contextmanager
    def _answer(
        self,
        what: str,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        content_type: str,
        timeout_s: float,
        *,
        stream: bool = False,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        url = f"{self.credentials.server}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": _JSON, "Content-Type": content_type, "User-Agent": "quick"}
        if authorization := self.credentials.authorization():
            headers["Authorization"] = authorization
        try:
            answer = self._pool.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=timeout_s),
                redirect=False,
                preload_content=not stream,
            )
            if answer.status >= _ERRORS:
                raise refusal(self.credentials.server, what, answer.status, answer.data, answer.headers)
            yield answer
        except (HTTPError, OSError) as error:
            raise KubernetesUnavailableError(self.credentials.server, what, _cause(error)) from error


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for piece in answer.stream():
        *lines, rest = (rest + piece).split(b"\n")
        yield from filter(None, lines)
    if rest:
        yield rest


def _cause(error: Exception) -> str:
    """Return the innermost reason: urllib3 wraps the one that tells something."""
    inner = getattr(error, "reason", None) or error
    text = " ".join(str(inner).split())
    return text.rpartition("): ")[2] or type(error).__name__
