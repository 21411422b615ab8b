"""`/manager/declarations`: everything that is declared to run, in one answer, for whoever deploys it."""

from __future__ import annotations

from functools import partial

import falcon.asgi
import msgspec

from projections.declarations import NOUNS, Declarations
from services.manager.moments import registry_at
from services.worker import Worker


class DeclarationsResource:
    """The rows of the registry, as they are kept: with what other answers leave out, such as a tag that is not set."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with what is declared, or was."""
        worker = self._worker
        registry = await registry_at(worker, req, *NOUNS)
        declared = await worker.in_thread(partial(Declarations.of, registry, worker.views.folder.identity))
        resp.data = await worker.in_thread(partial(msgspec.json.encode, declared))
