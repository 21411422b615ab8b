"""Which replica of a mirror is to be asked for which partition, and how clients that keep that learn of a change."""

from __future__ import annotations

import time
import zlib
from typing import Final

import falcon.asgi
import msgspec

from core.errors import NotFoundError, UnavailableError
from services.holders import ReplicaSource, partition_map
from services.mirrors.finding import UPDATE_HEADER, Mirrors
from services.mirrors.values import answer

MAP_HEADER: Final = "Quick-Partition-Map"
"""Header of an answer with the map: its mark. A client that keeps the map sends the mark with each request."""


class ReplicaPartitionsResource:
    """`/mirror/{topic}/streams/partitions`: `{"<partition>": "<host>:<port>"}` of the replicas that are ready."""

    def __init__(self, mirrors: Mirrors, replicas: ReplicaSource) -> None:
        self._mirrors = mirrors
        self._replicas = replicas

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Answer with the map.

        Raises:
            NotFoundError: There is no such topic.
            UnavailableError: No replica is ready.
        """
        found = self._map(topic)
        if not found:
            raise UnavailableError(f"No replica of the mirror of topic {topic} is ready. Try again.")
        resp.set_header(MAP_HEADER, mark(found))
        answer(resp, found)

    def _map(self, topic: str) -> dict[str, str]:
        return map_now(self._mirrors, self._replicas, topic)


class MapMiddleware:
    """Tells clients of one mirror that the map which they keep is another one now.

    Args:
        mirrors: Finds the topic.
        replicas: Tells who holds it.
        topic: Its name.
    """

    def __init__(self, mirrors: Mirrors, replicas: ReplicaSource, topic: str) -> None:
        self._mirrors = mirrors
        self._replicas = replicas
        self._topic = topic

    async def process_response(
        self,
        req: falcon.asgi.Request,
        resp: falcon.asgi.Response,
        resource: object,
        req_succeeded: bool,  # noqa: FBT001 - Falcon's signature
    ) -> None:
        """Tell it on the answer to a request with the mark of an old map."""
        known = req.get_header(MAP_HEADER)
        if known is None:
            return
        try:
            found = map_now(self._mirrors, self._replicas, self._topic)
        except (NotFoundError, UnavailableError):
            return
        if found and known != mark(found):
            resp.set_header(UPDATE_HEADER, "?1")


def map_now(mirrors: Mirrors, replicas: ReplicaSource, topic: str) -> dict[str, str]:
    """Return the map of a topic as it is now, empty while no replica is ready.

    Raises:
        NotFoundError: There is no such topic.
        UnavailableError: It does not exist in Kafka yet.
    """
    return partition_map(replicas(mirrors.topics.topic(topic)), int(time.time() * 1000))


def mark(found: dict[str, str]) -> str:
    """Return the mark of a map: another one for each other map."""
    return f"{zlib.crc32(msgspec.json.encode(sorted(found.items()))):08x}"
