"""`/mirror/{topic}/rows`: what a mirror pod tells gateways in other processes beside the values of keys."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import falcon.asgi
import msgspec

from core.errors import InvalidInputError
from core.ordered_bytes import Bounds
from projections.mirror_entries import Entry
from projections.pages import Page
from projections.windows import Window
from services.mirrors.finding import Found, Mirrors
from services.mirrors.keys import MAX_KEYS
from services.mirrors.pages import MAX_LIMIT, bounded_page
from services.mirrors.ranges import MAX_ROWS
from services.mirrors.row_frames import ROWS_TYPE, encode_rows
from services.mirrors.values import MAX_ANSWER_BYTES
from services.request_body import read_struct, refuse_too_many

NEXT_HEADER: Final = "Quick-Next"
"""Header of an answer with a page: where the following one begins, absent behind the last one."""


class RangeBody(msgspec.Struct, frozen=True):
    """A range of the range field; bytes as base64, bounds as they are ordered in the mirror."""

    key: bytes
    low: bytes | None
    high: bytes | None
    includes_low: bool
    includes_high: bool
    reverse: bool
    limit: int | None


class RowsBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is asked for, one of three: entries of keys, a range, or a page of all entries."""

    keys: list[bytes] | None = None
    range: RangeBody | None = None
    after: bytes | None = None
    """Where the page begins, empty for the beginning."""
    limit: int = MAX_LIMIT


def next_of(header: str | None) -> bytes | None:
    """Return the cursor that the header `Quick-Next` names, `None` where there is none.

    Raises:
        InvalidInputError: It is none.
    """
    if header is None:
        return None
    try:
        return base64.b64decode(header, validate=True)
    except binascii.Error as error:
        raise InvalidInputError(f"The header {NEXT_HEADER} is {header[:80]!r}, which is no cursor.") from error


class MirrorRowsResource:
    """Answers with rows as they stand in Kafka, all of one answer as of one moment but for those of a page."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Answer with an `application/vnd.quick.rows`.

        Raises:
            InvalidInputError: The body asks for nothing, or for too much.
            NotFoundError: There is no such topic, or it has no mirror.
        """
        body = await read_struct(req, RowsBody)
        if [body.keys, body.range, body.after].count(None) != 2:  # noqa: PLR2004 - all but one
            raise InvalidInputError("Ask for keys, for a range, or for a page with after: for one of them.")
        refuse_too_many(len(body.keys or ()), MAX_KEYS)
        found = await self._mirrors.find(req, resp, topic)
        page = await self._mirrors.worker.in_thread(lambda: _read(found, body))
        resp.content_type = ROWS_TYPE
        resp.data = encode_rows(page.entries)
        if page.next is not None:
            resp.set_header(NEXT_HEADER, base64.b64encode(page.next).decode())


def _read(found: Found, body: RowsBody) -> Page:
    if body.keys is not None:
        entries = found.mirror.get_many(body.keys, max_bytes=MAX_ANSWER_BYTES)
        return Page([entry for entry in entries if entry is not None], None)
    if body.range is not None:
        return Page(_range(found, body.range), None)

    window = Window(after=body.after or None, limit=max(1, min(body.limit, MAX_LIMIT)))
    return bounded_page(found.mirror.page, window)


def _range(found: Found, wanted: RangeBody) -> list[Entry]:
    bounds = Bounds(wanted.low, wanted.high, includes_low=wanted.includes_low, includes_high=wanted.includes_high)
    limit = MAX_ROWS + 1 if wanted.limit is None else max(1, min(wanted.limit, MAX_ROWS + 1))
    window = Window(reverse=wanted.reverse, limit=limit)
    return found.mirror.range(wanted.key, bounds, window, declared=found.access.mirror)
