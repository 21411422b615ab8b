"""uvicorn's HTTP protocol, with the fast path before it.

    headers are there    may it take the fast path? a GET is answered now; of a POST the body is held
    body is there        a held POST is answered now, or when what it has begun has ended
    otherwise            the request begins for uvicorn where it would have begun, with the body that was held

What is answered here makes no task. One request of a connection is answered after the other: while an earlier one is
under way, the next one is uvicorn's, which lets it wait. So what was begun looks to uvicorn like a request of its own
whose application has not answered yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from services.fast_path import BEGUN, Begun, FastPath, Turn

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

    _TaskStarter = Callable[[RequestResponseCycle, ASGI3Application], None]

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
        self._task_starter: _TaskStarter | None = None
        """Takes the place of uvicorn's start of a task."""

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
        """Answer at once or when what was begun has ended, or let uvicorn begin."""
        assert self._fast is not None, "it has given the turn"
        answer = self._fast.answer(turn, body)
        if isinstance(answer, Begun):
            self._task_starter = partial(self._await, turn, answer)
            self._let_uvicorn_begin()
            self._task_starter = None
        elif answer is None:
            self._let_uvicorn_begin()
        else:
            self._turn = None
            self._held.clear()
            self.transport.write(_STATUS + _lines(self.server_state.default_headers) + answer)
            self._is_answered = True
            self.on_response_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self._task_starter is None:
            super()._start_asgi_task(cycle, app)
        else:
            self._task_starter(cycle, app)

    def _await(self, turn: Turn, begun: Begun, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        begun.future.add_done_callback(lambda _: self._answer_begun(turn, begun, cycle, app))

    def _answer_begun(self, turn: Turn, begun: Begun, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Answer what has ended, or let the application tell what became of it."""
        assert self._fast is not None, "it has given the turn"
        answer = self._fast.answer_of(turn, begun)
        if cycle.disconnected:
            return
        if answer is None:
            cycle.scope[BEGUN] = begun.future  # type: ignore[typeddict-unknown-key]  # ASGI lets servers add keys.
            self._start_asgi_task(cycle, app)
            return
        cycle.response_started = cycle.response_complete = True
        closing = b"" if cycle.keep_alive else b"connection: close\r\n"
        self.transport.write(_STATUS + closing + _lines(self.server_state.default_headers) + answer)
        if not cycle.keep_alive:
            self.transport.close()
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
