"""Mirrors in memory that remember what was asked; they implement the gateway's port to mirrors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.errors import NotFoundError
from core.types import TopicType


class MemoryMirrors:
    """Topics by name: the type of the keys, and the values by key; for ranges lists of values that have `at`."""

    def __init__(self, **topics: tuple[TopicType, Mapping[Any, Any]]) -> None:
        self.topics = topics
        self.asked: list[tuple[str, Any]] = []
        self.begun = 0
        self.closed = 0

    def begin(self, *, names_types: bool = False) -> MemoryMirrors:
        self.begun += 1
        return self

    def close(self) -> None:
        self.closed += 1

    def is_at_hand(self, topic: str) -> bool:
        return topic in self.topics

    def entry_count(self, topic: str) -> int | None:
        return len(self.topics[topic][1]) if topic in self.topics else None

    def key_type(self, topic: str) -> TopicType:
        return self._topic(topic)[0]

    def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any]:
        self.asked.append((topic, list(keys)))
        return [self._topic(topic)[1].get(key) for key in keys]

    def range(self, topic: str, key: Any, low: Any, high: Any) -> list[Any]:
        self.asked.append((topic, (key, low, high)))
        return [value for value in self._topic(topic)[1].get(key, ()) if low <= value["at"] < high]

    def all(self, topic: str, check_time: Callable[[], None]) -> list[Any]:
        check_time()
        return list(self._topic(topic)[1].values())

    def _topic(self, topic: str) -> tuple[TopicType, Mapping[Any, Any]]:
        if topic not in self.topics:
            raise NotFoundError(f"Topic {topic} not found in topic registry")
        return self.topics[topic]
