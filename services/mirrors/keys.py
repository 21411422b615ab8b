"""The values of keys that are named in the address: one, or some."""

from __future__ import annotations

from functools import partial
from typing import Final

import falcon.asgi

from core.errors import InvalidInputError, NotFoundError
from core.types import TopicType
from services.mirrors import parameters
from services.mirrors.answering import is_here
from services.mirrors.finding import Mirrors
from services.mirrors.values import answer, read, value_under, values
from services.request_body import refuse_too_many
from services.topic_access import TopicAccess

MAX_KEYS: Final = 10_000
"""Keys of one request at most."""


def key_bytes(access: TopicAccess, text: str) -> bytes:
    """Return the Kafka key that *text* stands for.

    Raises:
        InvalidValueError: It stands for none of the topic's key type.
    """
    return access.keys.encode(access.keys.from_text(text))


class MirrorKeyResource:
    """`/mirror/{topic}/mirror/{key}`: one value.

    Not for a key that is empty or ends with a slash, nor for `keys`, `batch`, `range/…` and `index/…`, which are
    addresses of their own: those keys are parameters, `/mirror/{topic}/mirror?key=keys`.
    """

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str, key: str) -> None:
        """Answer with `{"value": …}`.

        Raises:
            NotFoundError: There is no such topic, or it has no such key.
        """
        await answer_one(self._mirrors, req, resp, topic, key)


class MirrorKeysResource:
    """`/mirror/{topic}/mirror/keys?ids=a,b`: values in the requested order; `ids` may be repeated.

    With `exact=true` each `ids` is one key, commas and all. That is always so for keys of type schema: JSON has commas
    of its own.
    """

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Answer with `{"value": […]}`, null for a key that does not exist, and those keys under `missing`."""
        parameters.refuse_unknown(req, ("ids", "exact"))
        given = req.get_param_as_list("ids")
        if not given:
            raise InvalidInputError("The parameter ids is missing. Name the keys: ?ids=a,b")
        is_exact = parameters.flag(req, "exact")
        access, mirror = await self._mirrors.find(req, resp, topic)
        is_exact = is_exact or access.keys.type is TopicType.SCHEMA
        keys = given if is_exact else [key for text in given for key in text.split(",")]
        refuse_too_many(len(keys), MAX_KEYS)
        entries = await read(self._mirrors.worker, mirror, [key_bytes(access, key) for key in keys])
        body: dict[str, object] = {"value": await values(self._mirrors.worker, access, entries)}
        missing = [key for key, entry in zip(keys, entries, strict=True) if entry is None]
        if missing:
            body["missing"] = missing
        answer(resp, body)


async def answer_one(
    mirrors: Mirrors, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str, key: str
) -> None:
    """Answer with the value of one key.

    Raises:
        NotFoundError: There is no such topic, or it has no such key.
    """
    access, mirror = await mirrors.find(req, resp, topic)
    found = partial(value_under, access, mirror, key_bytes(access, key))
    # Where the schema registry is elsewhere, it may have to be asked for a schema.
    is_quick = mirrors.worker.registry_elsewhere is None and is_here(mirror)
    value = found() if is_quick else await mirrors.worker.in_thread(found)
    if value is None:
        raise NotFoundError(f"Key {key} does not exist in Mirror")
    answer(resp, {"value": value})
