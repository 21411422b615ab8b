"""The mirror service: the last value of each key, from LMDB."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice

import falcon
import falcon.asgi
import msgspec

from core.errors import InvalidInputError, NotFoundError
from core.position import Position
from core.types import TopicType
from projections.mirror_entries import Entry
from projections.mirrors import MirrorView
from services.topic_access import TopicAccess, TopicAccesses
from services.worker import Worker

AT_LEAST_HEADER = "Quick-At-Least"
"""Request header with the position of a write that the answer must include."""

AT_LEAST_TIMEOUT_S = 5.0
"""Longest wait for that write to arrive in the mirror."""

PAGE_ENTRIES = 500
"""Entries of a full scan that are encoded at once."""


class Mirrors:
    """Finds the mirror that a request asks for."""

    def __init__(self, worker: Worker, topics: TopicAccesses) -> None:
        self.worker = worker
        self._topics = topics

    async def find(self, req: falcon.asgi.Request, topic: str) -> tuple[TopicAccess, MirrorView]:
        """Return topic and mirror, once the mirror includes what the request wants it to.

        Raises:
            NotFoundError: There is no such topic.
            UnavailableError: The mirror is being built, or did not reach the wanted position in time.
        """
        access = self._topics.topic(topic)
        mirror = self._topics.ready_mirror(access)
        if mirror is None:
            mirror = await self.worker.in_thread(lambda: self._topics.mirror(access))
        token = req.get_header(AT_LEAST_HEADER)
        if token is not None:
            await self._await_position(access, mirror, token)
        return access, mirror

    async def values(self, access: TopicAccess, entries: Sequence[Entry | None]) -> list[object]:
        """Return the values of *entries*; in a thread where a registry elsewhere may have to be asked for a schema.

        Raises:
            UnavailableError: That registry does not answer, and the schema is not known yet.
        """

        def decoded() -> list[object]:
            return [None if entry is None else _value(access, entry) for entry in entries]

        return decoded() if self.worker.registry_elsewhere is None else await self.worker.in_thread(decoded)

    async def _await_position(self, access: TopicAccess, mirror: MirrorView, token: str) -> None:
        position = Position.parse(token)
        if position.topic_id != access.topic_id:
            raise InvalidInputError(
                f"The position in {AT_LEAST_HEADER} is not one of topic {access.name} as it is now."
                " Send the position of a write to this topic."
            )
        if not mirror.includes(position):
            await self.worker.in_thread(lambda: mirror.wait_for(position, AT_LEAST_TIMEOUT_S))


class MirrorKeyResource:
    """`/mirror/{topic}/mirror/{key}`: one value."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str, key: str) -> None:
        """Answer with `{"value": …}`."""
        access, mirror = await self._mirrors.find(req, topic)
        entry = mirror.get(access.keys.encode(access.keys.from_text(key)))
        if entry is None:
            raise NotFoundError(f"Key {key} does not exist in Mirror")
        [value] = await self._mirrors.values(access, [entry])
        _answer(resp, {"value": value})


class MirrorKeysResource:
    """`/mirror/{topic}/mirror/keys?ids=a,b`: values in the requested order; `ids` may be repeated.

    Keys of type schema are JSON, which has commas of its own: each takes an `ids` for itself.
    """

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Answer with `{"value": […]}`, null for a key that does not exist, and those keys under `missing`."""
        given = req.get_param_as_list("ids")
        if not given:
            raise InvalidInputError("The parameter ids is missing. Name the keys: ?ids=a,b")
        access, mirror = await self._mirrors.find(req, topic)
        keys = given if access.keys.type is TopicType.SCHEMA else [key for text in given for key in text.split(",")]
        entries = mirror.get_many([access.keys.encode(access.keys.from_text(key)) for key in keys])
        body: dict[str, object] = {"value": await self._mirrors.values(access, entries)}
        missing = [key for key, entry in zip(keys, entries, strict=True) if entry is None]
        if missing:
            body["missing"] = missing
        _answer(resp, body)


class MirrorAllResource:
    """`/mirror/{topic}/mirror`: every value, streamed."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Answer with `{"value": […]}` by key."""
        access, mirror = await self._mirrors.find(req, topic)
        resp.content_type = falcon.MEDIA_JSON
        resp.stream = self._pages(access, mirror.all())

    async def _pages(self, access: TopicAccess, entries: Iterator[Entry]) -> AsyncIterator[bytes]:
        def page() -> bytes:
            return b",".join(msgspec.json.encode(_value(access, entry)) for entry in islice(entries, PAGE_ENTRIES))

        separator = b'{"value":['
        while chunk := await self._mirrors.worker.in_thread(page):
            yield separator + chunk
            separator = b","
        yield b"]}" if separator == b"," else separator + b"]}"


def _value(access: TopicAccess, entry: Entry) -> object:
    return access.values.to_json(access.values.decode(entry.value))


def _answer(resp: falcon.asgi.Response, body: object) -> None:
    resp.content_type = falcon.MEDIA_JSON
    resp.data = msgspec.json.encode(body)
