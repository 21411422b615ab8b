"""Partitions that hold more than is folded of them, and since when nothing was folded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Place = tuple[str, int]
"""Topic and partition."""


class Standing(NamedTuple):
    """Where a partition stands."""

    offset: int
    """The next one to be folded, which the partition holds."""
    since: float
    """When that was seen first, on the monotonic clock."""


def standing_still(
    before: Mapping[Place, Standing],
    positions: Mapping[str, Mapping[int, int]],
    ends: Mapping[str, Mapping[int, int]],
    now: float,
) -> dict[Place, Standing]:
    """Return the partitions that hold more than is folded.

    Args:
        before: What this returned at the last look.
        positions: The next offset of each partition of each topic that is read.
        ends: Up to where each partition can be read, where that is known.
        now: The time of this look, on the monotonic clock.
    """
    found = {}
    for topic, offsets in positions.items():
        known = ends.get(topic, {})
        for partition, offset in offsets.items():
            if known.get(partition, 0) > offset:
                last = before.get((topic, partition))
                found[topic, partition] = last if last and last.offset == offset else Standing(offset, now)
    return found
