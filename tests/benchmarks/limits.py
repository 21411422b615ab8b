"""The raw limits of the services: Falcon endpoints in the same server that do next to nothing."""

from __future__ import annotations

import falcon.asgi
import msgspec


class ParseOnly:
    """Reads and parses the body that the ingest service would take."""

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with as many bytes as the ingest service."""
        msgspec.json.decode(await req.stream.read())
        resp.content_type = falcon.MEDIA_JSON
        resp.data = b'{"position":"kgQwNzE2MTUtMjI0YTY1ZC0xMjM0NTY3ODkwMTIz"}'


class Empty:
    """Does nothing."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer without a body."""


def app() -> falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]:
    """Return the application."""
    created: falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response] = falcon.asgi.App()
    created.add_route("/parse", ParseOnly())
    created.add_route("/empty", Empty())
    return created
