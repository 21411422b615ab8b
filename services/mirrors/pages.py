"""All values of a topic: streamed, or page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import islice
from typing import Final, TypeVar

import falcon
import falcon.asgi
import msgspec

from core.errors import InvalidInputError
from projections.mirror_entries import Entry, is_key_tail
from projections.pages import Page
from projections.windows import Window
from services.mirrors import parameters
from services.mirrors.answering import AnsweringMirror
from services.mirrors.cursors import cursor, place_of
from services.mirrors.finding import Mirrors
from services.mirrors.keys import answer_one
from services.mirrors.values import MAX_ANSWER_BYTES, encoded
from services.topic_access import TopicAccess

MAX_LIMIT: Final = 10_000
"""Entries of one page at most."""

DEFAULT_LIMIT: Final = 1000
"""Entries of one page where the request says only where it begins."""

Row = TypeVar("Row")

_STREAMED_AT_ONCE: Final = 500
"""Entries of a stream that are encoded at once."""

_READ_AT_ONCE: Final = 250
"""Entries of a page that are read before their bytes are counted."""


class MirrorAllResource:
    """`/mirror/{topic}/mirror`: every value, streamed; a page of them with `limit` or `after`; one with `key`.

    `keys=true` asks for the keys too: each element is `{"key": …, "value": …}` then.
    """

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Answer with `{"value": […]}` by key; of a page `next` is what `after` has to be for the following one."""
        key = parameters.text(req, "key")
        if key is not None:
            if len(req.params) > 1:
                raise InvalidInputError("The parameter key asks for one value. Leave out all other parameters.")
            await answer_one(self._mirrors, req, resp, topic, key)
            return
        parameters.refuse_unknown(req, ("key", "keys", "limit", "after"))
        with_keys, limit = parameters.flag(req, "keys"), parameters.limit(req, MAX_LIMIT)
        after = parameters.text(req, "after")
        access, mirror = await self._mirrors.find(req, resp, topic)
        resp.content_type = falcon.MEDIA_JSON
        if limit is None and after is None:
            resp.stream = self._stream(access, mirror.all(), with_keys=with_keys)
            return
        subject = f"keys {access.topic_id}"
        place = None if after is None else _key_place(subject, after)
        window = Window(after=place, limit=limit or DEFAULT_LIMIT)
        made = partial(_page, access, mirror, subject, window, with_keys=with_keys)
        resp.data = await self._mirrors.worker.in_thread(made)

    async def _stream(self, access: TopicAccess, entries: Iterator[Entry], *, with_keys: bool) -> AsyncIterator[bytes]:
        def piece() -> bytes:
            return encoded(access, islice(entries, _STREAMED_AT_ONCE), with_keys=with_keys)

        separator = b'{"value":['
        while chunk := await self._mirrors.worker.in_thread(piece):
            yield separator + chunk
            separator = b","
        yield b"]}" if separator == b"," else separator + b"]}"


def bounded_page(read: Callable[[Window], Page], window: Window) -> Page:
    """Return a page that is read in pieces: it ends early where its values are too many bytes for an answer.

    Args:
        read: Returns some entries of a window, in its order.
        window: Of the page.
    """
    return Page(*bounded(read, window, lambda entry: len(entry.value)))


def bounded(
    read: Callable[[Window], tuple[list[Row], bytes | None]], window: Window, size_of: Callable[[Row], int]
) -> tuple[list[Row], bytes | None]:
    """Return the rows of a window, read in pieces, and where to go on, `None` for the end; see `bounded_page`.

    Args:
        read: Returns some rows of a window, and where to go on.
        window: Of the rows.
        size_of: Returns the bytes of a row.
    """
    limit = window.limit or DEFAULT_LIMIT
    rows: list[Row] = []
    held = 0
    while True:
        found, following = read(window.at_most(min(limit - len(rows), _READ_AT_ONCE)))
        rows += found
        held += sum(map(size_of, found))
        if following is None or len(rows) >= limit or held > MAX_ANSWER_BYTES:
            return rows, following
        window = window.behind(following)


def page_body(access: TopicAccess, page: Page, subject: str, *, with_keys: bool = False) -> bytes:
    """Return *page* as the body of an answer, with the cursor of the following page, null when there is none."""
    following = None if page.next is None else cursor(subject, page.next)
    elements = encoded(access, page.entries, with_keys=with_keys)
    return b'{"value":[%b],"next":%b}' % (elements, msgspec.json.encode(following))


def _page(access: TopicAccess, mirror: AnsweringMirror, subject: str, window: Window, *, with_keys: bool) -> bytes:
    return page_body(access, bounded_page(mirror.page, window), subject, with_keys=with_keys)


def _key_place(subject: str, after: str) -> bytes:
    """Return the place of a cursor, which is the end of a stored key.

    Raises:
        InvalidInputError: It is none.
    """
    place = place_of(subject, after)
    if not is_key_tail(place):
        raise InvalidInputError("The parameter after was made up. Send next exactly as the page before had it.")
    return place
