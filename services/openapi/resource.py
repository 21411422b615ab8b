"""`/openapi.json`: the description, for anybody."""

from __future__ import annotations

import hashlib

import falcon
import falcon.asgi

from services.openapi.document import encoded


class OpenApiResource:
    """Answers with the description, made once.

    Args:
        with_schema_registry: Whether schemas are registered here, not at another registry.
    """

    def __init__(self, *, with_schema_registry: bool) -> None:
        self._body = encoded(with_schema_registry=with_schema_registry)
        self._etag = falcon.ETag(hashlib.sha256(self._body).hexdigest()[:32])

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with it, or that the caller has it already; open without a key."""
        resp.etag = self._etag
        if any(known in ("*", self._etag) for known in req.if_none_match or ()):
            resp.status = falcon.HTTP_304
            return
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._body
