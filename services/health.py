"""`/health`: whether this worker can serve, and why not."""

from __future__ import annotations

import asyncio
import time

import falcon
import falcon.asgi

from core.errors import QuickError, UnavailableError
from services.worker import Worker

CATCH_UP_S = 1.0
"""How far, in time, the registry may lag behind the log and still be called current."""


class HealthResource:
    """Answers 200 `{"status":"UP"}` when log, registry and HTTP are ready, else 503 with the reason."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with the status; open without a key, so it tells no more than what is not ready."""
        try:
            await check(self._worker)
        except QuickError as error:
            resp.status = falcon.HTTP_503
            resp.media = {"status": "DOWN", "reason": str(error)}
        else:
            resp.media = {"status": "UP"}


async def check(worker: Worker) -> None:
    """Make sure that *worker* can serve. Needs no thread: those may all wait for something.

    Raises:
        UnavailableError: It cannot; says what is not ready.
    """
    last = worker.commands.command_log.index.max_notification_id() or 0
    deadline = time.monotonic() + CATCH_UP_S
    while (reached := worker.views.registry.position()) < last:
        if time.monotonic() > deadline:
            raise UnavailableError(f"The registry is not ready: it has applied {reached} of {last} events.")
        await asyncio.sleep(0.01)
