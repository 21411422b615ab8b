"""Looks at Kafka's topics beside the folds: where they end, and whether they are still the same ones.

The consumer of the folds tells neither: it goes on by name in a topic that was deleted and created again, and does not
say that a broker no longer answers, or that it has fallen silent itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from core.errors import KafkaRefusedError, KafkaUnavailableError
from core.kafka_admin import KafkaAdmin, TopicFacts
from projections.freshness import FreshnessProjection, Look
from projections.mirror_entries import Kept
from projections.standstill import Place, Standing, standing_still

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
"""Time between two looks at the ends of the partitions."""

PARTITIONS_A_SECOND: Final = 250
"""Looks become rarer where there are more: each asks for all partitions, whatever happens in them."""

DESCRIBE_EVERY_S: Final = 5.0
"""Time between two looks at which topics there are."""

TOPICS_A_SECOND: Final = 25
"""As above."""


class Folded(NamedTuple):
    """A topic that is folded, and how far."""

    topic: str
    topic_id: str
    offsets: Mapping[int, int]
    """The next offset of each partition that is committed in the mirror."""
    kept: Kept
    """What the copy that is folded was built for."""
    trouble: str | None
    """Why it does not go on."""


class TopicWatch:
    """Notes how current the mirrors are, and what Kafka says of their topics.

    Args:
        bootstrap: Brokers as `HOST:PORT`.
        freshness: Where looks are noted.
        folded: Tells what is folded now.
        positions: Tells how far each topic is folded that is read now.
    """

    def __init__(
        self,
        bootstrap: str,
        freshness: FreshnessProjection,
        folded: Callable[[], list[Folded]],
        positions: Callable[[], Mapping[str, Mapping[int, int]]],
    ) -> None:
        self._kafka = KafkaAdmin(bootstrap)
        self._freshness = freshness
        self._folded = folded
        self._positions = positions
        self.facts: Mapping[str, TopicFacts | None] = {}
        """What Kafka said of each topic at the last look, `None` where there is no such topic; replaced as a whole."""
        self.standing_still: Mapping[Place, Standing] = {}
        """The partitions that held more at the last look than was folded of them; replaced as a whole."""

    def run(self, stopping: threading.Event) -> None:
        """Look until told to stop."""
        described_at = float("-inf")
        while not stopping.is_set():
            folded = self._folded()
            try:
                if time.monotonic() - described_at >= max(DESCRIBE_EVERY_S, len(folded) / TOPICS_A_SECOND):
                    self._describe(folded)
                    described_at = time.monotonic()
                self._look(folded)
            except (KafkaUnavailableError, KafkaRefusedError) as error:
                logger.info("the topics cannot be looked at now: %s", error)
            partitions = sum(len(each.offsets) for each in folded)
            stopping.wait(max(LOOK_EVERY_S, partitions / PARTITIONS_A_SECOND))

    def _describe(self, folded: list[Folded]) -> None:
        names = [each.topic for each in folded]
        found = self._kafka.describe_all(names)
        facts = {name: found.get(name) for name in names}
        if facts != self.facts:
            self.facts = facts

    def _look(self, folded: list[Folded]) -> None:
        at_ms = int(time.time() * 1000)
        positions = self._positions()
        partitions = {each.topic: len(each.offsets) for each in folded}
        ends = self._kafka.committed_ends({topic: len(offsets) for topic, offsets in positions.items()} | partitions)
        self.standing_still = standing_still(self.standing_still, positions, ends, time.monotonic())
        looks = {}
        for each in folded:
            before = self._freshness.look(each.topic_id)
            current_as_of_ms = _current_as_of(before, each.offsets)
            found = ends.get(each.topic, {})
            if len(found) == len(each.offsets):
                looks[each.topic_id] = Look(at_ms, found, current_as_of_ms, each.trouble)
            elif before is not None:
                looks[each.topic_id] = Look(before.at_ms, before.ends, current_as_of_ms, each.trouble)
        if looks:
            self._freshness.note(looks)
        existing = (each for each in folded if self.facts.get(each.topic) is not None)
        if any(len(ends.get(each.topic, {})) < len(each.offsets) for each in existing):
            raise KafkaUnavailableError("some partitions have no leader")


def _current_as_of(before: Look | None, offsets: Mapping[int, int]) -> int | None:
    """Return the moment of the last look whose ends a mirror at *offsets* has reached."""
    if before is None:
        return None
    if all(offsets.get(partition, 0) >= end for partition, end in before.ends.items()):
        return before.at_ms
    return before.current_as_of_ms
