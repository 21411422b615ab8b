"""Our own Graphene schema and resolvers, executed by graphql-core in the event loop, the parsed document kept."""

from __future__ import annotations

import os
from typing import Any

import falcon.asgi
import msgspec
from gateway_executors import Execute, by, open_executors

from gateway_peers.setup_file import read_setup


class Request(msgspec.Struct):
    """An operation."""

    query: str
    variables: dict[str, Any] = {}


class Resource:
    """Executes operations."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._decoder = msgspec.json.Decoder(Request)

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer one."""
        request = self._decoder.decode(await req.stream.read())
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._execute(request.query, request.variables)


def app() -> falcon.asgi.App[Any, Any]:
    """Return the application."""
    created: falcon.asgi.App[Any, Any] = falcon.asgi.App()
    created.add_route("/graphql", Resource(by(open_executors(os.environ, read_setup().gateway).generic)))
    return created
