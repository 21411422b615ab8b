"""JSON answers of gateways and mirrors, compressed for clients that take gzip.

Streams go out as they are: a client is to have each piece of them at once.
"""

from __future__ import annotations

import asyncio
import zlib
from functools import lru_cache
from typing import Final

from falcon.asgi import Request, Response

MIN_BYTES: Final = 1_024
"""Shortest answer that is worth compressing: it fits into one packet anyway."""

IN_THREAD_BYTES: Final = 64 * 1_024
"""From here on an answer is compressed in a thread; a shorter one holds the event loop for less than half a
millisecond, and the way to a thread and back takes a tenth of one."""

_PREFIXES: Final = ("/gateway/", "/mirror/")
_GZIP: Final = 31
"""What zlib calls its largest window and the form of gzip."""


class GzipMiddleware:
    """Compresses answers where the header `Accept-Encoding` allows it.

    Args:
        level: 1 to 9. Higher ones take much longer for little.
    """

    def __init__(self, level: int) -> None:
        self._level = level

    async def process_response(
        self,
        req: Request,
        resp: Response,
        resource: object,
        req_succeeded: bool,  # noqa: FBT001 - Falcon's signature
    ) -> None:
        """Replace the body of *resp* with a shorter one."""
        data = resp.data
        if data is None or len(data) < MIN_BYTES or not _is_ours(req, resp):
            return
        resp.append_header("Vary", "Accept-Encoding")
        if not takes_gzip(req.get_header("Accept-Encoding") or ""):
            return
        if len(data) < IN_THREAD_BYTES:
            resp.data = compressed(data, self._level)
        else:
            resp.data = await asyncio.to_thread(compressed, data, self._level)
        resp.set_header("Content-Encoding", "gzip")


def compressed(data: bytes, level: int) -> bytes:
    """Return *data* as gzip."""
    packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    return packer.compress(data) + packer.flush()


@lru_cache(64)
def takes_gzip(accept_encoding: str) -> bool:
    """Return whether the header *accept_encoding* prefers gzip to nothing, and does not forbid it."""
    qualities = dict(_quality(part) for part in accept_encoding.lower().split(",") if part.strip())
    gzip = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def _quality(part: str) -> tuple[str, float]:
    coding, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return coding, float(value)
            except ValueError:
                return coding, 0.0
    return coding, 1.0


def _is_ours(req: Request, resp: Response) -> bool:
    media_type = (resp.content_type or "").partition(";")[0]
    is_json = media_type == "application/json" or media_type.endswith("+json")
    return is_json and req.path.startswith(_PREFIXES) and resp.get_header("Content-Encoding") is None
