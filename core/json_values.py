"""JSON nodes: how they are read strictly, named and shown in messages, and written where JSON has no word."""

from __future__ import annotations

import json
from math import isfinite, isnan
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from core.errors import InvalidValueError, Mismatch

if TYPE_CHECKING:
    from core.topic_type import TopicType

SHOWN_CHARACTERS: Final = 1000
"""How much of a node a message shows: a rejected body of megabytes must not become a message of megabytes."""

_NODE_TYPES: Final[dict[type, str]] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
    NoneType: "null",
}


def parse_json(text: str) -> Any:
    """Return the node that *text* is in strict JSON: no NaN, no lone surrogates, nothing after the value.

    Raises:
        InvalidValueError: The text is not JSON.
    """
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise InvalidValueError(f"{shown(text)} is not JSON: {error}. Correct it at that place.") from error


def node_type(node: Any) -> str:
    """Return what JSON calls *node*: string, number, boolean, object, array or null."""
    return _NODE_TYPES[type(node)]


def compact(node: Any) -> str:
    """Return *node* as JSON text without blanks, characters beyond ASCII as they are."""
    return json.dumps(node, ensure_ascii=False, separators=(",", ":"))


def shown(node: Any) -> str:
    """Return *node* as a message shows it: compact JSON that any encoding can carry, cut when it is long."""
    text = compact(node).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def type_mismatch(
    expected: TopicType, node: Any, *, words: str | None = None, schema_id: int | None = None
) -> InvalidValueError:
    """Return the error for a *node* that is no value of the *expected* type, ready to be raised.

    Args:
        expected: The type of the topic's keys or values.
        node: What was there instead.
        words: The type in the words of a schema, where there is one.
        schema_id: That schema.
    """
    text = shown(node)
    return InvalidValueError(
        f"Data must be of type {expected.lower()}. Got: {node_type(node)} ({text})",
        Mismatch(words or expected.lower(), text, (), schema_id),
    )


def json_number(number: float) -> float | str:
    """Return *number*, or the word for it where JSON has no number: `NaN`, `Infinity`, `-Infinity`."""
    if isfinite(number):
        return number
    if isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"
