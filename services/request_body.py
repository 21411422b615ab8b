"""Bodies of requests: read whole, within a bound, as strict JSON."""

from __future__ import annotations

from typing import Any, TypeVar

import falcon
import falcon.asgi
import msgspec

from core.errors import InvalidInputError

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


async def read_body(req: falcon.asgi.Request) -> bytes:
    """Return the whole body of *req*.

    Raises:
        falcon.HTTPContentTooLarge: It is longer than `MAX_BODY_BYTES`.
    """
    length = req.content_length
    if length is not None and length > MAX_BODY_BYTES:
        raise _too_large()
    chunks: list[bytes] = []
    held = 0
    async for chunk in req.stream:
        held += len(chunk)
        if held > MAX_BODY_BYTES:
            raise _too_large()
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large() -> falcon.HTTPContentTooLarge:
    return falcon.HTTPContentTooLarge(
        description=f"The body is longer than {MAX_BODY_BYTES} bytes. Send it in several requests."
    )
