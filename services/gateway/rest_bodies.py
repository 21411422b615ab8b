"""Reading the body of an answer, unpacked, without ever holding more of it than is allowed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

ENCODINGS: Final = "gzip"
"""What a service may pack its answers with, as the header `Accept-Encoding` has it."""

_GZIP: Final = frozenset({"gzip", "x-gzip"})
_PLAIN: Final = frozenset({"", "identity"})


class BodyError(Exception):
    """Raised when a body cannot be read; the message ends a sentence about the service."""


class BodyTooLongError(BodyError):
    """Raised when a body is longer than allowed; `begin` is the part that was read."""

    def __init__(self, limit: int, begin: bytes) -> None:
        self.begin = begin
        super().__init__(f"answered with more than {limit} bytes")


def read(chunks: Iterable[bytes], encoding: str, limit: int) -> bytes:
    """Return the body that *chunks* make up, unpacked.

    Args:
        chunks: What is received; no more is taken than needed to see that it is too much.
        encoding: The header `Content-Encoding`, empty where there is none.
        limit: Longest body in bytes, both as received and as unpacked.

    Raises:
        BodyTooLongError: It is longer.
        BodyError: It is packed otherwise than asked for, or broken.
    """
    name = encoding.strip().lower()
    if name in _PLAIN:
        return _plain(chunks, limit)
    if name in _GZIP:
        return _unpacked(chunks, limit)
    raise BodyError(f"packed its answer as {encoding[:40]!r}, but only {ENCODINGS} was asked for")


def _plain(chunks: Iterable[bytes], limit: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise BodyTooLongError(limit, bytes(body[:limit]))
    return bytes(body)


def _unpacked(chunks: Iterable[bytes], limit: int) -> bytes:
    body = bytearray()
    received = 0
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in chunks:
        received += len(chunk)
        try:
            body += unpacker.decompress(chunk, limit + 1 - len(body))  # never 0, which would mean: without a limit
        except zlib.error as error:
            raise BodyError("answered with broken gzip") from error
        if len(body) > limit or received > limit:
            raise BodyTooLongError(limit, bytes(body[:limit]))
        if unpacker.unused_data:
            raise BodyError("answered with more behind its gzip")
    if received and not unpacker.eof:
        raise BodyError("answered with gzip that is cut off")
    return bytes(body)
