"""Reading one's own writes through a gateway whose mirrors other processes hold.

Not this process waits for a position but the replica that is asked for it. What a replica has once included, this
process asks of every replica from then on, so it does not matter which of them an operation reads.
"""

from __future__ import annotations

from collections.abc import Callable

import falcon.asgi

from core.position import Position
from services.gateway.executor import GatewayExecutor
from services.gateway.positions import GatewayPositions
from services.mirrors.finding import Mirrors
from services.mirrors.freshness import AT_LEAST_HEADER, MAX_LAG_HEADER, MaxLag
from services.remote_mirrors import RemoteMirrors
from services.topic_access import TopicAccess


class RemotePositions(GatewayPositions):
    """Makes operations wait for what they have to include, at the replicas.

    Args:
        mirrors: Finds topics.
        executors: Returns the executor of a gateway; may block.
        remote: Asks replicas.
    """

    def __init__(self, mirrors: Mirrors, executors: Callable[[str], GatewayExecutor], remote: RemoteMirrors) -> None:
        super().__init__(mirrors, executors)
        self._remote = remote

    async def include(
        self, resp: falcon.asgi.Response, access: TopicAccess, position: Position, deadline: float
    ) -> None:
        """Wait until what is read of a topic includes *position*; the replica has a bound of its own for that."""
        await self._ask(access, AT_LEAST_HEADER, position.token())

    async def check_lag(self, resp: falcon.asgi.Response, access: TopicAccess, most: MaxLag) -> None:
        """Make sure that what is read of a topic is not further behind than *most*."""
        await self._ask(access, MAX_LAG_HEADER, most.text())

    async def _ask(self, access: TopicAccess, header: str, text: str) -> None:
        self._remote.ready_mirror(access)  # It tells where there is none.
        await self._mirrors.worker.in_thread(lambda: self._remote.include(access, {header: text}))
