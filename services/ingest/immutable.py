"""Immutable topics: of all records with one key the first in the topic counts, whoever wrote the others.

A writer cannot know beforehand that nobody else writes the same key at this moment. So it writes, waits until the
mirror has passed its record, and looks whether the mirror kept this one or an earlier one. Mirrors on all machines
read the same order, so of two writers exactly one is told yes.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.json_values import compact
from core.kafka_writer import OutRecord, Written
from core.types import Codec
from projections.mirrors import MirrorView


def repeated_in(records: Sequence[OutRecord]) -> set[int]:
    """Return the indexes of records whose key an earlier one has."""
    seen: set[bytes | None] = set()
    repeated = set()
    for index, record in enumerate(records):
        if record.key in seen:
            repeated.add(index)
        seen.add(record.key)
    return repeated


def existing_in(mirror: MirrorView, records: Sequence[OutRecord]) -> set[int]:
    """Return the indexes of records whose key exists, as far as the mirror has read."""
    winners = mirror.winners([record.key or b"" for record in records])
    return {index for index, winner in enumerate(winners) if winner is not None}


def are_first(mirror: MirrorView, records: Sequence[OutRecord], places: Sequence[Written]) -> list[bool | None]:
    """Return of each record, written at its place in *places*, whether no other one of its key counts before it.

    `None` where that cannot be told, since the place is not known.
    """
    winners = mirror.winners([record.key or b"" for record in records])
    return [
        None if place.offset is None else winner is not None and (winner.partition, winner.offset) == place
        for winner, place in zip(winners, places, strict=True)
    ]


def shown_key(keys: Codec, key: bytes) -> str:
    """Return a key as messages name it: a text as it is, another one as JSON."""
    node = keys.to_json(keys.decode(key))
    return node if isinstance(node, str) else compact(node)
