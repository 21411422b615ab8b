"""Replicas of mirrors, as they announce themselves in the status topic: who holds what, and where it is reached.

    mirror/<topic>/<replica> → address, partitions, share, whether it has caught up, for how long this is said

A replica says it again well before that time is over; one that was killed says nothing more, and what it said last
runs out. Whoever reads measures the time by its own clock, from the moment at which it has read it: clocks that differ
do no harm. One that ends in an orderly way takes back what it said.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Annotated, Final, NamedTuple

import msgspec

from core.errors import QuickError
from core.kafka_writer import OutRecord, RecordWriter
from core.mirror_shares import Share

logger = logging.getLogger(__name__)

PREFIX: Final = b"mirror/"

RENEWALS: Final = 3
"""How often a replica announces itself within the time for which it is believed."""

LOOK_EVERY_S: Final = 0.1
"""How often it looks whether it has other news."""

WRITE_TIMEOUT_S: Final = 3.0
"""Longest wait for Kafka's acknowledgement; the next announcement comes soon."""


class ReplicaStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one replica of a mirror says of itself."""

    topic: str
    topic_id: str
    """Kafka's ID of the topic that it holds."""
    replica: str
    """A name that no other replica has, and this one has again after a restart."""
    address: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:%\[\]-]+:[0-9]{1,5}$")]
    """`HOST:PORT` under which other processes reach it."""
    partitions: list[int]
    share: Share | None = None
    """Which of the keys of these it holds, `None` for all."""
    is_ready: bool
    """Whether it has caught up since it was started."""
    entries: int
    """How many it holds, those included that were deleted of late."""
    lease_ms: int
    """For how long this is to be believed."""


_decoder = msgspec.json.Decoder(ReplicaStatus)


def replica_prefix(topic: str) -> bytes:
    """Return how the keys of all replicas of a topic begin."""
    return PREFIX + f"{topic}/".encode()


def replica_key(topic: str, replica: str) -> bytes:
    """Return the key of a replica's record."""
    return replica_prefix(topic) + replica.encode()


def decode_replica(raw: bytes) -> ReplicaStatus:
    """Return what a record says; raises `msgspec.DecodeError` where it is none."""
    return _decoder.decode(raw)


class Replica(NamedTuple):
    """A replica as it was last heard of."""

    status: ReplicaStatus
    heard_ms: int
    """When this machine has read it, in milliseconds of its own clock."""

    def is_believed(self, now_ms: int) -> bool:
        """Return whether what it said still counts; a clock that was set back lets nothing count for longer."""
        return 0 <= now_ms - self.heard_ms < self.status.lease_ms


class Announcer:
    """Keeps announcing the replica of this process. To be run by a thread of its own.

    Args:
        writer: Where it is written; `close` waits for it.
        status_topic: Name of the status topic.
        news: Returns what is to be said now, `None` for nothing.
    """

    def __init__(self, writer: RecordWriter, status_topic: str, news: Callable[[], ReplicaStatus | None]) -> None:
        self._writer = writer
        self._topic = status_topic
        self._news = news
        self.is_told_ready = False
        """Whether Kafka has acknowledged that the replica is ready. Stays so: others know it."""

    def run(self, stopping: threading.Event) -> None:
        """Announce until told to stop, then take it back."""
        said: ReplicaStatus | None = None
        due = 0.0
        while not stopping.is_set():
            news = self._news()
            if news is not None and (_is_news(said, news) or time.monotonic() >= due):
                if said is not None and replica_key(said.topic, said.replica) != replica_key(news.topic, news.replica):
                    self._write(said, None)
                due = time.monotonic() + news.lease_ms / 1000 / RENEWALS
                if self._write(news, msgspec.json.encode(news)):
                    said = news
                    self.is_told_ready |= news.is_ready
            elif news is None and said is not None and self._write(said, None):
                said = None
            stopping.wait(LOOK_EVERY_S)
        if said is not None:
            self._write(said, None)

    def _write(self, status: ReplicaStatus, value: bytes | None) -> bool:
        record = OutRecord(replica_key(status.topic, status.replica), value)
        try:
            self._writer.write(self._topic, [record]).result(WRITE_TIMEOUT_S)
        except (QuickError, FutureTimeoutError) as error:
            logger.info("replica %s of %s is announced later: %s", status.replica, status.topic, error)
            return False
        return True


def _is_news(said: ReplicaStatus | None, news: ReplicaStatus) -> bool:
    """Return whether something has changed that others have to know at once."""
    if said is None:
        return True
    return (said.topic_id, said.address, said.partitions, said.share, said.is_ready) != (
        news.topic_id,
        news.address,
        news.partitions,
        news.share,
        news.is_ready,
    )
