"""uvicorn's HTTP protocol, with the fast path before it.

    headers are there    may it take the fast path? a GET is answered now; of a POST the body is held
    body is there        a held POST is answered now
    otherwise            the request begins for uvicorn where it would have begun, with the body that was held

What is answered here makes no ASGI scope, no task and no event. One request of a connection is answered after the
other: while an earlier one is under way, the next one is uvicorn's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from services.fast_path import FastPath, Turn

MAX_HELD_BYTES: Final = 65_536
"""Longest body that is held: as much as uvicorn takes before it lets a client wait."""

_STATUS: Final = b"HTTP/1.1 200 OK\r\n"


class HttpProtocol(HttpToolsProtocol):
    """Serves one connection. An application without a `fast_path` is served by uvicorn alone."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._fast: FastPath | None = getattr(config.app, "fast_path", None)
        self._turn: Turn | None = None
        """Of the request whose body is held."""
        self._held = bytearray()
        self._is_answered = False
        """Whether the request that is being parsed was answered already."""

    def on_headers_complete(self) -> None:
        """Answer, hold, or let uvicorn begin."""
        turn = self._turn_of_request()
        if turn is None:
            super().on_headers_complete()
        elif turn.has_body:
            self._turn = turn
        else:
            self._answer(turn, b"")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if self._turn is None:
            super().on_body(body)
            return
        self._held += body
        if len(self._held) > MAX_HELD_BYTES:
            self._let_uvicorn_begin()

    def on_message_complete(self) -> None:
        """Answer what was held."""
        if self._turn is not None:
            self._answer(self._turn, bytes(self._held))
        if self._is_answered:
            self._is_answered = False
        else:
            super().on_message_complete()

    def shutdown(self) -> None:
        """Begin to end: a request whose body is on its way is still answered, as any other one."""
        if self._turn is not None:
            self._let_uvicorn_begin()
        super().shutdown()

    def _turn_of_request(self) -> Turn | None:
        if self._fast is None or not self._is_free():
            return None
        turn = self._fast.turn(self.parser.get_method(), self.url, self.headers)
        if turn is None or self.parser.get_http_version() != "1.1" or not self.parser.should_keep_alive():
            return None
        return turn

    def _is_free(self) -> bool:
        """Return whether an answer can be written now: no other one is due before, and the client reads them."""
        is_busy = self.cycle is not None and not self.cycle.response_complete
        return not (is_busy or self.pipeline or self.flow.write_paused or self.transport.is_closing())

    def _answer(self, turn: Turn, body: bytes) -> None:
        """Answer at once, or let uvicorn begin."""
        assert self._fast is not None, "it has given the turn"
        answer = self._fast.answer(turn, body)
        if answer is None:
            self._let_uvicorn_begin()
            return
        self._turn = None
        self._held.clear()
        self.transport.write(_STATUS + _lines(self.server_state.default_headers) + answer)
        self._is_answered = True
        self.on_response_complete()

    def _let_uvicorn_begin(self) -> None:
        """Begin the request for uvicorn, with what was held of its body."""
        self._turn = None
        super().on_headers_complete()
        if self._held:
            super().on_body(bytes(self._held))
            self._held.clear()


def _lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)
