"""Which topics are to be mirrored on this machine, and how: the registry, the statuses and Kafka taken together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from core.kafka_admin import TopicFacts
from core.mirror_shares import Share
from projections.mirror_choice import Choice, everything
from projections.mirror_entries import Kept
from projections.mirror_indexing import Values
from projections.registry import RegistryView
from projections.status import CREATED, StatusView


class Source(NamedTuple):
    """The Kafka topic that a mirror reads, and what it keeps of it."""

    topic: str
    topic_id: str
    partitions: int
    kept: Kept
    values: Values


def wanted_sources(
    registry: RegistryView,
    status: StatusView,
    facts: Mapping[str, TopicFacts | None],
    choice: Choice = everything,
    share: Share | None = None,
) -> Iterator[Source]:
    """Yield the topics that a mirror is declared for, that exist in Kafka, and that this process is to hold.

    Args:
        registry: What is declared.
        status: Which Kafka topic belongs to which declaration.
        facts: What Kafka says of the topics; somebody may have added partitions.
        choice: Which of the mirrors are held here.
        share: Which of their keys, `None` for all.
    """
    for row, mirror in choice(registry):
        noted = status.topic(row.state.name, row.incarnation)
        if noted is not None and noted.state == CREATED and noted.topic_id is not None:
            kept = Kept(write_type=row.state.write_type, definition=mirror.state.definition, share=share)
            found = facts.get(row.state.name)
            is_same = found is not None and found.topic_id == noted.topic_id
            partitions = found.partitions if found is not None and is_same else row.state.partitions
            yield Source(row.state.name, noted.topic_id, partitions, kept, Values.of(row.state))
