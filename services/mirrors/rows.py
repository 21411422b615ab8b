"""`/mirror/{topic}/rows`: what a mirror pod tells gateways in other processes beside the values of keys."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import falcon.asgi
import msgspec

from core.errors import InvalidInputError, UnavailableError
from core.mirror_shares import Part
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from projections.mirror_moment import MirrorMoment
from projections.pages import Placed, PlacedPage
from projections.windows import WHOLE, Window
from services.mirrors.finding import Here, Mirrors
from services.mirrors.keys import MAX_KEYS
from services.mirrors.pages import MAX_LIMIT, bounded
from services.mirrors.ranges import MAX_AMONG
from services.mirrors.row_frames import ROWS_TYPE, encode_rows
from services.mirrors.values import MAX_ANSWER_BYTES
from services.request_body import read_struct, refuse_too_many

LACKS_HEADER: Final = "Quick-Lacks"
"""Header of an answer by a replica that is ready, and has not built yet what it was asked for: nobody needs to wait."""


class RangeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The records of a key within bounds of the range field, as they are ordered in the mirror; bytes as base64."""

    key: bytes
    bounds: Bounds


class IndexBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The entries whose value has a field within one of several bounds, which come one after the other."""

    field: str
    parts: list[Bounds]


class RowsBody(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is asked for, one of four: entries of keys, a range, what an index leads to, or a window of all entries.

    What a replica does not know, it refuses: that it left it out of account would be a wrong answer.
    """

    keys: list[bytes] | None = None
    range: RangeBody | None = None
    index: IndexBody | None = None
    window: Window | None = None
    """Which rows: of the range, of the index, or of all entries by key."""
    declared: MirrorDefinition | None = None
    """What the mirror is to keep by now, as far as whoever asks knows it."""


class MirrorRowsResource:
    """Answers with rows as they stand in Kafka, all of one answer as of one moment."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Answer with an `application/vnd.quick.rows`: with fewer rows than asked for where they have many bytes.

        Raises:
            InvalidInputError: The body asks for nothing, for several things, or for what the mirror does not have.
            NotFoundError: There is no such topic, or it has no mirror.
            TooLargeError: It asks for too much.
            UnavailableError: It asks for an index that is not built yet.
        """
        body = await read_struct(req, RowsBody)
        _check(body)
        here = await self._mirrors.find_here(req, resp, topic)
        if here.part is None and here.mirror.share() is not None:
            raise UnavailableError(f"Only a share of the mirror of topic {topic} is held here. Ask for parts of it.")
        try:
            page = await self._mirrors.worker.for_process(lambda: _read(here, body))
        except UnavailableError:
            resp.set_header(LACKS_HEADER, "index")
            raise
        resp.content_type = ROWS_TYPE
        resp.data = encode_rows(page)


def _check(body: RowsBody) -> None:
    wanted = [name for name in ("keys", "range", "index") if getattr(body, name) is not None]
    if body.window is not None and (not wanted or body.keys is not None):
        wanted.append("window")
    if len(wanted) != 1:
        raise InvalidInputError(
            f"The body asks for {' and '.join(wanted) or 'nothing'}. Ask for one thing: for keys, for a range or an"
            " index, each with or without a window, or for a window alone."
        )
    refuse_too_many(len(body.keys or ()), MAX_KEYS)
    refuse_too_many(0 if body.index is None else len(body.index.parts), MAX_AMONG)


def _read(here: Here, body: RowsBody) -> PlacedPage:
    declared = here.access.mirror if body.declared is None else body.declared
    with here.mirror.moment() as moment:
        if body.keys is not None:
            entries = moment.get_many(body.keys, max_bytes=MAX_ANSWER_BYTES)
            return PlacedPage([Placed(b"", entry) for entry in entries if entry is not None], None)
        if body.range is not None:
            read: Callable[[Window], PlacedPage] = partial(
                moment.ranged, body.range.key, body.range.bounds, declared=declared
            )
        elif body.index is not None:
            read = partial(moment.found, body.index.field, body.index.parts, declared=declared)
        else:
            read = partial(_page, moment)
        window = body.window or WHOLE
        limit = MAX_LIMIT if window.limit is None else min(window.limit, MAX_LIMIT)
        if here.part is not None:
            read = partial(_of_part, here.part, read)
        return PlacedPage(*bounded(read, window.at_most(limit), _size_of))


def _page(moment: MirrorMoment, window: Window) -> PlacedPage:
    """Return entries by key; their places are made of their keys by whoever needs them."""
    page = moment.page(window)
    return PlacedPage([Placed(b"", entry) for entry in page.entries], page.next)


def _of_part(part: Part, read: Callable[[Window], PlacedPage], window: Window) -> PlacedPage:
    """Return the rows of one part of the keys."""
    rows, following = read(window)
    return PlacedPage([row for row in rows if part.has(row.entry.key)], following)


def _size_of(row: Placed) -> int:
    return len(row.place) + len(row.entry.key) + len(row.entry.value)
