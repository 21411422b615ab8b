"""Avro → JSON: plain objects with every field, unions without a wrapper, bytes in base64, logical types as text.

The walk goes by the value and needs no schema, because a codec's values come from several: one for each
schema that its records were written with.
"""

from __future__ import annotations

from base64 import b64encode
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from core.avro_logical import LOGICAL_PYTHON_TYPES, to_text
from core.json_values import json_number

if TYPE_CHECKING:
    from core.avro_types import AvroSchema

_CONTAINERS: Final = frozenset({"array", "map", "record"})
_READY_KINDS: Final = _CONTAINERS | {"null", "boolean", "int", "long", "string", "enum"}
_READY_TYPES: Final = frozenset({NoneType, bool, int, str})


def is_json_ready(schema: AvroSchema) -> bool:
    """Return whether every value of *schema* is JSON as it stands, so that `to_json_node` need not be called.

    Floats are not (JSON has no NaN), nor bytes, nor logical types, nor a union that marks the chosen branch.
    """
    return all(
        (kind in _READY_KINDS and schema.logical(node) is None) or (kind == "union" and _marks_no_branch(schema, node))
        for node in schema.reachable(schema.root)
        for kind in (schema.kind(node),)
    )


def _marks_no_branch(schema: AvroSchema, union: Any) -> bool:
    kinds = {schema.kind(branch) for branch in union}
    return len(union) == 2 and "null" in kinds and not kinds & _CONTAINERS  # noqa: PLR2004  null and one other


def to_json_node(value: Any) -> Any:
    """Return the Avro *value* as a node that any JSON writer can write."""
    kind = type(value)
    if kind is dict:
        return {
            name: member if type(member) in _READY_TYPES else to_json_node(member) for name, member in value.items()
        }
    if kind is list:
        return [item if type(item) in _READY_TYPES else to_json_node(item) for item in value]
    if kind is float:
        return json_number(value)
    if kind is bytes:
        return b64encode(value).decode()
    if kind is tuple:  # a union's branch: its name and the value
        return to_json_node(value[1])
    return to_text(value) if kind in LOGICAL_PYTHON_TYPES else value
