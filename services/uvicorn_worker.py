"""The gunicorn worker that serves ASGI by uvicorn.

uvicorn deprecates its own one, which also leaves on what costs here: an access log, and compression of WebSockets
(66 KB a socket instead of 27, and half the fan-out).
"""

from __future__ import annotations

import asyncio
import signal
import sys
from types import FrameType

import uvloop
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]  # gunicorn has no type information
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]  # as above
from uvicorn import Config, Server

from services import shutdown
from services.http_protocol import HttpProtocol

CANCEL_AFTER_S = 5
"""Seconds that requests under way get before they are cancelled: less than gunicorn's `graceful_timeout`."""


class _Server(Server):
    """Tells long answers that they are to end."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        shutdown.request()
        super().handle_exit(sig, frame)


class UvicornWorker(Worker):  # type: ignore[misc]  # a base class without type information
    """Runs one uvicorn server on gunicorn's sockets, in an event loop of its own."""

    def init_signals(self) -> None:
        """Take back gunicorn's handlers: uvicorn has its own for SIGTERM and SIGINT, the rest ends the process."""
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, self.handle_usr1)
        signal.siginterrupt(signal.SIGUSR1, False)  # noqa: FBT003 - the standard library's signature

    def run(self) -> None:
        """Serve until a signal says to end."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = _Server(self._config())
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, server.handle_exit, signal.SIGQUIT, None)
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def _config(self) -> Config:
        return Config(
            self.wsgi,
            http=HttpProtocol,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            ws_per_message_deflate=False,
            backlog=self.cfg.backlog,
            proxy_headers=False,  # Nobody asks for the address or the scheme of a client.
            timeout_keep_alive=self.cfg.keepalive,
            timeout_graceful_shutdown=CANCEL_AFTER_S,
            timeout_notify=self.timeout,
            callback_notify=self._notify,
        )

    async def _notify(self) -> None:
        self.notify()
