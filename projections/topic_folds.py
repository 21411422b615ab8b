"""Keeps the status view and all mirrors current: one consumer for all partitions of a machine.

Each round looks whether the registry wants other mirrors than there are, then hands the records at hand to the folds
of their topics. Which Kafka topic a mirror reads is named by its ID: one that was deleted and created again gets a
mirror of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import NamedTuple

from core.errors import KafkaUnavailableError
from core.kafka import ConsumedRecord, KafkaAdmin, TopicsConsumer
from projections.mirrors import MirrorProjection
from projections.places import ViewFolder
from projections.registry import RegistryView
from projections.status import CREATED, StatusProjection

logger = logging.getLogger(__name__)

BATCH_RECORDS = 50_000
"""Most records of one round: large, because the last value of a key is all that is written."""

POLL_S = 0.1
"""Longest wait of a round without records; a new mirror is noticed at the latest then."""


class _Source(NamedTuple):
    """The Kafka topic that a mirror reads."""

    topic: str
    topic_id: str
    partitions: int


class TopicFolds:
    """The folds of one machine.

    Args:
        status: Fold of the status topic, which tells the Kafka IDs of all others.
    """

    def __init__(
        self,
        folder: ViewFolder,
        registry: RegistryView,
        status: StatusProjection,
        status_topic: str,
        kafka: KafkaAdmin,
        consumer: TopicsConsumer,
    ) -> None:
        self._folder = folder
        self._registry = registry
        self._status = status
        self._status_topic = status_topic
        self._kafka = kafka
        self._consumer = consumer
        self._mirrors: dict[str, MirrorProjection] = {}
        self._sources: dict[str, _Source] = {}
        self._seen: tuple[int, int] | None = None

    def run(self, stopping: threading.Event) -> None:
        """Fold until *stopping* is set."""
        self._consumer.assign({(self._status_topic, 0): self._status.next_offset()})
        try:
            while not stopping.is_set():
                self._adopt_changes()
                self._fold_round()
        finally:
            for mirror in self._mirrors.values():
                mirror.close()

    def _adopt_changes(self) -> None:
        """Begin and end mirrors when the registry or the statuses have changed since the last look."""
        seen = (self._registry.position(), self._status.next_offset())
        if seen == self._seen:
            return
        try:
            self._adopt({source.topic: source for source in self._wanted()})
        except KafkaUnavailableError as error:
            logger.warning("mirrors cannot be started now: %s", error)
            return
        self._seen = seen

    def _wanted(self) -> Iterable[_Source]:
        """Yield the topics that a mirror is declared for and that exist in Kafka."""
        topics = {row.state.name: row for row in self._registry.topics()}
        for mirror in self._registry.mirrors():
            row = topics.get(mirror.state.topic)
            if row is None:
                continue
            status = self._status.view.topic(row.state.name, row.incarnation)
            if status is not None and status.state == CREATED and status.topic_id is not None:
                yield _Source(row.state.name, status.topic_id, row.state.partitions)

    def _adopt(self, wanted: dict[str, _Source]) -> None:
        for topic, source in list(self._sources.items()):
            if wanted.get(topic) != source:
                self._end(source)
        for topic, source in wanted.items():
            if topic not in self._sources:
                self._begin(source)

    def _begin(self, source: _Source) -> None:
        ends = self._kafka.end_offsets(source.topic, source.partitions)
        mirror = MirrorProjection(self._folder.mirror(source.topic_id), ends)
        self._consumer.assign({(source.topic, partition): offset for partition, offset in mirror.offsets.items()})
        self._mirrors[source.topic] = mirror
        self._sources[source.topic] = source
        logger.info("the mirror of %s continues at %s", source.topic, mirror.offsets)

    def _end(self, source: _Source) -> None:
        self._consumer.unassign((source.topic, partition) for partition in range(source.partitions))
        del self._sources[source.topic]
        self._mirrors.pop(source.topic).delete()
        logger.info("the mirror of %s is removed with its topic", source.topic)

    def _fold_round(self) -> None:
        polled = self._consumer.poll(limit=BATCH_RECORDS, timeout_s=POLL_S)
        for topic, records in _by_topic(polled.records).items():
            if topic == self._status_topic:
                self._status.fold(records)
            elif topic in self._mirrors:
                self._mirrors[topic].fold(records)
        for end in polled.ends:
            if end.topic in self._mirrors:
                self._mirrors[end.topic].ended(end)


def _by_topic(records: list[ConsumedRecord]) -> dict[str, list[ConsumedRecord]]:
    grouped: dict[str, list[ConsumedRecord]] = {}
    for record in records:
        topic = record.topic()
        try:
            grouped[topic].append(record)
        except KeyError:
            grouped[topic] = [record]
    return grouped
