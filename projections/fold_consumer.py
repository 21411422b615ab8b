"""The one consumer of all folds of a machine, replaced where another one is needed.

It is replaced by a more patient one where there are many partitions, and by a new one where it gives nothing of a
partition that holds more: a consumer of librdkafka can fall silent for ever and without a word.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from core.kafka_reader import Polled, TopicsConsumer
from projections.standstill import Place, Standing

logger = logging.getLogger(__name__)

FETCH_WAIT_MS, MANY_FETCH_WAIT_MS = 100, 750
"""How long a fetch waits for records. A mirror that is begun waits for the one under way; it costs 3 % of a core to ask
for 1,500 idle partitions ten times a second."""

POLL_S, MANY_POLL_S = 0.1, 0.25
"""Longest wait of a round without records, with few and with many partitions. What the registry says is seen at the
latest then; a topic that was created has a status, which is a record."""

FEWER_PARTITIONS, MANY_PARTITIONS = 200, 300
"""Below how many partitions a machine has few again, and beyond how many it has many."""

STILL_S = 10.0
"""How long a partition may stand still before the consumer is replaced; twice as long after each time, up to ..."""

MOST_STILL_S: Final = 600.0
"""... this: if it was not the consumer, replacing it costs what it had fetched."""

_IDLE_S: Final = 2.0
"""How long ago it had nothing to give. One that always has something may just be far from a partition's turn."""


class FoldConsumer:
    """Reads the partitions of all folds.

    Args:
        make: Makes a consumer whose fetches wait so many milliseconds for records; nothing is assigned to it yet.
        starts: Tells where each partition is to be read on.
    """

    def __init__(self, make: Callable[[int], TopicsConsumer], starts: Callable[[], Mapping[Place, int]]) -> None:
        self._make = make
        self._starts = starts
        self._has_many = False
        self._consumer = make(FETCH_WAIT_MS)
        self._idle_at = self._replaced_at = -math.inf
        self._patience_s = STILL_S

    @property
    def poll_s(self) -> float:
        """Return the longest wait for records."""
        return MANY_POLL_S if self._has_many else POLL_S

    def assign(self, offsets: Mapping[Place, int]) -> None:
        """Begin to read partitions at the given offsets."""
        self._consumer.assign(offsets)

    def unassign(self, places: Iterable[Place]) -> None:
        """Stop reading partitions."""
        self._consumer.unassign(places)

    def poll(self, *, limit: int, timeout_s: float) -> Polled:
        """Return the records at hand, at most *limit*, after waiting at most *timeout_s* for the first one."""
        polled = self._consumer.poll(limit=limit, timeout_s=timeout_s)
        if not polled.records:
            self._idle_at = time.monotonic()
        return polled

    def adapt(self, partitions: int) -> None:
        """Ask seldom where there are many *partitions*: each request names them all, whether records come or not."""
        has_many = partitions > (FEWER_PARTITIONS if self._has_many else MANY_PARTITIONS)
        if has_many != self._has_many:
            self._has_many = has_many
            self._replace()

    def heed(self, standing: Mapping[Place, Standing]) -> None:
        """Replace the consumer if it gives nothing of a partition for long, though the partition holds more.

        Args:
            standing: The partitions that hold more than is folded.
        """
        if not standing:
            self._patience_s = STILL_S
            return
        now = time.monotonic()
        since = min(max(each.since, self._replaced_at) for each in standing.values())
        if now - since < self._patience_s or now - self._idle_at > _IDLE_S:
            return
        logger.warning(
            "nothing comes of %s, though there is more. The consumer is replaced.",
            ", ".join(f"{topic}[{partition}]@{each.offset}" for (topic, partition), each in sorted(standing.items())),
        )
        self._patience_s = min(2 * self._patience_s, MOST_STILL_S)
        self._replaced_at = now
        self._replace()

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _replace(self) -> None:
        self._consumer.close()
        self._consumer = self._make(MANY_FETCH_WAIT_MS if self._has_many else FETCH_WAIT_MS)
        self._consumer.assign(self._starts())
