"""The registry as it was: folded from the log into memory, for one question, and thrown away."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from core.aggregates import EVENT_TYPES
from core.event_mapper import EventMapper
from core.log_index import LogIndex
from projections.registry import NOUNS, RecordedEvent, Registry, Row, row_after

Rows = dict[str, dict[bytes, Row[Any]]]
"""Rows by noun and key."""


class PastRegistry(Registry):
    """A moment of the registry."""

    def __init__(self, position: int, rows: Rows) -> None:
        self._position = position
        self._rows = rows

    def position(self) -> int:
        """Return the position up to which the log is folded."""
        return self._position

    def row(self, noun: str, key: bytes) -> Row[Any] | None:
        """Return one row, `None` when there was none."""
        return self._rows[noun].get(key)

    def rows(self, noun: str) -> list[Row[Any]]:
        """Return all rows of a noun by key."""
        return [row for _, row in sorted(self._rows[noun].items())]


def past_registries(
    index: LogIndex, positions: Iterable[int], nouns: Collection[str] = tuple(NOUNS)
) -> list[PastRegistry]:
    """Return the registry as it was after each of *positions*, which ascend, in one pass over the log.

    Args:
        index: Index of the log.
        positions: The moments.
        nouns: What is asked for; events about anything else are not even decoded.

    Raises:
        UnknownEventError: A newer program wrote one of the events up to there.
    """
    mapper = EventMapper()
    rows: Rows = {noun: {} for noun in nouns}
    moments: list[PastRegistry] = []
    reached = 0
    for position in positions:
        _fold(index, mapper, rows, reached, position)
        reached = position
        moments.append(PastRegistry(position, {noun: dict(found) for noun, found in rows.items()}))
    return moments


def _fold(index: LogIndex, mapper: EventMapper, rows: Rows, after: int, upto: int) -> None:
    for event_id, indexed in index.all_events(after, upto):
        known = EVENT_TYPES.get(indexed.topic)
        if known is None or known.noun in rows:
            apply(rows, RecordedEvent(event_id, mapper.event(indexed)))


def apply(rows: Rows, recorded: RecordedEvent) -> None:
    """Apply an event to *rows*."""
    noun, found = NOUNS.get(recorded.event.noun), rows.get(recorded.event.noun)
    if noun is None or found is None:
        return
    key = noun.key(recorded.event)
    row = row_after(noun, found.get(key), recorded)
    if row is None:
        found.pop(key, None)
    else:
        found[key] = row
