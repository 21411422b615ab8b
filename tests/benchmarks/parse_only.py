"""The raw limit of the ingest service: a Falcon endpoint that reads and parses the same body, and nothing else."""

from __future__ import annotations

import falcon.asgi
import msgspec


class ParseOnly:
    """Parses."""

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with as many bytes as the ingest service."""
        msgspec.json.decode(await req.stream.read())
        resp.content_type = falcon.MEDIA_JSON
        resp.data = b'{"position":"kgQwNzE2MTUtMjI0YTY1ZC0xMjM0NTY3ODkwMTIz"}'


def app() -> falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]:
    """Return the application."""
    created: falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response] = falcon.asgi.App()
    created.add_route("/", ParseOnly())
    return created
