"""Reading one's own writes through a gateway: operations wait until the mirrors hold what the client has written.

A mutation answers with the positions of its writes, in `extensions` by topic and together in the header
`Quick-Position`. The client sends them back as `Quick-At-Least`, or as `"extensions": {"atLeast": …}` beside its query.
Several positions in one header are separated by commas, so that the header of an answer can be sent back as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import falcon.asgi

from core.errors import InvalidInputError, NotFoundError, UnavailableError
from core.position import Position
from services.gateway.executor import GatewayExecutor
from services.gateway.requests import GraphQLRequest
from services.mirrors import finding
from services.mirrors.finding import Mirrors
from services.mirrors.freshness import AT_LEAST_HEADER, MAX_LAG_HEADER, MaxLag
from services.topic_access import TopicAccess

EXTENSION: Final = "atLeast"
"""Member of a request's `extensions`: a position, or a list of them."""

MAX_POSITIONS: Final = 100
"""Most positions that one request may wait for."""


class GatewayPositions:
    """Makes operations wait for what they have to include. To be used in the event loop; no thread waits.

    Args:
        mirrors: Finds mirrors and waits for them.
        executors: Returns the executor of a gateway; may block.
    """

    def __init__(self, mirrors: Mirrors, executors: Callable[[str], GatewayExecutor]) -> None:
        self._mirrors = mirrors
        self._executors = executors

    async def wait(
        self, req: falcon.asgi.Request, resp: falcon.asgi.Response, gateway: str, request: GraphQLRequest, text: str
    ) -> None:
        """Return when the mirrors are as fresh as the request wants; where they are not, *resp* says how fresh.

        Args:
            req: The HTTP request.
            resp: Its answer.
            gateway: Name of the gateway.
            request: One operation of it.
            text: The document of the operation.

        Raises:
            NotFoundError: There is no such gateway, or a topic has no mirror.
            InvalidInputError: A position is malformed, or of none of the gateway's topics.
            ViewBehindError: A mirror did not reach its position in time.
            UnavailableError: A mirror is being built, or lags behind further than the request allows.
        """
        tokens = positions_in(req.get_header(AT_LEAST_HEADER), request.extensions)
        allowed = req.get_header(MAX_LAG_HEADER)
        if not tokens and allowed is None:
            return
        most = None if allowed is None else MaxLag.parse(allowed)
        executor = await self._mirrors.worker.in_thread(lambda: self._executors(gateway))
        if tokens:
            await self._include(resp, gateway, executor, [Position.parse(token) for token in tokens])
        if most is not None:
            used = executor.used_topics(text, request.operation_name)
            for topic in sorted(used.read):
                try:
                    access = self._mirrors.topics.topic(topic)
                except NotFoundError:
                    continue  # Reading it tells that.
                await self.check_lag(resp, access, most)

    async def _include(
        self,
        resp: falcon.asgi.Response,
        gateway: str,
        executor: GatewayExecutor,
        positions: list[Position],
    ) -> None:
        accesses = self._accesses(executor)
        if any(position.topic_id not in accesses for position in positions):
            raise InvalidInputError(
                f"A position in {AT_LEAST_HEADER} or {EXTENSION} is not one of a topic of gateway {gateway} as it is"
                " now. Send positions of writes to topics that its schema names."
            )
        deadline = time.monotonic() + finding.AT_LEAST_TIMEOUT_S
        for position in positions:
            await self.include(resp, accesses[position.topic_id], position, deadline)

    async def include(
        self, resp: falcon.asgi.Response, access: TopicAccess, position: Position, deadline: float
    ) -> None:
        """Wait until what is read of a topic includes *position*.

        Raises:
            UnavailableError: It does not before *deadline*, on the monotonic clock, and *resp* says how far it is.
        """
        mirror = await self._mirrors.ready(access)
        try:
            await self._mirrors.including(access, mirror, position, deadline=deadline)
        except UnavailableError:
            self._mirrors.stamps.put(resp, access.topic_id, mirror)
            raise

    async def check_lag(self, resp: falcon.asgi.Response, access: TopicAccess, most: MaxLag) -> None:
        """Make sure that what is read of a topic is not further behind than *most*.

        Raises:
            UnavailableError: It is, or may be, and *resp* says how far.
        """
        mirror = await self._mirrors.ready(access)
        try:
            most.check(access.name, self._mirrors.stamps.lag(access.topic_id, mirror))
        except UnavailableError:
            self._mirrors.stamps.put(resp, access.topic_id, mirror)
            raise

    def _accesses(self, executor: GatewayExecutor) -> dict[str, TopicAccess]:
        """Return the topics of a gateway that exist, by their IDs."""
        found: dict[str, TopicAccess] = {}
        for name in executor.topics:
            try:
                access = self._mirrors.topics.topic(name)
            except (NotFoundError, UnavailableError):
                continue  # Nobody has written to it yet.
            found[access.topic_id] = access
        return found


def positions_in(header: str | None, extensions: Mapping[str, Any] | None) -> list[str]:
    """Return the position tokens that a request sends, each once.

    Args:
        header: The header `Quick-At-Least`, with one or several.
        extensions: The member `extensions` of the request.

    Raises:
        InvalidInputError: `atLeast` is neither a text nor a list of texts, or there are too many.
    """
    tokens = [] if header is None else [part.strip() for part in header.split(",")]
    given = (extensions or {}).get(EXTENSION)
    listed = given if isinstance(given, list) else [] if given is None else [given]
    if not all(isinstance(token, str) for token in listed):
        raise InvalidInputError(
            f"{EXTENSION} in the extensions is {given!r:.100}. Give a position as a write has answered it, or a list"
            " of positions."
        )
    found = list(dict.fromkeys([*tokens, *listed]))
    if len(found) > MAX_POSITIONS:
        raise InvalidInputError(
            f"The request waits for {len(found)} positions, and {MAX_POSITIONS} are allowed. Send fewer."
        )
    return found
