"""Values of records as fields of GraphQL show them.

Values go from field to field as their codec made them (see `core.record_fields`); what a scalar or an enum shows of
one is its JSON. So dates are text and bytes are base64, as everywhere in this program, and nothing is converted that
nobody asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, NoneType
from typing import Any, Final

from core.avro_to_json import to_json_node
from core.errors import InvalidValueError

PASS_THROUGH: Final[Mapping[str, Any]] = MappingProxyType({})
"""The value above all fields, and of a field that only leads to others that are filled from topics."""

_READY: Final = frozenset({str, int, bool, NoneType})


def fields_of(value: Any, wanted: str) -> Mapping[str, Any]:
    """Return the fields of a record, which may come with the name of its type.

    Args:
        value: What should be a record.
        wanted: The field that somebody looks for, for the message.

    Raises:
        InvalidValueError: It is something else.
    """
    fields = value[1] if type(value) is tuple else value
    if not hasattr(fields, "get"):
        raise InvalidValueError(
            f"The field {wanted} belongs to a record, but the value above it is a {type(fields).__name__}. "
            "Correct the type in the schema, or name another topic."
        )
    return fields  # type: ignore[no-any-return]  # anything with get


def shown(value: Any) -> Any:
    """Return *value* as a JSON node.

    Raises:
        InvalidValueError: It is nested too deep.
    """
    if type(value) in _READY:
        return value
    try:
        return to_json_node(value)
    except RecursionError:
        raise InvalidValueError(
            "This value is nested too deep to be shown as JSON. Write it with fewer levels."
        ) from None
