"""Which object type a value of an interface or a union has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import InvalidValueError


def concrete_type_name(value: Any, hinted_name: str | None, possible: frozenset[str]) -> str:
    """Return which of the *possible* types *value* has.

    The name that its reader found decides, where it is one of them; else the text that the value itself has
    under `__typename`; else the only type that is possible.

    Args:
        value: The value, a record as a mapping.
        hinted_name: Name of its Avro record or Protobuf message, with or without its namespace; `None` if unknown.
        possible: The object types that the interface or union may stand for.

    Raises:
        InvalidValueError: None of these tells the type.
    """
    hinted = None if hinted_name is None else hinted_name.rpartition(".")[2]
    if hinted in possible:
        return str(hinted)
    own = value.get("__typename") if isinstance(value, Mapping) else None
    if isinstance(own, str) and own in possible:
        return own
    if own is None and len(possible) == 1:
        return next(iter(possible))
    found = own if own is not None else hinted
    said = "says nothing of its type" if found is None else f"is of the type {found!r:.100}"
    raise InvalidValueError(
        f"A value {said}, and the schema takes {', '.join(sorted(possible)) or 'no type'}. "
        "Name one of these types like the record, or let the value have a field __typename."
    )


def unwrapped(value: Any) -> tuple[Any, str | None]:
    """Return a decoded *value* and the name of its type: a branch of an Avro union is a pair of name and value."""
    match value:
        case tuple((str(name), inner)):
            return inner, name
    return value, None
