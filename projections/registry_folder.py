"""Folds the accepted events of the log into a registry, from where that one stands."""

from __future__ import annotations

from collections.abc import Iterator

from core.errors import FoldError
from core.event_mapper import EventMapper
from core.log_index import LogIndex
from core.log_rows import IndexedEvent
from projections.registry import RecordedEvent, RegistryProjection

EVENTS_PER_ROUND = 1000
"""Events that one transaction of the registry holds."""


class RegistryFolder:
    """Folds the log of *index* into *registry*; what has been folded is never folded again."""

    def __init__(self, index: LogIndex, registry: RegistryProjection) -> None:
        self._index = index
        self._registry = registry
        self._mapper = EventMapper()
        self.position = registry.view.position()

    def fold_next(self) -> None:
        """Fold the next events that the index holds, as many as one transaction takes.

        Raises:
            FoldError: An event cannot be folded; everything before it is.
        """
        found = self._index.notifications(self.position + 1, EVENTS_PER_ROUND)
        if not found:
            return
        try:
            self._fold(found)
        except FoldError:
            for one in found:  # One by one, up to the event that cannot be folded.
                self._fold([one])

    def fold_to(self, position: int) -> None:
        """Fold up to *position*, which the index holds.

        Raises:
            FoldError: An event cannot be folded; everything before it is.
        """
        while self.position < position:
            self._fold(self._index.notifications(self.position + 1, EVENTS_PER_ROUND, position))

    def _fold(self, found: list[tuple[int, IndexedEvent]]) -> None:
        upto = found[-1][0]
        self._registry.fold(self._events(found), upto)
        self.position = upto

    def _events(self, found: list[tuple[int, IndexedEvent]]) -> Iterator[RecordedEvent]:
        for event_id, indexed in found:
            yield RecordedEvent(event_id, self._mapper.event(indexed))
