"""Bodies of GraphQL requests: read whole and unpacked, within a bound."""

from __future__ import annotations

import zlib
from typing import Final

from falcon.asgi import Request

from services.gateway.requests import Refusal

MAX_BODY_BYTES: Final = 1_000_000
"""Longest body of a GraphQL request, as it was sent and unpacked."""

_GZIP: Final = 31
"""What zlib calls its largest window and the form of gzip."""


async def read(req: Request) -> bytes | Refusal:
    """Return the body of *req*; one that is too long is not read to its end, nor unpacked."""
    encoding = (req.get_header("Content-Encoding") or "identity").strip().lower()
    if encoding not in {"gzip", "x-gzip", "identity"}:
        return Refusal(415, f"The body is packed as {encoding:.100}, which is not read. Send it as it is, or as gzip.")
    if (req.content_length or 0) > MAX_BODY_BYTES:
        return _too_long()
    body = await req.stream.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        return _too_long()
    return body if encoding == "identity" else unpacked(body)


def unpacked(packed: bytes) -> bytes | Refusal:
    """Return what gzip packed; it may have been packed in several pieces."""
    parts: list[bytes] = []
    room = MAX_BODY_BYTES
    while packed or not parts:
        unpacker = zlib.decompressobj(_GZIP)
        try:
            part = unpacker.decompress(packed, room + 1)
        except zlib.error as error:
            return Refusal(400, f"The body is not gzip: {error}. Pack it again, or send it as it is.")
        if len(part) > room:
            return _too_long()
        if not unpacker.eof:
            return Refusal(400, "The body is not gzip: it ends too early. Pack it again, or send it as it is.")
        room -= len(part)
        parts.append(part)
        packed = unpacker.unused_data
    return b"".join(parts)


def _too_long() -> Refusal:
    return Refusal(413, f"The body is longer than {MAX_BODY_BYTES} bytes. Ask for less in one request.")
