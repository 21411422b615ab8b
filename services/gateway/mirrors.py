"""The port through which a gateway reads mirrors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from core.types import TopicType


class MirrorReader(Protocol):
    """Reads the mirrors of topics. Safe to use from several threads.

    Values are decoded: a record of a schema is a dict, everything else the Python value of its type. Every
    method raises `NotFoundError` for a topic that does not exist or has no mirror.
    """

    def key_type(self, topic: str) -> TopicType:
        """Return the type of the keys of *topic* as it is now; asked at every lookup, so it must be quick."""

    def get(self, topic: str, key: Any) -> Any | None:
        """Return the value under *key*, or `None` where there is none."""

    def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any | None]:
        """Return one value for each of *keys*, in their order, `None` where there is none."""

    def range(self, topic: str, key: Any, low: Any, high: Any) -> list[Any]:
        """Return the values of a key from *low*, included, to *high*, not included, in the order of the range field.

        Args:
            topic: Name of the topic.
            key: As GraphQL gave it. Where the mirror has a range key, it is a value of that field.
            low: As GraphQL gave it.
            high: As GraphQL gave it.

        Raises:
            InvalidInputError: The mirror has no range field, or a bound or the key is of another type.
        """

    def all(self, topic: str) -> Iterable[Any]:
        """Return every value of *topic*, ordered by the bytes of the key."""
