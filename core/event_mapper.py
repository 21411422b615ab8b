"""From accepted events of the log to events of our aggregates."""

from __future__ import annotations

from uuid import UUID

from eventsourcing.persistence import (
    DatetimeAsISO,
    DecimalAsStr,
    JSONTranscoder,
    Mapper,
    MapperDeserialisationError,
    StoredEvent,
    UUIDAsHex,
)
from eventsourcing.utils import TopicError

from core.aggregates import LogEvent
from core.errors import FoldError
from core.log_index import IndexedEvent


class EventMapper:
    """Decodes events as the eventsourcing application that wrote them encodes them."""

    def __init__(self) -> None:
        transcoder = JSONTranscoder()
        for transcoding in (UUIDAsHex(), DecimalAsStr(), DatetimeAsISO()):
            transcoder.register(transcoding)
        self._mapper = Mapper[UUID](transcoder)

    def event(self, indexed: IndexedEvent) -> LogEvent:
        """Return the event.

        Raises:
            FoldError: This program does not know its type; a newer one wrote it.
        """
        stored = StoredEvent(UUID(indexed.originator_id), indexed.originator_version, indexed.topic, indexed.state)
        try:
            event = self._mapper.to_domain_event(stored)
        except (TopicError, MapperDeserialisationError) as error:
            raise FoldError(
                f"The record at offset {indexed.offset} of the log holds an event {indexed.topic} that this program"
                f" cannot read ({error}). A newer version wrote it: upgrade this one."
            ) from error
        assert isinstance(event, LogEvent), "the application records nothing else"
        return event
