"""`/mirror/{topic}/mirror/range/…` and `/mirror/{topic}/mirror/index/…`: values in the order of a field."""

from __future__ import annotations

from functools import partial
from typing import Final

import falcon
import falcon.asgi

from core.errors import InvalidInputError, NotFoundError
from projections.pages import Page
from projections.windows import Window
from services.mirrors import parameters
from services.mirrors.cursors import place_of
from services.mirrors.finding import Found, Mirrors
from services.mirrors.keys import key_bytes
from services.mirrors.pages import DEFAULT_LIMIT, MAX_LIMIT, bounded_page, page_body
from services.mirrors.ranges import (
    LOWER,
    MAX_ROWS,
    UPPER,
    ComparableField,
    Indexes,
    IndexSource,
    Range,
    bounds_of,
    range_indexes,
    ranged,
)
from services.mirrors.values import encoded
from services.topic_access import TopicAccess

_BOUNDS: Final = (*LOWER, *UPPER)


class MirrorRangeResource:
    """`/mirror/{topic}/mirror/range/{key}?from=…&to=…`: the records of a key within bounds of the range field.

    Any key, also one that no path can hold, is a parameter of `/mirror/{topic}/range?key=…`.

    `from` is included and `to` is not; `gte`, `gt`, `lte` and `lt` say it themselves. In a mirror with a range key the
    key is a value of that field.
    """

    def __init__(self, mirrors: Mirrors, indexes: IndexSource) -> None:
        self._mirrors = mirrors
        self._indexes = indexes

    async def on_get(
        self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str, key: str | None = None
    ) -> None:
        """Answer with `{"value": […]}` in the order of the field.

        Raises:
            NotFoundError: There is no such topic.
            InvalidInputError: The mirror has no range field, or the parameters cannot be used.
        """
        parameters.refuse_unknown(req, (*_BOUNDS, "reverse", "limit", *(["key"] if key is None else [])))
        if key is None and (key := parameters.text(req, "key")) is None:
            raise InvalidInputError("The parameter key is missing. Name the key of the range: ?key=KEY")
        reverse, limit = parameters.flag(req, "reverse"), parameters.limit(req, MAX_ROWS)
        found = await self._mirrors.find(req, resp, topic)
        indexes, field = range_indexes(self._indexes(*found))
        wanted = Range(bounds_of(field, _given(req), field.from_text), Window(reverse=reverse, limit=limit))
        raw_key = key_bytes(found.access, key) if indexes.range_key is None else indexes.range_key.from_text(key)
        resp.content_type = falcon.MEDIA_JSON
        resp.data = await self._mirrors.worker.in_thread(partial(_range_body, found.access, indexes, raw_key, wanted))


class MirrorIndexResource:
    """`/mirror/{topic}/mirror/index/{field}?gte=…`: keys by a field of their last values, in its order, page by page.

    `keys=true` asks for the keys too: each element is `{"key": …, "value": …}` then.
    """

    def __init__(self, mirrors: Mirrors, indexes: IndexSource) -> None:
        self._mirrors = mirrors
        self._indexes = indexes

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str, field: str) -> None:
        """Answer with `{"value": […], "next": …}`; `next` is what `after` has to be for the following page.

        Raises:
            NotFoundError: The mirror has no index of this field.
        """
        parameters.refuse_unknown(req, (*_BOUNDS, "reverse", "limit", "after", "keys"))
        reverse, with_keys = parameters.flag(req, "reverse"), parameters.flag(req, "keys")
        limit, after = parameters.limit(req, MAX_LIMIT) or DEFAULT_LIMIT, parameters.text(req, "after")
        found = await self._mirrors.find(req, resp, topic)
        indexes, indexed = self._index(found, field)
        subject = f"index {found.access.topic_id} {field} {reverse}"
        place = None if after is None else place_of(subject, after)
        window = Window(after=place, reverse=reverse, limit=limit)
        wanted = Range(bounds_of(indexed, _given(req), indexed.from_text), window)
        made = partial(_index_body, found.access, indexes, field, wanted, subject, with_keys=with_keys)
        resp.content_type = falcon.MEDIA_JSON
        resp.data = await self._mirrors.worker.in_thread(made)

    def _index(self, found: Found, field: str) -> tuple[Indexes, ComparableField]:
        indexes = self._indexes(*found)
        if indexes is None or field not in indexes.fields:
            there_are = ", ".join(sorted(indexes.fields)) if indexes is not None else ""
            raise NotFoundError(
                f"The mirror of topic {found.access.name} has no index of field {field}."
                f" There are: {there_are or 'none'}. Declare one, or ask for a key named so with ?key=."
            )
        return indexes, indexes.fields[field]


def _given(req: falcon.asgi.Request) -> dict[str, str]:
    found = ((name, parameters.text(req, name)) for name in _BOUNDS)
    return {name: given for name, given in found if given is not None}


def _range_body(access: TopicAccess, indexes: Indexes, key: bytes, wanted: Range) -> bytes:
    return b'{"value":[%b]}' % encoded(access, ranged(indexes.view, key, wanted))


def _index_body(
    access: TopicAccess, indexes: Indexes, field: str, wanted: Range, subject: str, *, with_keys: bool
) -> bytes:
    def read(window: Window) -> Page:
        return indexes.view.find(field, wanted.bounds, window)

    return page_body(access, bounded_page(read, wanted.window), subject, with_keys=with_keys)
