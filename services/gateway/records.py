"""Values of records as fields of GraphQL show them.

Values go from field to field as their codec made them (see `core.record_fields`); what a scalar or an enum shows of
one is its JSON. So dates are text and bytes are base64, as everywhere in this program, and nothing is converted that
nobody asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType, NoneType
from typing import Any, Final

from graphql import GraphQLAbstractType, GraphQLResolveInfo

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


def concrete_type(value: Any, possible: Collection[str]) -> str | None:
    """Return which of the object types with the names *possible* a value is, `None` where nothing tells.

    The name of the Avro record or Protobuf message counts, its last part, and else the field `__typename`.
    """
    fields = value
    if type(value) is tuple:
        name, fields = value
        last = name.rpartition(".")[2]
        if last in possible:
            return str(last)
    named = fields.get("__typename") if isinstance(fields, Mapping) else None
    return named if isinstance(named, str) and named in possible else None


def resolve_type(value: Any, info: GraphQLResolveInfo, abstract: GraphQLAbstractType) -> str:
    """Return the name of the object type that a value of an interface or a union is, as graphql-core asks for it.

    Raises:
        InvalidValueError: Nothing tells.
    """
    possible = {type_.name for type_ in info.schema.get_possible_types(abstract)}
    found = concrete_type(value, possible)
    if found is None:
        raise InvalidValueError(
            f"Nothing tells which type of {abstract.name} this value is ({', '.join(sorted(possible))}). "
            "Name the record of its schema like that type, or let it have a field __typename."
        )
    return found
