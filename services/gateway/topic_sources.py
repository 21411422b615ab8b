"""Fields whose values come from topics, asked for all parents of a level at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, cast

from core.errors import InvalidInputError, InvalidValueError, NotFoundError, QuickError
from core.types import TopicType
from services.gateway.keys import KEY_KINDS, are_keys, as_key
from services.gateway.mirrors import MirrorReading
from services.gateway.records import fields_of, shown
from services.gateway.sources import Arguments, Operation


class ReadingOperation(Operation, Protocol):
    """An operation that reads mirrors: the one that the executors of a gateway hand to sources."""

    @property
    def reading(self) -> MirrorReading:
        """What it reads."""


class KeySource(Protocol):
    """Where the key of a field, or its list of keys, comes from."""

    def of(self, parents: Sequence[Any], arguments: Arguments) -> list[Any]:
        """Return what stands as key for each of *parents*: null for no key, an exception for what is wrong there.

        Raises:
            InvalidInputError: It is wrong for all.
        """


class KeyArgument:
    """A key that comes with the field itself, or with the field of `Query` above it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def of(self, parents: Sequence[Any], arguments: Arguments) -> list[Any]:
        """Return the argument for each of *parents*."""
        return [argument(self.name, arguments)] * len(parents)


class KeyField:
    """A key that stands in the record above the field."""

    def __init__(self, name: str) -> None:
        self.name = name

    def of(self, parents: Sequence[Any], arguments: Arguments) -> list[Any]:
        """Return the field of each of *parents*."""
        name = self.name
        try:
            found = [parent.get(name) for parent in parents]
        except AttributeError:
            return [self._of_one(parent) for parent in parents]
        return [shown(value) for value in found]

    def _of_one(self, parent: Any) -> Any:
        try:
            return shown(fields_of(parent, self.name).get(self.name))
        except InvalidValueError as error:
            return error


class TopicSource(ABC):
    """The values of one field that are read from *topic*."""

    def __init__(self, topic: str) -> None:
        self.topic = topic

    def fetch(self, operation: Operation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        """Return the field's value for each of *parents*."""
        try:
            return self._read(cast("ReadingOperation", operation), parents, arguments)
        except QuickError as error:
            return [error] * len(parents)

    @abstractmethod
    def _read(self, operation: ReadingOperation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]: ...


class ValueOfKey(TopicSource):
    """The value under one key; no key gives null.

    Args:
        topic: Name of the topic.
        keys: Where the key comes from.
        is_required: Whether a missing value is an error that names its key.
    """

    def __init__(self, topic: str, keys: KeySource, *, is_required: bool) -> None:
        super().__init__(topic)
        self.keys = keys
        self._is_required = is_required

    def _read(self, operation: ReadingOperation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        given = self.keys.of(parents, arguments)
        values = _looked_up(operation.reading, self.topic, given)
        if not self._is_required or None not in values:
            return values
        return [
            _missing(operation.reading, self.topic, key) if value is None and key is not None else value
            for key, value in zip(given, values, strict=True)
        ]


class ValuesOfKeys(TopicSource):
    """One value for each key of a list, in its order.

    Args:
        topic: Name of the topic.
        keys: Where the list comes from; none at all gives an empty list where the field is non-null, else null.
        is_required: Whether the list is non-null.
        are_required: Whether the values in it are non-null: a missing one is an error that names its key.
    """

    def __init__(self, topic: str, keys: KeySource, *, is_required: bool, are_required: bool) -> None:
        super().__init__(topic)
        self.keys = keys
        self._is_required = is_required
        self._are_required = are_required

    def _read(self, operation: ReadingOperation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        lists = self.keys.of(parents, arguments)
        wanted = [key for keys in lists if isinstance(keys, list) for key in keys]
        values = self._values(operation.reading, wanted)
        if len(parents) == 1 and isinstance(lists[0], list):
            return [values]
        found: list[Any] = []
        start = 0
        for keys in lists:
            if isinstance(keys, list):
                found.append(values[start : start + len(keys)])
                start += len(keys)
            else:
                found.append(self._of_none(keys))
        return found

    def _values(self, reading: MirrorReading, keys: list[Any]) -> list[Any]:
        values = _looked_up(reading, self.topic, keys)
        if not self._are_required or None not in values:
            return values
        return [
            _missing(reading, self.topic, key) if value is None else value
            for key, value in zip(keys, values, strict=True)
        ]

    def _of_none(self, given: Any) -> Any:
        if given is None:
            return [] if self._is_required else None
        if isinstance(given, Exception):
            return given
        return InvalidValueError(
            f'{given!r:.100} is no list of keys of topic "{self.topic}". '
            "Let the key argument or key field of the schema be a list."
        )


class AllValues(TopicSource):
    """All values of a topic."""

    def _read(self, operation: ReadingOperation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        return [operation.reading.all(self.topic, operation.check_time) for _ in parents]


class ValuesInRange(TopicSource):
    """The values of one key within a range, in the order of its field.

    Args:
        topic: Name of the topic.
        key: Argument with the key.
        low: Argument with the lower bound, which is included.
        high: Argument with the upper bound, which is not.
    """

    def __init__(self, topic: str, *, key: str, low: str, high: str) -> None:
        super().__init__(topic)
        self._names = (key, low, high)

    def _read(self, operation: ReadingOperation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        key, low, high = (argument(name, arguments) for name in self._names)
        return [operation.reading.range(self.topic, key, low, high) for _ in parents]


def argument(name: str, arguments: Arguments) -> Any:
    """Return the argument *name*.

    Raises:
        InvalidInputError: It is absent or null.
    """
    if (value := arguments.get(name)) is None:
        raise InvalidInputError(f"Could not find argument {name}")
    return value


def _looked_up(reading: MirrorReading, topic: str, given: list[Any]) -> list[Any]:
    """Return the value under each of *given*; what is null or an exception there is so in what is returned."""
    kinds = set(map(type, given))
    if len(kinds) == 1 and not kinds.isdisjoint(KEY_KINDS):
        key_type = reading.key_type(topic)
        if are_keys(given, kinds, key_type):
            return reading.get_many(topic, given)
    if all(map(_is_no_key, given)):
        return given
    key_type = reading.key_type(topic)
    keys = [_key(key, key_type, topic) for key in given]
    found = iter(reading.get_many(topic, [key for key in keys if not _is_no_key(key)]))
    return [key if _is_no_key(key) else next(found) for key in keys]


def _key(given: Any, key_type: TopicType, topic: str) -> Any:
    try:
        return given if _is_no_key(given) else as_key(given, key_type, topic)
    except InvalidValueError as error:
        return error


def _is_no_key(key: Any) -> bool:
    return key is None or isinstance(key, Exception)


def _missing(reading: MirrorReading, topic: str, given: Any) -> NotFoundError:
    key = None if given is None else as_key(given, reading.key_type(topic), topic)
    return NotFoundError(
        f'Topic "{topic}" has no value under the key {key!r:.100}, and the schema declares it non-null. '
        "Write the value, or let the field be nullable."
    )
