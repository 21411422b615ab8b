"""From events of our aggregates to what the log stores of them, and back: upcast, and without a detour.

One mapper serves the command side (as the eventsourcing library's `MAPPER_TOPIC`) and the projections, so that both
read old events alike.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.persistence import Mapper, StoredEvent

from core import applications, compatibility, gateways, keys, log_safety, mirrors, subjects, topics
from core.aggregates import EVENT_TYPES, LogEvent
from core.errors import UnknownEventError
from core.log_rows import IndexedEvent
from core.upcasting import Upcasters, registered_upcasters

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode

_VERSION = "class_version"

_UNUSABLE = (msgspec.DecodeError, TypeError, ValueError, LookupError, AttributeError, RecursionError)
"""What comes of an event that is not ours: in its JSON, in an upcaster, or in making it."""

NOUNS = (topics, gateways, applications, mirrors, subjects, compatibility, keys, log_safety)
"""The modules with all events: importing them makes the events known."""


class EventMapper(Mapper[UUID]):
    """Maps events of our aggregates; their fields are JSON values, so no transcoding is needed."""

    def __init__(self, *_: object, upcasters: Upcasters | None = None, **__: object) -> None:
        # The library passes its transcoder, cipher and compressor, none of which our log has.
        self._upcasters = registered_upcasters() if upcasters is None else upcasters

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """Return *domain_event* as it is stored; a version above 1 is named in its state."""
        facts = dict(vars(domain_event))
        originator_id, version = facts.pop("originator_id"), facts.pop("originator_version")
        if domain_event.class_version > 1:
            facts[_VERSION] = domain_event.class_version
        return StoredEvent(originator_id, version, domain_event.TOPIC, _encode(facts))

    def to_domain_event(self, stored_event: StoredEvent) -> LogEvent:
        """Return a stored event as this program knows it.

        Raises:
            UnknownEventError: A newer program wrote it.
        """
        return self._event(
            stored_event.topic,
            stored_event.state,
            str(stored_event.originator_id),
            stored_event.originator_version,
        )

    def event(self, indexed: IndexedEvent) -> LogEvent:
        """Return an accepted event of the log.

        Raises:
            UnknownEventError: A newer program wrote it; names its offset.
        """
        try:
            return self._event(indexed.topic, indexed.state, indexed.originator_id, indexed.originator_version)
        except UnknownEventError as error:
            raise UnknownEventError(
                f"The record at offset {indexed.offset} of the log cannot be used: {error}"
            ) from error

    def _event(self, topic: str, state: bytes, originator_id: str, originator_version: int) -> LogEvent:
        try:
            facts = _decode(state)
            topic, facts = self._upcasters.current(topic, facts.pop(_VERSION, 1), facts)
            event_type = EVENT_TYPES[topic]
            identity = {"originator_id": originator_id, "originator_version": originator_version}
            if unknown := facts.keys() - (event_type.__dataclass_fields__.keys() - identity):
                raise ValueError(f"{', '.join(sorted(unknown))} is no fact of it")
            return msgspec.convert(facts | identity, event_type)
        except _UNUSABLE as error:
            raise UnknownEventError(
                f"it holds an event {topic} that this program does not know ({error})."
                " A newer version wrote it: upgrade this one."
            ) from error
