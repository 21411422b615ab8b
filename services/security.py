"""Who may ask: one API key, in the header `X-API-Key`, on everything but health and the GraphiQL page."""

from __future__ import annotations

import hmac

import falcon
import falcon.asgi

from core.errors import UnauthorizedError

ADMINISTRATOR = "default"
"""Name under which the log knows the holder of the one key."""

_OPEN_PATHS = ("/health",)
_GATEWAY_PREFIX = "/gateway/"


class ApiKeyMiddleware:
    """Refuses requests without the key before anything is looked up: unknown paths need it too."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key.encode()

    async def process_request(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Check the key of *req*.

        Raises:
            UnauthorizedError: It is missing or wrong.
        """
        if is_open(req):
            return
        given = (req.get_header("X-API-Key") or "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._api_key):
            raise UnauthorizedError


def is_open(req: falcon.asgi.Request) -> bool:
    """Return whether anybody may send *req*: it shows a page or the health, and no data."""
    if req.path in _OPEN_PATHS:
        return True
    if req.method == "OPTIONS":
        return True  # A browser sends no key with a preflight; the answer tells nothing but the methods.
    if req.method != "GET" or not req.path.startswith(_GATEWAY_PREFIX):
        return False
    return "/graphiql" in req.path or (
        req.path.endswith("/graphql") and "query" not in req.params and "text/html" in (req.accept or "")
    )
