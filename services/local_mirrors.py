"""The gateway's port to mirrors, over the LMDB beside it. It hands out JSON nodes: GraphQL knows no dates or bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from core.errors import QuickError
from core.types import TopicType
from services.gateway.keys import as_key
from services.mirrors.ranges import IndexSource, Range, bounds_of, range_indexes, ranged
from services.mirrors.values import value_of
from services.topic_access import TopicAccesses


class LocalMirrors:
    """Reads the mirrors of this machine; implements `services.gateway.mirrors.MirrorReader`. Blocks, so use threads."""

    def __init__(self, topics: TopicAccesses, indexes: IndexSource) -> None:
        self._topics = topics
        self._indexes = indexes

    def key_type(self, topic: str) -> TopicType:
        """Return the type of the keys of *topic*."""
        return self._topics.topic(topic).keys.type

    def get(self, topic: str, key: Any) -> Any | None:
        """Return the value of a key, `None` when it does not exist."""
        access = self._topics.topic(topic)
        entry = self._topics.mirror(access).get(access.keys.encode(key))
        return None if entry is None else value_of(access, entry)

    def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any | None]:
        """Return the values of *keys* in their order, `None` where one does not exist."""
        access = self._topics.topic(topic)
        entries = self._topics.mirror(access).get_many([access.keys.encode(key) for key in keys])
        return [None if entry is None else value_of(access, entry) for entry in entries]

    def range(self, topic: str, key: Any, low: Any, high: Any) -> list[Any]:
        """Return the values of a key within a range, in its order."""
        access = self._topics.topic(topic)
        indexes, field = range_indexes(self._indexes(access, self._topics.mirror(access)))
        bounds = bounds_of(field, {"from": low, "to": high}, field.from_json)
        if indexes.range_key is None:
            raw_key = access.keys.encode(as_key(key, access.keys.type, topic))
        else:
            raw_key = indexes.range_key.from_json(key)
        return [value_of(access, entry) for entry in ranged(indexes, raw_key, Range(bounds))]

    def all(self, topic: str) -> Iterable[Any]:
        """Yield all values by key."""
        access = self._topics.topic(topic)
        return (value_of(access, entry) for entry in self._topics.mirror(access).all())

    def entry_count(self, topic: str) -> int | None:
        """Return how many entries *topic* has, those included that were deleted of late; `None` where none is read."""
        try:
            return self._topics.mirror(self._topics.topic(topic)).size().entries
        except QuickError:
            return None
