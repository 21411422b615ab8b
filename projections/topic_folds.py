"""Keeps the status view and all mirrors current: one consumer for all partitions of a machine.

Each round looks whether the registry wants other mirrors than there are, then hands the records at hand to the folds
of their topics. Which Kafka topic a mirror reads is named by its ID: one that was deleted and created again gets a
mirror of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import compress
from typing import NamedTuple

from core.errors import KafkaUnavailableError, StoreError, StoreFullError
from core.kafka_reader import ConsumedRecord, PartitionEnd, TopicsConsumer, topics_of, watermarks
from core.topics import WriteType
from projections.mirror_folds import MirrorProjection
from projections.places import ViewFolder
from projections.registry import RegistryView
from projections.status import CREATED, StatusProjection

logger = logging.getLogger(__name__)

PIECE_RECORDS = 10_000
"""Records that are taken apart together: as many as the processor's cache holds."""

PIECES = 20
"""Pieces of one round, that is of one commit, at most."""

ROUND_S = 0.25
"""Longest time before what was taken is committed, and so visible."""

FULL_DISK_PAUSE_S = 1.0
"""Pause after a write that the disk refused."""

POLL_S = 0.1
"""Longest wait of a round without records; a new mirror is noticed at the latest then."""


class _Source(NamedTuple):
    """The Kafka topic that a mirror reads."""

    topic: str
    topic_id: str
    partitions: int
    write_type: WriteType


class TopicFolds:
    """The folds of one machine.

    Args:
        status: Fold of the status topic, which tells the Kafka IDs of all others.
        stopping: Set when the process ends.
    """

    def __init__(
        self,
        folder: ViewFolder,
        registry: RegistryView,
        status: StatusProjection,
        status_topic: str,
        bootstrap: str,
        consumer: TopicsConsumer,
        stopping: threading.Event,
    ) -> None:
        self._folder = folder
        self._registry = registry
        self._status = status
        self._status_topic = status_topic
        self._bootstrap = bootstrap
        self._consumer = consumer
        self._stopping = stopping
        self._mirrors: dict[str, MirrorProjection] = {}
        self._sources: dict[str, _Source] = {}
        self._seen: tuple[int, int] | None = None

    def run(self) -> None:
        """Fold until told to stop."""
        self._consumer.assign({(self._status_topic, 0): self._status.next_offset()})
        try:
            while not self._stopping.is_set():
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
            logger.info(
                "mirrors cannot be started now: %s", error
            )  # Soon after its creation a topic has no leader yet.
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
                yield _Source(row.state.name, status.topic_id, row.state.partitions, row.state.write_type)

    def _adopt(self, wanted: dict[str, _Source]) -> None:
        for topic, source in list(self._sources.items()):
            if wanted.get(topic) != source:
                self._end(source)
        for topic, source in wanted.items():
            if topic not in self._sources:
                self._begin(source)

    def _begin(self, source: _Source) -> None:
        marks = watermarks(self._bootstrap, source.topic, source.partitions)
        ends = {partition: mark.high for partition, mark in marks.items()}
        mirror = MirrorProjection(self._folder.mirror(source.topic_id), ends, source.write_type)
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
        """Take what is at hand, piece by piece, and commit it in one go."""
        taken: set[str] = set()
        ends: list[PartitionEnd] = []
        timeout_s, deadline = POLL_S, time.monotonic() + POLL_S + ROUND_S
        for _ in range(PIECES):
            polled = self._consumer.poll(limit=PIECE_RECORDS, timeout_s=timeout_s)
            taken |= self._take(polled.records)
            ends += polled.ends
            if len(polled.records) < PIECE_RECORDS or time.monotonic() > deadline:
                break
            timeout_s = 0
        for topic in taken:
            self._guarded(topic, MirrorProjection.commit)
        for end in ends:
            if end.topic in self._mirrors:
                self._mirrors[end.topic].ended(end)

    def _take(self, records: list[ConsumedRecord]) -> set[str]:
        """Hand *records* to their topics; return the mirrors that have something to commit."""
        by_topic = _by_topic(records)
        statuses = by_topic.pop(self._status_topic, None)
        if statuses is not None:
            self._status.fold(statuses)
        taken = set()
        for topic in by_topic.keys() & self._mirrors.keys():
            if self._guarded(topic, partial(MirrorProjection.take, records=by_topic[topic])):
                taken.add(topic)
        return taken

    def _guarded(self, topic: str, write: Callable[[MirrorProjection], None]) -> bool:
        """Write to a mirror; when that fails go back to what it holds and read on from there."""
        mirror = self._mirrors[topic]
        try:
            write(mirror)
        except StoreError as error:
            logger.warning("the mirror of %s goes back to its last commit: %s", topic, error)
            self._consumer.unassign((topic, partition) for partition in mirror.offsets)
            mirror.rewind(error)
            self._consumer.assign({(topic, partition): offset for partition, offset in mirror.offsets.items()})
            if not isinstance(error, StoreFullError):
                self._stopping.wait(FULL_DISK_PAUSE_S)
            return False
        return True


def _by_topic(records: list[ConsumedRecord]) -> dict[str, list[ConsumedRecord]]:
    topics = topics_of(records)
    if topics and topics.count(topics[0]) == len(topics):
        return {topics[0]: records}
    return {topic: list(compress(records, map(topic.__eq__, topics))) for topic in set(topics)}
