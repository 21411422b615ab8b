"""The copy of a mirror that is folded: how it is opened, and whether what it holds can be gone on from."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.boot_mark import discard_untrusted
from core.errors import InvalidInputError, StoreError
from core.kafka_admin import KafkaAdmin, TopicFacts
from core.kafka_reader import Watermarks
from core.registered_schema import SchemaLookup
from core.store import Store
from projections.freshness import Look
from projections.mirror_entries import TABLES, Kept, kept_for
from projections.mirror_folds import MirrorProjection
from projections.mirror_indexing import index_writer
from projections.mirror_places import MirrorPlace
from projections.mirror_sources import Source

logger = logging.getLogger(__name__)

AWAY_S: Final = 60.0
"""A mirror that stood still for less cannot have missed tombstones, whatever the topic's settings."""


class Copy:
    """The copy of a mirror that is folded."""

    def __init__(self, source: Source, place: MirrorPlace, mirror: MirrorProjection) -> None:
        self.source = source
        self.place = place
        self.mirror = mirror
        self.answering = mirror.kept
        """What the copy is for that answers: this one, or while there is a goal the one before."""
        self.goal: Mapping[int, int] | None = None
        """Where the copy that still answers stands, when this one is to take its place."""
        self.suspension: str | None = None
        """Why its topic is not read."""
        self.failure: str | None = None
        """Why the last write failed."""

    @property
    def trouble(self) -> str | None:
        """Why it does not go on."""
        return self.suspension or self.failure

    def starts(self) -> dict[tuple[str, int], int]:
        """Return the offsets to read on from, by topic and partition."""
        return {(self.source.topic, partition): offset for partition, offset in self.mirror.offsets.items()}

    def has_reached_goal(self) -> bool:
        """Return whether it can take the place of the copy that answers."""
        committed = self.mirror.committed
        return self.goal is not None and all(committed[partition] >= end for partition, end in self.goal.items())


def kept_at(path: Path) -> Kept | None:
    """Return what the copy at *path* was built for, `None` where it was just begun.

    Raises:
        StoreError: It cannot be opened.
    """
    if not (path / "data.mdb").exists():
        return None
    with Store(path, TABLES, sync=False) as store, store.read() as txn:
        return kept_for(txn)


def open_copy(
    path: Path, ends: Mapping[int, int], kept: Kept, source: Source, schemas: SchemaLookup
) -> MirrorProjection:
    """Open a copy of *source* for folding.

    Raises:
        StoreError: It cannot be opened.
        InvalidInputError: It has indexes of fields that the values do not have any more.
    """
    indexer = index_writer(kept, source.values, schemas)
    return MirrorProjection(path, ends, kept.write_type, kept.definition, indexer, kept.share)


def open_live(
    place: MirrorPlace, source: Source, marks: Mapping[int, Watermarks], schemas: SchemaLookup
) -> MirrorProjection:
    """Open the copy that answers, also when it keeps something else than is wanted now, or begin a first one.

    What cannot be opened is set aside, and built again; so is what has indexes that cannot be kept any more.
    """
    place.tidy()
    live = place.live()
    if live is not None:
        discard_untrusted(live)
    ends = {partition: mark.high for partition, mark in marks.items()}
    live = place.live()
    if live is not None:
        try:
            return open_copy(live, ends, kept_at(live) or source.kept, source, schemas)
        except (StoreError, InvalidInputError) as error:
            logger.error(
                "the mirror of %s is built again; the old one is kept in %s: %s", source.topic, place.set_aside(), error
            )
    return open_copy(place.begin_live(), ends, source.kept, source, schemas)


def may_have_missed(copy: Copy, marks: Mapping[int, Watermarks], look: Look | None, kafka: KafkaAdmin) -> bool:
    """Return whether something may be gone that an entry of *copy* was to be changed by.

    Args:
        copy: Where it stands.
        marks: Which records its topic holds now.
        look: The last look at it, which says until when it was current.
        kafka: To ask for the topic's settings.

    Raises:
        KafkaUnavailableError: No broker answered.
    """
    topic, offsets = copy.source.topic, copy.mirror.offsets
    if any(offset > marks[partition].high for partition, offset in offsets.items() if partition in marks):
        logger.warning("Kafka has lost records of %s that were mirrored; it is built again", topic)
        return True
    if copy.source.kept.is_first or look is None or look.current_as_of_ms is None or not any(offsets.values()):
        return False
    away_s = time.time() - look.current_as_of_ms / 1000
    if away_s < AWAY_S:
        return False
    config = kafka.topic_config(topic)
    if "compact" not in config["cleanup.policy"] or away_s * 1000 < int(config["delete.retention.ms"]) / 2:
        return False
    logger.warning(
        "the mirror of %s was away for %.0f s and may have missed tombstones; it is built again", topic, away_s
    )
    return True


def suspension(topic_id: str, topic: str, found: TopicFacts | None) -> str | None:
    """Return why a topic must not be read by its name any more, `None` where it is still the one of this ID."""
    if found is None:
        return (
            f"Kafka has no topic {topic} any more. What the mirror holds stays."
            " Create the topic again, or delete it here."
        )
    if found.topic_id != topic_id:
        return f"Somebody has deleted the topic {topic} in Kafka and created another one of this name."
    return None
