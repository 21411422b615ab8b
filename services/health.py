"""`/health`: whether this worker can serve, what it cannot do now, and why.

UP          everything works
DEGRADED    reads go on; says what does not, and the way out
DOWN        503: this worker cannot serve
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import falcon
import falcon.asgi

from core.errors import QuickError, UnavailableError
from services.worker import Worker

CATCH_UP_S = 1.0
"""How far, in time, the registry may lag behind the log and still be called current."""


_MOST_NAMED = 5
"""Objects in Kubernetes that are named when they are not as they should be."""


class HealthResource:
    """Answers 200 `{"status": "UP"}` when all is well, 200 with `DEGRADED` or 503 with `DOWN` and the reason else."""

    def __init__(self, worker: Worker, gateway_troubles: Callable[[], list[str]] = list) -> None:
        self._worker = worker
        self._gateway_troubles = gateway_troubles

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with the status; open without a key, so it tells no more than what is not ready."""
        try:
            problems = [*await degradations(self._worker), *self._gateway_troubles()]
        except QuickError as error:
            resp.status = falcon.HTTP_503
            resp.media = {"status": "DOWN", "reason": str(error)}
        else:
            resp.media = {"status": "DEGRADED", "reason": "\n".join(problems)} if problems else {"status": "UP"}


async def degradations(worker: Worker) -> list[str]:
    """Return what *worker* cannot do now although it serves. Needs no thread: those may all wait for something.

    Raises:
        UnavailableError: It cannot serve; says what is not ready.
    """
    index, registry = worker.log.index, worker.views.registry
    last = index.max_notification_id() or 0
    deadline = time.monotonic() + CATCH_UP_S
    while (reached := registry.position()) < last and registry.stopped() is None:
        if time.monotonic() > deadline:
            raise UnavailableError(f"The registry is not ready: it has applied {reached} of {last} events.")
        await asyncio.sleep(0.01)
    problems = list(index.unsafe())
    if (unreadable := index.unreadable()) is not None:
        problems.append(f"Nothing is recorded. {unreadable}")
    if (reason := registry.stopped()) is not None:
        problems.append(f"The registry stands still at position {registry.position()}: {reason}")
    for status in worker.views.status.unsafe():
        problems += (f"Writes to topic {status.name} are refused. {danger}" for danger in status.dangers)
    if troubled := worker.views.status.troubled():
        places = ", ".join(f"{one.kind} {one.name}" for one in troubled[:_MOST_NAMED])
        problems.append(f"Not as declared in Kubernetes: {places}. For the reasons: quick status")
    if (freshness := worker.views.freshness) is not None:
        problems += (
            f"A mirror stands still, and answers with what it has. {trouble}" for trouble in freshness.troubles()
        )
    return problems
