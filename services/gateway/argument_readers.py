"""How the arguments of one field, and the variables of one operation, are read: as little as possible each time.

What can be known when a document comes is coerced then. For the rest, what is plainly right is taken as it is; all
else goes to graphql-core, which coerces it or says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_argument_values,
    get_variable_values,
    is_input_type,
    is_non_null_type,
    is_specified_scalar_type,
    type_from_ast,
    value_from_ast,
)

Variables = Mapping[str, Any]
ArgumentReader = Callable[[Variables], Mapping[str, Any]]

_INT: Final = range(-(2**31), 2**31)
_NOTHING: Final = MappingProxyType[str, Any]({})


def argument_reader(field: GraphQLField, node: FieldNode) -> ArgumentReader:
    """Return what gives the arguments of a field, defaults included, from the coerced variables.

    It raises GraphQLError where a variable cannot be what it is.

    Raises:
        GraphQLError: An argument that needs no variable is wrong.
    """
    if not any(_has_variables(argument.value) for argument in node.arguments):
        constant = MappingProxyType(get_argument_values(field, node))
        return lambda _: constant
    if all(
        isinstance(argument.value, VariableNode) or not _has_variables(argument.value) for argument in node.arguments
    ):
        return _DirectVariables(field, node)
    return lambda variables: get_argument_values(field, node, dict(variables))


class _DirectVariables:
    """Arguments each of which is a variable, or needs none."""

    def __init__(self, field: GraphQLField, node: FieldNode) -> None:
        self._field = field
        self._node = node
        variables = {
            argument.name.value: argument.value.name.value
            for argument in node.arguments
            if isinstance(argument.value, VariableNode)
        }
        self._constants = self._without(variables)
        self._variables = [
            (field.args[name].out_name or name, variable, is_non_null_type(field.args[name].type))
            for name, variable in variables.items()
        ]

    def _without(self, variables: Mapping[str, str]) -> dict[str, Any]:
        """Return the other arguments."""
        field = GraphQLField(
            self._field.type, {name: arg for name, arg in self._field.args.items() if name not in variables}
        )
        return get_argument_values(field, self._node)

    def __call__(self, variables: Variables) -> Mapping[str, Any]:
        """Return the arguments."""
        arguments = self._constants.copy()
        for name, variable, is_required in self._variables:
            value = variables.get(variable, Undefined)
            if value is Undefined or (value is None and is_required):
                return get_argument_values(self._field, self._node, dict(variables))
            arguments[name] = value
        return arguments


def _has_variables(node: ValueNode) -> bool:
    match node:
        case VariableNode():
            return True
        case ListValueNode():
            return any(map(_has_variables, node.values))
        case ObjectValueNode():
            return any(_has_variables(field.value) for field in node.fields)
    return False


class VariableReader:
    """The variables of one operation."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._nodes = operation.variable_definitions
        self._quick = [_quick_variable(schema, node) for node in self._nodes]

    def read(self, given: Mapping[str, Any]) -> Mapping[str, Any] | list[GraphQLError]:
        """Return the coerced variables, defaults included, or what is wrong with them."""
        if not self._nodes:
            return _NOTHING
        read: dict[str, Any] = {}
        for quick in self._quick:
            if quick is None:
                return self._coerced(given)
            name, fits, default = quick
            value = given.get(name, Undefined)
            if value is Undefined:
                value = default
                if value is Undefined:
                    return self._coerced(given)
            elif not fits(value):
                return self._coerced(given)
            read[name] = value
        return read

    def _coerced(self, given: Mapping[str, Any]) -> Mapping[str, Any] | list[GraphQLError]:
        return get_variable_values(self._schema, self._nodes, dict(given), max_errors=50)


_Quick = tuple[str, Callable[[Any], bool], Any]
"""Name, what tells a value that is as coercion would make it, and the default."""


def _quick_variable(schema: GraphQLSchema, node: Any) -> _Quick | None:
    type_ = type_from_ast(schema, node.type)
    fits = _fits(type_) if is_input_type(type_) else None
    if fits is None:
        return None
    default = Undefined if node.default_value is None else value_from_ast(node.default_value, type_)
    return node.variable.name.value, fits, default


def _fits(type_: GraphQLInputType) -> Callable[[Any], bool] | None:
    if isinstance(type_, GraphQLNonNull):
        return _fits(type_.of_type)
    if isinstance(type_, GraphQLList):
        of_one = _fits(type_.of_type)
        if of_one is None or isinstance(type_.of_type, GraphQLList):
            return None
        return lambda value: type(value) is list and all(map(of_one, value))
    if isinstance(type_, GraphQLScalarType) and is_specified_scalar_type(type_):
        return _FITTING[type_.name]
    return None


_FITTING: Final[Mapping[str, Callable[[Any], bool]]] = {
    "Boolean": lambda value: type(value) is bool,
    "Float": lambda value: type(value) is float and value - value == 0.0,
    "ID": lambda value: type(value) is str,
    "Int": lambda value: type(value) is int and value in _INT,
    "String": lambda value: type(value) is str,
}
