"""Keeps the status view and all mirrors current: one consumer for all partitions of a machine.

Each round looks whether the registry wants other mirrors than there are, then hands the records at hand to the folds
of their topics. Which Kafka topic a mirror reads is named by its ID: one that was deleted and created again gets a
mirror of its own.

A mirror that is to keep something else, or that may have missed something, is built again beside the one that answers
(`projections.mirror_builds`). The new copy is folded on here until it has reached the old one; then it takes its place.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import compress
from pathlib import Path
from typing import NamedTuple

from core.errors import (
    InvalidInputError,
    KafkaRefusedError,
    KafkaUnavailableError,
    QuickError,
    StoreBrokenError,
    StoreError,
    StoreFullError,
    UnavailableError,
)
from core.kafka_admin import KafkaAdmin, TopicFacts
from core.kafka_reader import ConsumedRecord, PartitionEnd, TopicsConsumer, topics_of, watermarks
from core.mirror_shares import Share
from core.registered_schema import SchemaLookup
from projections.fold_consumer import FoldConsumer
from projections.freshness import FreshnessProjection
from projections.mirror_build import BuildOrder
from projections.mirror_builds import MirrorBuilds
from projections.mirror_choice import Choice, everything
from projections.mirror_copies import Copy, kept_at, may_have_missed, open_copy, open_live, suspension
from projections.mirror_folds import MAX_CHANGED_PAGES, MirrorProjection
from projections.mirror_places import MirrorPlace
from projections.mirror_sources import Source, wanted_sources
from projections.places import ViewFolder
from projections.registry import RegistryView
from projections.standstill import Place, Standing
from projections.status import StatusProjection
from projections.topic_watch import Folded

logger = logging.getLogger(__name__)

PIECE_RECORDS = 10_000
"""Records that are taken apart together: as many as the processor's cache holds."""

PIECES = 20
"""Pieces of one round, that is of one commit, at most."""

ROUND_S = 0.25
"""Longest time before what was taken is committed, and so visible."""

REFUSED_PAUSE_S = 1.0
"""Pause after a write that the disk refused, or a registry by not answering."""

FORGET_EVERY_S = 1.0
"""How often it is looked whether the time of some records has passed."""

ADOPT_AGAIN_S = 0.2
"""How soon mirrors that could not be begun are tried again."""

TOLERATED_FAILURES = 3
"""Topics that Kafka does not answer about before the rest waits for the next round."""

CLEAN_EVERY_S = 30.0
"""How often the slots of readers that were killed are freed."""


class Held(NamedTuple):
    """What this process holds of a topic."""

    topic_id: str
    partitions: int
    entries: int
    share: Share | None
    """Which of its keys the copy holds that answers, `None` for all."""
    has_caught_up: bool
    """Whether everything is folded that the topic held when this process began with it. Stays so: what comes later is
    told as lag."""


class TopicFolds:
    """The folds of one machine.

    Args:
        folder: Where the mirrors lie.
        registry: What is declared.
        status: Fold of the status topic, which tells the Kafka IDs of all others.
        status_topic: Its name.
        freshness: Tells until when mirrors were current before this process began.
        schemas: Finds the schemas of values, for mirrors with indexes.
        bootstrap: Brokers as `HOST:PORT`.
        new_consumer: Makes a consumer that waits so many milliseconds for records; nothing is assigned to it yet.
        stopping: Set when the process ends.
        choice: Which of the declared mirrors this process holds.
        share: Which of their keys, `None` for all.
    """

    def __init__(
        self,
        folder: ViewFolder,
        registry: RegistryView,
        status: StatusProjection,
        status_topic: str,
        freshness: FreshnessProjection,
        schemas: SchemaLookup,
        bootstrap: str,
        new_consumer: Callable[[int], TopicsConsumer],
        stopping: threading.Event,
        choice: Choice = everything,
        share: Share | None = None,
    ) -> None:
        self._folder = folder
        self._registry = registry
        self._status = status
        self._status_topic = status_topic
        self._freshness = freshness
        self._schemas = schemas
        self._bootstrap = bootstrap
        self._consumer = FoldConsumer(new_consumer, self._starts)
        self._stopping = stopping
        self._choice = choice
        self._share = share
        self._caught_up: set[str] = set()
        self.turned_at = time.monotonic()
        """When the last round began, on the monotonic clock."""
        self._copies: dict[str, Copy] = {}
        self._builds = MirrorBuilds()
        self._seen: tuple[object, ...] | None = None
        self._adopt_again_at = math.inf
        self._forget_at = self._clean_at = 0.0
        self.facts: Callable[[], Mapping[str, TopicFacts | None]] = dict
        """Tells what Kafka says of the topics."""
        self.standing_still: Callable[[], Mapping[Place, Standing]] = dict
        """Tells which partitions hold more than is folded of them."""

    def folded(self) -> list[Folded]:
        """Return what is folded now; may be called by another thread."""
        return [
            Folded(copy.source.topic, copy.source.topic_id, copy.mirror.committed, copy.mirror.kept, copy.trouble)
            for copy in list(self._copies.values())
        ]

    def positions(self) -> dict[str, Mapping[int, int]]:
        """Return how far each topic is folded that is read; may be called by another thread."""
        found = {topic: copy.mirror.committed for topic, copy in list(self._copies.items()) if copy.trouble is None}
        return {self._status_topic: {0: self._status.next_offset()}, **found}

    def held(self, topic: str) -> Held | None:
        """Return what is folded of a topic, `None` where nothing is; may be called by another thread."""
        copy = self._copies.get(topic)
        if copy is None:
            return None
        source, mirror = copy.source, copy.mirror
        return Held(
            topic_id=source.topic_id,
            partitions=len(mirror.committed),
            entries=mirror.entries,
            share=copy.answering.share,
            has_caught_up=source.topic_id in self._caught_up,
        )

    def run(self) -> None:
        """Fold until told to stop."""
        self._consumer.assign(self._starts())
        try:
            while not self._stopping.is_set():
                self.turned_at = time.monotonic()
                self._adopt_changes()
                self._adopt_builds()
                self._fold_round()
                self._consumer.heed(self.standing_still())
                self._note_caught_up()
        finally:
            self._builds.close()
            self._consumer.close()
            for copy in self._copies.values():
                copy.mirror.close()

    # What is to be folded.

    def _adopt_changes(self) -> None:
        """Begin and end mirrors when the registry, the statuses or Kafka's topics have changed since the last look."""
        facts = self.facts()
        seen = (self._registry.position(), self._status.topics_changed, facts)
        if seen == self._seen and time.monotonic() < self._adopt_again_at:
            return
        sources = wanted_sources(self._registry, self._status.view, facts, self._choice, self._share)
        wanted = {source.topic: source for source in sources}
        self._end_unwanted(wanted)
        is_adopted = self._begin_wanted(wanted)
        self._suspend_replaced(facts)
        self._adopt_again_at = math.inf if is_adopted else time.monotonic() + ADOPT_AGAIN_S
        self._seen = seen
        self._consumer.adapt(sum(len(copy.mirror.offsets) for copy in self._copies.values()))

    def _end_unwanted(self, wanted: Mapping[str, Source]) -> None:
        for topic, copy in list(self._copies.items()):
            source = wanted.get(topic)
            if source is None or source.topic_id != copy.source.topic_id:
                self._end(copy)

    def _begin_wanted(self, wanted: Mapping[str, Source]) -> bool:
        """Begin and change mirrors; return whether that was possible for all."""
        failures = 0
        for topic, source in wanted.items():
            copy = self._copies.get(topic)
            try:
                if copy is None:
                    self._begin(source)
                else:
                    self._change(copy, source)
            except (UnavailableError, KafkaRefusedError, InvalidInputError) as error:
                # Soon after its creation a topic has no leader yet.
                logger.info("the mirror of %s cannot be started now: %s", topic, error)
                failures += 1
                if failures == TOLERATED_FAILURES:
                    break  # It is not the topic: each costs the time that Kafka gets for an answer.
        return failures == 0

    def _begin(self, source: Source) -> None:
        marks = watermarks(self._bootstrap, source.topic, source.partitions)
        place = MirrorPlace(self._folder.mirror_place(source.topic_id))
        copy = Copy(source, place, open_live(place, source, marks, self._schemas))
        look = self._freshness.look(source.topic_id)
        try:
            needs_build = may_have_missed(copy, marks, look, KafkaAdmin(self._bootstrap))
        except QuickError:
            copy.mirror.close()  # It is opened again at the next attempt, and a process opens a store only once.
            raise
        copy.mirror.begin_at({partition: mark.low for partition, mark in marks.items()})
        self._copies[source.topic] = copy
        self._consumer.assign(copy.starts())
        logger.info("the mirror of %s continues at %s", source.topic, copy.mirror.offsets)
        if needs_build or copy.mirror.kept != source.kept or place.next() is not None:
            self._build(copy)

    def _change(self, copy: Copy, source: Source) -> None:
        if source.partitions > copy.source.partitions:
            known = len(copy.mirror.offsets)
            copy.mirror.widen(source.partitions)
            self._consumer.assign({place: offset for place, offset in copy.starts().items() if place[1] >= known})
            logger.info("%s has %d partitions now", source.topic, source.partitions)
        is_other = source.kept != copy.source.kept
        copy.source = source
        if is_other:
            self._drop_build(copy)
            if copy.mirror.kept != source.kept:
                self._build(copy)

    def _end(self, copy: Copy) -> None:
        source = copy.source
        self._builds.give_up(source.topic)
        self._stop_reading(copy)
        del self._copies[source.topic]
        copy.mirror.close()
        copy.place.remove()
        self._caught_up.discard(source.topic_id)
        self._freshness.forget(source.topic_id)
        logger.info("the mirror of %s is removed", source.topic)

    def _suspend_replaced(self, facts: Mapping[str, TopicFacts | None]) -> None:
        """Read on in no topic that is another one than was mirrored; what is there goes on answering."""
        for topic, copy in self._copies.items():
            if topic not in facts:
                continue
            reason = suspension(copy.source.topic_id, topic, facts[topic])
            if reason == copy.suspension:
                continue
            if reason is None:
                copy.suspension = None
                self._read(copy)
            else:
                logger.error("the mirror of %s stands still: %s", topic, reason)
                self._stop_reading(copy)
                copy.suspension = reason

    def _starts(self) -> dict[Place, int]:
        """Return where everything is to be read on."""
        starts = {(self._status_topic, 0): self._status.next_offset()}
        for copy in self._copies.values():
            if copy.suspension is None:
                starts |= copy.starts()
        return starts

    def _read(self, copy: Copy) -> None:
        if copy.suspension is None:
            self._consumer.assign(copy.starts())

    def _stop_reading(self, copy: Copy) -> None:
        if copy.suspension is None:
            self._consumer.unassign(copy.starts())

    # Copies that are built beside.

    def _build(self, copy: Copy) -> None:
        source, next_ = copy.source, copy.place.next()
        if next_ is None or kept_at(next_) not in (None, source.kept):
            next_ = copy.place.begin_next()
        order = BuildOrder(
            topic=source.topic,
            partitions=source.partitions,
            path=str(next_),
            kept=source.kept,
            values=source.values,
            registry=str(self._folder.registry),
        )
        self._builds.want(order)

    def _drop_build(self, copy: Copy) -> None:
        """Give up a copy that is being built, or that has not reached yet the one that answers."""
        self._builds.give_up(copy.source.topic)
        if copy.goal is not None:
            live = copy.place.live()
            assert live is not None, "it answers"
            self._fold_on(copy, live)
            copy.goal = None
        copy.place.drop_next()

    def _adopt_builds(self) -> None:
        for order in self._builds.finished():
            copy, next_ = self._copies[order.topic], order.path
            goal = dict(copy.mirror.offsets)
            self._fold_on(copy, Path(next_))
            copy.goal = goal
            self._promote_if_reached(copy)

    def _fold_on(self, copy: Copy, path: Path) -> None:
        """Go on with the fold of another copy."""
        self._stop_reading(copy)
        copy.mirror.close()
        kept = kept_at(path) or copy.source.kept
        ends = dict.fromkeys(range(copy.source.partitions), 0)
        copy.mirror = open_copy(path, ends, kept, copy.source, self._schemas)
        self._read(copy)

    @staticmethod
    def _promote_if_reached(copy: Copy) -> None:
        """Let a copy answer that is no longer behind the one that answers."""
        if copy.has_reached_goal():
            copy.place.promote()
            copy.goal, copy.answering = None, copy.mirror.kept
            logger.info("the mirror of %s answers from its new copy", copy.source.topic)

    # Folding.

    def _fold_round(self) -> None:
        """Take what is at hand, piece by piece, and commit it in one go."""
        changed: set[str] = set()
        ends: list[PartitionEnd] = []
        lost: list[tuple[str, int]] = []
        timeout_s = self._consumer.poll_s
        deadline = time.monotonic() + timeout_s + ROUND_S
        for _ in range(PIECES):
            polled = self._consumer.poll(limit=PIECE_RECORDS, timeout_s=timeout_s)
            changed |= self._take(polled.records)
            ends += polled.ends
            lost += polled.lost
            is_all = len(polled.records) < PIECE_RECORDS
            if is_all or time.monotonic() > deadline or self._changed_pages(changed) > MAX_CHANGED_PAGES:
                break
            timeout_s = 0
        for end in ends:
            ended = self._copies.get(end.topic)
            if ended is not None and ended.mirror.ended(end):
                changed.add(end.topic)
        changed |= self._forget()
        for topic in changed:
            if self._guarded(topic, MirrorProjection.commit):
                self._copies[topic].failure = None
                self._promote_if_reached(self._copies[topic])
        for place in lost:
            self._go_on_behind_gap(*place)

    def _note_caught_up(self) -> None:
        if len(self._caught_up) < len(self._copies):
            self._caught_up |= {copy.source.topic_id for copy in self._copies.values() if copy.mirror.is_ready()}

    def _changed_pages(self, topics: Iterable[str]) -> int:
        return sum(self._copies[topic].mirror.changed_pages() for topic in topics)

    def _take(self, records: list[ConsumedRecord]) -> set[str]:
        """Hand *records* to their topics; return the mirrors that have something to commit."""
        by_topic = _by_topic(records)
        statuses = by_topic.pop(self._status_topic, None)
        if statuses is not None:
            self._status.fold(statuses)
        taken = set()
        for topic in by_topic.keys() & self._copies.keys():
            if self._guarded(topic, partial(MirrorProjection.take, records=by_topic[topic])):
                taken.add(topic)
        return taken

    def _forget(self) -> set[str]:
        """Remove what is past, where its time has come; return the mirrors that have something to commit."""
        now = time.monotonic()
        if now >= self._clean_at:
            self._clean_at = now + CLEAN_EVERY_S
            for copy in self._copies.values():
                copy.mirror.clean_readers()
        if now < self._forget_at:
            return set()
        now_ms = int(time.time() * 1000)
        forget = partial(MirrorProjection.forget, now_ms=now_ms)
        changed = {topic for topic in self._copies if self._guarded(topic, forget)}
        self._forget_at = now if changed else now + FORGET_EVERY_S
        return changed

    def _guarded(self, topic: str, write: Callable[[MirrorProjection], object]) -> bool:
        """Write to a mirror; when that fails go back to what it holds and read on from there.

        Returns:
            Whether it was written and there is something to commit.
        """
        copy = self._copies[topic]
        try:
            result = write(copy.mirror)
        except StoreBrokenError as error:
            self._replace_broken(copy, error)
            return False
        except (StoreError, UnavailableError) as error:  # The latter: of a registry that is asked for a schema.
            logger.warning("the mirror of %s goes back to its last commit: %s", topic, error)
            self._stop_reading(copy)
            copy.mirror.rewind(error)
            self._read(copy)
            if not isinstance(error, StoreFullError):
                copy.failure = str(error)
                self._stopping.wait(REFUSED_PAUSE_S)
            return False
        return result is not False

    def _replace_broken(self, copy: Copy, error: StoreBrokenError) -> None:
        """Begin anew where the copy that is folded cannot be used any more."""
        logger.error("the mirror of %s is begun anew: %s", copy.source.topic, error)
        self._builds.give_up(copy.source.topic)
        self._stop_reading(copy)
        copy.mirror.abandon()
        if copy.goal is None:
            copy.place.set_aside()
        copy.place.drop_next()
        del self._copies[copy.source.topic]
        self._seen = None  # It is wanted, and begun as a new one is.

    def _go_on_behind_gap(self, topic: str, partition: int) -> None:
        """Go on where Kafka has records: it does not hold those that were to be read next any more."""
        copy = self._copies.get(topic)
        offset = self._status.next_offset() if copy is None else copy.mirror.offsets[partition]
        try:
            low, high = watermarks(self._bootstrap, topic, partition + 1)[partition]
        except (KafkaUnavailableError, KafkaRefusedError) as error:
            logger.warning("where %s[%d] begins cannot be told now: %s", topic, partition, error)
            low, high = offset, offset
        if copy is not None:
            copy.mirror.begin_at({partition: low})
            if offset > high:
                logger.warning("Kafka has lost records of %s that were mirrored; it is built again", topic)
                self._build(copy)
        self._consumer.unassign([(topic, partition)])
        self._consumer.assign({(topic, partition): min(max(offset, low), high)})


def _by_topic(records: list[ConsumedRecord]) -> dict[str, list[ConsumedRecord]]:
    topics = topics_of(records)
    if topics and topics.count(topics[0]) == len(topics):
        return {topics[0]: records}
    return {topic: list(compress(records, map(topic.__eq__, topics))) for topic in set(topics)}
