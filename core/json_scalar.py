"""Values of the scalar `JSON` and of those that a user declares: any JSON that is not nested too deep."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FloatValueNode,
    GraphQLError,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    print_ast,
)

from core.avro_logical import LOGICAL_PYTHON_TYPES, to_text
from core.built_in_scalars import MAX_DIGITS, MAX_JSON_DEPTH
from core.json_values import json_number

_LARGEST: Final = 10**MAX_DIGITS
_SHOWN_CHARACTERS: Final = 100


def json_node(name: str, value: Any, levels: int = MAX_JSON_DEPTH) -> Any:
    """Return *value*, decoded or JSON, as JSON.

    Args:
        name: The scalar, for messages.
        value: The value.
        levels: Most objects and lists inside one another.

    Raises:
        GraphQLError: It is nested deeper, or JSON has no word for something in it.
    """
    match value:
        case dict() if levels:
            return {str(key): json_node(name, member, levels - 1) for key, member in value.items()}
        case list() if levels:
            return [json_node(name, item, levels - 1) for item in value]
        case tuple((str(), inner)):  # a branch of an Avro union: its name and the value
            return json_node(name, inner, levels)
    return _leaf(name, value)


def json_literal(name: str, node: ValueNode, variables: Mapping[str, Any], levels: int = MAX_JSON_DEPTH) -> Any:
    """Return the JSON that a literal stands for.

    Args:
        name: The scalar, for messages.
        node: The literal.
        variables: Values of the variables that may stand inside of it.
        levels: Most objects and lists inside one another.

    Raises:
        GraphQLError: It is nested deeper, or has a number that is too large.
    """
    match node:
        case ListValueNode() if levels:
            return [json_literal(name, item, variables, levels - 1) for item in node.values]
        case ObjectValueNode() if levels:
            return {
                field.name.value: json_literal(name, field.value, variables, levels - 1)
                for field in node.fields
                if not _is_left_out(field.value, variables)
            }
        case VariableNode():
            return json_node(name, variables.get(node.name.value), levels)
    return _literal_leaf(name, node)


def shown_value(value: Any) -> str:
    """Return the beginning of *value*, of any kind, as messages show it."""
    if isinstance(value, ValueNode):
        return print_ast(value)[:_SHOWN_CHARACTERS]
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return f"a number of more than {MAX_DIGITS} digits"
    try:
        return repr(value)[:_SHOWN_CHARACTERS]
    except ValueError:  # such a number is somewhere inside, and Python refuses to write it
        return f"this {type(value).__name__}"


def _leaf(name: str, value: Any) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int() if abs(value) < _LARGEST:
            return value
        case float():
            return json_number(value)
        case bytes():
            return base64.b64encode(value).decode()
    if type(value) in LOGICAL_PYTHON_TYPES:
        return to_text(value)
    raise _no_json(name, value)


def _literal_leaf(name: str, node: ValueNode) -> Any:
    match node:
        case NullValueNode():
            return None
        case BooleanValueNode() | StringValueNode() | EnumValueNode():
            return node.value
        case IntValueNode() if len(node.value) <= MAX_DIGITS:
            return int(node.value)
        case FloatValueNode() if isfinite(number := float(node.value)):
            return number
    raise _no_json(name, node)


def _is_left_out(node: ValueNode, variables: Mapping[str, Any]) -> bool:
    return isinstance(node, VariableNode) and node.name.value not in variables


def _no_json(name: str, value: Any) -> GraphQLError:
    if isinstance(value, dict | list | ListValueNode | ObjectValueNode):
        return GraphQLError(f"{name} cannot represent a value of more than {MAX_JSON_DEPTH} levels: nest it less deep.")
    return GraphQLError(f"{name} cannot represent {shown_value(value)}: it takes JSON, with numbers of usual size.")
