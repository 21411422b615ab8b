"""Bodies of requests: read whole, within a bound, as strict JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import falcon
import falcon.asgi
import msgspec

from core.errors import InvalidInputError, TooLargeError

T = TypeVar("T")

MAX_BODY_BYTES = 10 * 1024 * 1024
"""Longest body of a request."""


async def read_json(req: falcon.asgi.Request) -> Any:
    """Return the body of *req* as decoded JSON.

    Raises:
        InvalidInputError: It is no JSON; says where.
        falcon.HTTPContentTooLarge: It is longer than `MAX_BODY_BYTES`.
    """
    body = await read_body(req)
    if not body.strip():
        raise InvalidInputError("The request has no body. Send a JSON body.")
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"The body of the request is not JSON: {error}. Correct it at that place.") from error


async def read_struct(req: falcon.asgi.Request, kind: type[T]) -> T:
    """Return the body of *req* as a *kind*.

    Raises:
        InvalidInputError: It is no JSON, or lacks something; says where.
        falcon.HTTPContentTooLarge: It is longer than `MAX_BODY_BYTES`.
    """
    return as_struct(await read_json(req), kind)


def as_struct(node: Any, kind: type[T]) -> T:
    """Return a decoded body as a *kind*.

    Raises:
        InvalidInputError: It lacks something; says what.
    """
    try:
        return msgspec.convert(node, kind)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"The body of the request cannot be used: {error}.") from error


async def read_body(req: falcon.asgi.Request, on_chunk: Callable[[int], None] | None = None) -> bytes:
    """Return the whole body of *req*.

    Args:
        req: The request.
        on_chunk: Told of the size of each piece of a body whose length is not said beforehand.

    Raises:
        InvalidInputError: It was cut off.
        falcon.HTTPContentTooLarge: It is longer than `MAX_BODY_BYTES`.
    """
    refuse_too_long(req)
    length = req.content_length
    if length is not None:
        return _whole(await req.stream.readall(), length)
    chunks: list[bytes] = []
    held = 0
    async for chunk in req.stream:
        held += len(chunk)
        if held > MAX_BODY_BYTES:
            raise _too_large()
        if on_chunk is not None:
            on_chunk(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


def _whole(body: bytes, length: int) -> bytes:
    """Return *body*; a client that goes away ends it before its *length*."""
    if len(body) < length:
        raise InvalidInputError(f"The body was cut off after {len(body)} of {length} bytes. Send it again.")
    return body


def refuse_too_long(req: falcon.asgi.Request) -> None:
    """Refuse a request whose headers say that its body is too long, before anything is done for it.

    Raises:
        falcon.HTTPContentTooLarge: It is longer than `MAX_BODY_BYTES`.
    """
    length = req.content_length
    if length is not None and length > MAX_BODY_BYTES:
        raise _too_large()


def refuse_too_many(count: int, most: int) -> None:
    """Refuse a list of more than *most* elements.

    Raises:
        TooLargeError: It has more.
    """
    if count > most:
        raise TooLargeError(f"The body has {count} records, and {most} are taken at once. Send it in several requests.")


def _too_large() -> falcon.HTTPContentTooLarge:
    return falcon.HTTPContentTooLarge(
        description=f"The body is longer than {MAX_BODY_BYTES} bytes. Send it in several requests."
    )
