"""From what GraphQL or a record gives as a key to the key of a topic."""

from __future__ import annotations

from typing import Any, Final

from core.errors import InvalidValueError
from core.types import TopicType

_WHOLE_NUMBERS: Final = {
    TopicType.INTEGER: range(-(2**31), 2**31),
    TopicType.LONG: range(-(2**63), 2**63),
}


def as_key(given: Any, key_type: TopicType, topic: str) -> Any:
    """Return *given* as a key of *topic*: a whole number is widened to a double, nothing is narrowed.

    Args:
        given: The value of an argument or of a field of a record; not null.
        key_type: The type of the topic's keys.
        topic: Name of the topic, for the message.

    Raises:
        InvalidValueError: *given* cannot be a key of that type.
    """
    is_whole = isinstance(given, int) and not isinstance(given, bool)
    match key_type:
        case TopicType.STRING if isinstance(given, str):
            return given
        case TopicType.INTEGER | TopicType.LONG if is_whole and given in _WHOLE_NUMBERS[key_type]:
            return given
        case TopicType.DOUBLE if is_whole or isinstance(given, float):
            return float(given)
        case TopicType.SCHEMA if isinstance(given, dict):
            return given
    raise InvalidValueError(
        f'{given!r:.100} cannot be a key of topic "{topic}", whose keys are of type {key_type.lower()}. '
        "Give the key argument or key field of the schema the type of the topic's keys."
    )


KEY_KINDS: Final = frozenset({str, int, float, dict})
"""The types in Python of what can be a key."""

_EXACT: Final = {
    TopicType.STRING: {str},
    TopicType.INTEGER: {int},
    TopicType.LONG: {int},
    TopicType.DOUBLE: {float},
    TopicType.SCHEMA: {dict},
}


def are_keys(given: list[Any], kinds: set[type], key_type: TopicType) -> bool:
    """Return whether each of *given*, of which there is one at least, is a key as it stands.

    Args:
        given: What may be keys.
        kinds: Their types in Python.
        key_type: The type of the topic's keys.
    """
    if kinds != _EXACT[key_type]:
        return False
    numbers = _WHOLE_NUMBERS.get(key_type)
    return numbers is None or (min(given) in numbers and max(given) in numbers)
