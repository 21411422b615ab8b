"""What a gateway of Quick answers beside queries: the schema that it is to serve, and its types as topics store them.

Both are the manager's: what is applied here is a command in the log like any other, and reaches every worker.
"""

from __future__ import annotations

import falcon.asgi

from services.manager.gateway_schemas import answer_write_type, apply_schema
from services.worker import Worker


class ControlSchemaResource:
    """`/gateway/{name}/control/schema`: make the gateway serve a schema."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Apply the posted schema, as the manager does."""
        await apply_schema(self._worker, req, resp, name)


class GatewayTypeResource:
    """`/gateway/{name}/schema/{type}`: a type as topics store it."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str, type_name: str) -> None:
        """Answer with `{"schema": …}`, the definition of the type."""
        await answer_write_type(self._worker, resp, name, type_name)
