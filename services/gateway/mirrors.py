"""The port through which a gateway reads mirrors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from core.types import TopicType
from projections.windows import Window


class RangeOf(NamedTuple):
    """A range of the values of one key, each part as GraphQL gave it; see `MirrorReading.range`."""

    key: Any
    low: Any
    high: Any


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which values of a topic a list has: those that meet all conditions, or a range.

    They stand in the order of their keys; where there are conditions in that of the field `scanned`, and those of a
    range in that of the range field.
    """

    topic: str
    where: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By indexed field its conditions, by `eq`, `in`, `gt`, `gte`, `lt` and `lte`, as GraphQL gave them; not null."""
    range: RangeOf | None = None

    @property
    def scanned(self) -> str | None:
        """The field whose index is read; all other conditions are compared with each row that it leads to."""
        exact = (name for name, conditions in self.where.items() if "eq" in conditions)
        among = (name for name, conditions in self.where.items() if "in" in conditions)
        return next((name for names in (exact, among, self.where) for name in names), None)


class ListRow(Protocol):
    """One value of a list."""

    @property
    def place(self) -> bytes:
        """Where it stands in the list."""

    @property
    def value(self) -> Any:
        """The value, decoded when it is asked for first; an exception where it cannot be read."""


class MirrorReading(Protocol):
    """What one operation reads: all of one topic as of one moment, and each key once. Not for two threads at a time.

    Values are as `core.record_fields` tells: a record of a schema is a dict, whose fields are what the codec makes of
    them, and where types are named a pair of its type's full name and the dict. They are shared: nobody changes them.

    Each method raises `NotFoundError` for a topic that does not exist or has no mirror, `UnavailableError` for a
    mirror that cannot be asked now, and `TooLargeError` when the operation has been given more than it may hold.
    """

    def is_at_hand(self, topic: str) -> bool:
        """Return whether a few keys of *topic* are read without waiting for anything."""

    def key_type(self, topic: str) -> TopicType:
        """Return the type of the keys of *topic*, the same for the whole operation."""

    def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any]:
        """Return one value for each of *keys*, in their order.

        `None` stands where there is none, and an exception where a key or a value cannot be read.
        """

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

    def all(self, topic: str, check_time: Callable[[], None]) -> list[Any]:
        """Return every value of *topic*, ordered by the bytes of the key; an exception where one cannot be read.

        Args:
            topic: Name of the topic.
            check_time: Called now and then; what it raises ends the reading.
        """

    def identity(self, topic: str) -> str:
        """Return what tells *topic* from one of the same name that was deleted."""

    def rows(
        self, query: ListQuery, window: Window, check_time: Callable[[], None], *, at_once: int
    ) -> Iterator[ListRow]:
        """Yield the rows of a list that are in a window, read as they are taken.

        Args:
            query: The list.
            window: Which rows; all of them, whatever its limit.
            check_time: Called now and then; what it raises ends the reading.
            at_once: How many are expected to be taken; so many are read at once, within reason.

        Raises:
            InvalidInputError: The mirror has no such index or range field, a condition or bound cannot be one, or a
                place was made up.
            UnavailableError: An index is still being built.
        """

    def close(self) -> None:
        """End the moments. Nothing is read after that."""


class MirrorReader(Protocol):
    """Reads the mirrors of topics. Safe to use from several threads."""

    def begin(self, *, names_types: bool = False) -> MirrorReading:
        """Begin the reading of one operation; what it needs is opened when it is asked for first.

        Args:
            names_types: Whether values come with the names of their types.
        """
