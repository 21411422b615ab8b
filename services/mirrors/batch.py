"""The values of many keys in one request: JSON for people, bytes for gateways."""

from __future__ import annotations

from typing import Any, Final

import falcon
import falcon.asgi
import msgspec

from core.errors import InvalidInputError
from services.mirrors.entry_frames import MEDIA_TYPE, decode_keys, encode_entries
from services.mirrors.finding import Found, Mirrors
from services.mirrors.keys import MAX_KEYS, key_bytes
from services.mirrors.values import answer, read, values
from services.request_body import as_struct, read_body, read_json, refuse_too_many

_JSON: Final = frozenset({falcon.MEDIA_JSON, "application/x-www-form-urlencoded", "text/plain", ""})
"""Content types of JSON; those of forms and text are what clients send that were told nothing."""


class BatchBody(msgspec.Struct, frozen=True):
    """The keys of a request: as JSON, `[1, 2]`, or as texts, as an address has them, `["1", "2"]`."""

    keys: list[Any] | None = None
    ids: list[str] | None = None


class MirrorBatchResource:
    """`/mirror/{topic}/mirror/batch`: the values of many keys, all as of one moment."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Answer in the order of the keys, in the form of the request.

        Raises:
            falcon.HTTPUnsupportedMediaType: The body is neither JSON nor keys as bytes.
            TooLargeError: There are too many keys, or too many bytes of values.
        """
        kind = (req.content_type or "").partition(";")[0].strip().lower()
        if kind == MEDIA_TYPE:
            raw_keys = decode_keys(await read_body(req), MAX_KEYS)
            found = await self._mirrors.find(req, resp, topic)
            await self._answer_bytes(found, raw_keys, resp)
        elif kind in _JSON:
            body = as_struct(await read_json(req), BatchBody)
            found = await self._mirrors.find(req, resp, topic)
            await self._answer_json(found, body, resp)
        else:
            raise falcon.HTTPUnsupportedMediaType(
                description=f"A body of type {kind[:80]!r} is not read. Send application/json or {MEDIA_TYPE}."
            )

    async def _answer_bytes(self, found: Found, keys: list[bytes], resp: falcon.asgi.Response) -> None:
        resp.content_type = MEDIA_TYPE
        resp.data = encode_entries(await read(self._mirrors.worker, found.mirror, keys))

    async def _answer_json(self, found: Found, body: BatchBody, resp: falcon.asgi.Response) -> None:
        given, raw_keys = _keys_of(found, body)
        entries = await read(self._mirrors.worker, found.mirror, raw_keys)
        missing = [key for key, entry in zip(given, entries, strict=True) if entry is None]
        answered: dict[str, object] = {"value": await values(self._mirrors.worker, found.access, entries)}
        if missing:
            answered["missing"] = missing
        answer(resp, answered)


def _keys_of(found: Found, body: BatchBody) -> tuple[list[Any], list[bytes]]:
    """Return the keys of *body* as they are given, and as they stand in Kafka.

    Raises:
        InvalidInputError: There are none, or they are given in both forms.
        InvalidValueError: One is none of the topic's key type.
        TooLargeError: There are too many.
    """
    given: list[Any] | None = body.keys if body.ids is None else body.ids
    if given is None or (body.keys is not None and body.ids is not None):
        raise InvalidInputError('Name the keys in one way: {"keys": [1, 2]}, or as texts {"ids": ["1", "2"]}.')
    refuse_too_many(len(given), MAX_KEYS)
    codec = found.access.keys
    if body.ids is not None:
        return given, [key_bytes(found.access, text) for text in given]
    return given, [codec.encode(codec.from_json(node)) for node in given]
