"""Finding the mirror that a request asks for, as fresh as the request wants it to be."""

from __future__ import annotations

import asyncio
import time
from typing import Final, NamedTuple

import falcon.asgi

from core.errors import InvalidInputError, ViewBehindError
from core.position import Position
from projections.mirrors import MirrorView
from services.mirrors.freshness import AT_LEAST_HEADER, MAX_LAG_HEADER, FreshnessSource, MaxLag, Stamps
from services.topic_access import TopicAccess, TopicAccesses
from services.worker import Worker

AT_LEAST_TIMEOUT_S: Final = 5.0
"""Longest wait for a write to arrive in the mirror."""

_FIRST_PAUSE_S: Final = 0.001
_LONGEST_PAUSE_S: Final = 0.02


class Found(NamedTuple):
    """A topic and its mirror."""

    access: TopicAccess
    mirror: MirrorView


class Mirrors:
    """Finds mirrors.

    Args:
        worker: The process-wide parts.
        topics: Finds topics and opens mirrors.
        freshness: Knows how far mirrors are behind their topics.
    """

    def __init__(self, worker: Worker, topics: TopicAccesses, freshness: FreshnessSource) -> None:
        self.worker = worker
        self.topics = topics
        self.stamps = Stamps(freshness)

    async def find(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> Found:
        """Return topic and mirror once the mirror is as fresh as *req* wants; *resp* says how fresh it is.

        Raises:
            NotFoundError: There is no such topic.
            InvalidInputError: A header is malformed, or its position is one of another topic.
            ViewBehindError: The mirror did not reach the wanted position in time.
            UnavailableError: The mirror is being built, or lags behind further than the request allows.
        """
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
        return Found(access, mirror)

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


def _position_of(access: TopicAccess, token: str) -> Position:
    position = Position.parse(token)
    if position.topic_id != access.topic_id:
        raise InvalidInputError(
            f"The position in {AT_LEAST_HEADER} is not one of topic {access.name} as it is now."
            " Send the position of a write to this topic."
        )
    return position
