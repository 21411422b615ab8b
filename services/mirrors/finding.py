"""Finding the mirror that a request asks for, as fresh as the request wants it to be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import falcon.asgi

from core.errors import InvalidInputError, UnavailableError, ViewBehindError
from core.mirror_shares import Part
from core.position import Position
from projections.mirrors import MirrorView
from services.mirrors.answering import AnsweringMirror
from services.mirrors.freshness import (
    AT_LEAST_HEADER,
    MAX_LAG_HEADER,
    POSITION_HEADER,
    FreshnessSource,
    MaxLag,
    Stamps,
)
from services.topic_access import TopicAccess, TopicAccesses
from services.worker import Worker

AT_LEAST_TIMEOUT_S: Final = 5.0
"""Longest wait for a write to arrive in the mirror."""

_FIRST_PAUSE_S: Final = 0.001
_LONGEST_PAUSE_S: Final = 0.02


PART_HEADER: Final = "Quick-Part"
"""Header of a request by another process of Quick: which part of the keys it asks for, `NUMBER/PARTS`. It is answered
from what is held here and goes no further."""

UPDATE_HEADER: Final = "X-Cache-Update"
"""Header of an answer for which others were asked, or to a request with the mark of an old map: `?1`, as bakdata/quick
has it. Fetch the map of partitions again."""


class Found(NamedTuple):
    """A topic and its mirror."""

    access: TopicAccess
    mirror: AnsweringMirror


class Here(NamedTuple):
    """A topic, and what this process holds of its mirror."""

    access: TopicAccess
    mirror: MirrorView
    part: Part | None
    """Which part of the keys is asked for, `None` for all of them."""


WholeSource = Callable[[Here, str | None, Callable[[], None]], AnsweringMirror]
"""Returns the whole of a mirror of which a share is held here, including a position; tells before others are asked."""


class Mirrors:
    """Finds mirrors.

    Args:
        worker: The process-wide parts.
        topics: Finds topics and opens mirrors.
        freshness: Knows how far mirrors are behind their topics.
        whole: Finds the whole of a mirror of which only a share is held here.
    """

    def __init__(
        self, worker: Worker, topics: TopicAccesses, freshness: FreshnessSource, whole: WholeSource | None = None
    ) -> None:
        self.worker = worker
        self.topics = topics
        self.stamps = Stamps(freshness)
        self._whole = whole

    async def find(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> Found:
        """Return topic and mirror once the mirror is as fresh as *req* wants; *resp* says how fresh it is.

        Where only a share of it is held here, others are asked for the rest, and *resp* tells that; but not for a
        request by another process, which gets what is held here. Raises what `find_here` does.
        """
        here = await self.find_here(req, resp, topic)
        if here.part is not None or self._whole is None or here.mirror.share() is None:
            return Found(here.access, here.mirror)

        def note_asked() -> None:
            resp.set_header(UPDATE_HEADER, "?1")

        return Found(here.access, self._whole(here, resp.get_header(POSITION_HEADER), note_asked))

    async def find_here(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> Here:
        """Return topic and what is held here once that is as fresh as *req* wants; *resp* says how fresh it is.

        Raises:
            NotFoundError: There is no such topic.
            InvalidInputError: A header is malformed, or its position is one of another topic.
            ViewBehindError: The mirror did not reach the wanted position in time.
            UnavailableError: The mirror is being built, or lags behind further than the request allows, or the part
                that is asked for is not held here.
        """
        asked = req.get_header(PART_HEADER)
        part = None if asked is None else Part.parse(asked)
        token, allowed = req.get_header(AT_LEAST_HEADER), req.get_header(MAX_LAG_HEADER)
        most = None if allowed is None else MaxLag.parse(allowed)
        access = self.topics.topic(topic)
        mirror = await self.ready(access)
        try:
            if token is not None:
                position = _position_of(access, token)
                mirror = await self.including(access, mirror, position, deadline=time.monotonic() + AT_LEAST_TIMEOUT_S)
        finally:  # Also the answer that the mirror is not there yet says how far it is.
            lag = self.stamps.put(resp, access.topic_id, mirror)
        if most is not None:
            most.check(topic, lag)
        _check_part(topic, part, mirror)
        return Here(access, mirror, part)

    async def ready(self, access: TopicAccess) -> MirrorView:
        """Return the mirror of a topic, waiting a little for that of a new one.

        Raises:
            NotFoundError: The topic has none.
            UnavailableError: It is being built.
        """
        mirror = self.topics.ready_mirror(access)
        if mirror is not None:
            return mirror
        return await self.worker.in_thread(lambda: self.topics.mirror(access))

    async def including(
        self, access: TopicAccess, mirror: MirrorView, position: Position, *, deadline: float
    ) -> MirrorView:
        """Wait until the mirror includes the position; without a thread, so that many may wait.

        Args:
            access: The topic.
            mirror: Its mirror.
            position: A position of this topic.
            deadline: Until when, on the monotonic clock.

        Returns:
            *mirror*, or the copy that has taken its place meanwhile.

        Raises:
            ViewBehindError: Time ran out.
        """
        pause_s = _FIRST_PAUSE_S
        while not mirror.includes(position):
            if time.monotonic() > deadline:
                raise ViewBehindError(
                    f"The mirror of topic {access.name} has not reached the position in {AT_LEAST_HEADER} within"
                    f" {AT_LEAST_TIMEOUT_S:g} s; the header Quick-Position says where it is. Read again."
                )
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            mirror = self.topics.ready_mirror(access) or mirror
        return mirror


def _check_part(topic: str, part: Part | None, mirror: MirrorView) -> None:
    share = None if part is None else mirror.share()
    if part is not None and share is not None and not share.has(part):
        raise UnavailableError(f"Part {part.text()} of the mirror of topic {topic} is not held here. Ask another one.")


def _position_of(access: TopicAccess, token: str) -> Position:
    position = Position.parse(token)
    if position.topic_id != access.topic_id:
        raise InvalidInputError(
            f"The position in {AT_LEAST_HEADER} is not one of topic {access.name} as it is now."
            " Send the position of a write to this topic."
        )
    return position
