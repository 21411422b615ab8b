"""What pages of other origins may do from within a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from falcon import CORSMiddleware
from falcon.asgi import Request, Response

from services.errors import OUTCOME_HEADER
from services.mirrors.freshness import LAG_HEADER, POSITION_HEADER

EXPOSED: Final = (POSITION_HEADER, LAG_HEADER, OUTCOME_HEADER, "Retry-After", "Location")
"""Headers of answers that a page may read."""


class OriginsMiddleware(CORSMiddleware[Request, Response]):
    """Answers preflights, and tells browsers which origins may read answers. Credentials are never allowed.

    Whichever headers a preflight asks for may be sent, `X-API-Key` and `Quick-At-Least` among them: a header gives no
    rights but by the key in it.

    Args:
        origins: As in `Settings.cors_origins`.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._is_for_all = _are_all(origins)
        super().__init__(allow_origins="*" if self._is_for_all else origins, expose_headers=EXPOSED)

    async def process_response_async(self, req: Request, resp: Response, resource: object, req_succeeded: bool) -> None:  # noqa: FBT001 - Falcon's signature
        """Add the headers; where an answer depends on the origin, caches are told so."""
        if not self._is_for_all:
            resp.append_header("Vary", "Origin")
        self.process_response(req, resp, resource, req_succeeded)


def vary_lines(origins: Sequence[str]) -> bytes:
    """Return what the middleware adds to answers of requests that come from no page, as it goes over the wire."""
    return b"" if _are_all(origins) else b"vary: Origin\r\n"


def _are_all(origins: Sequence[str]) -> bool:
    return tuple(origins) == ("*",)
