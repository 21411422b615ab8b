"""From an operation of a document to its plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    is_abstract_type,
    is_leaf_type,
    is_object_type,
)
from graphql.execution.collect_fields import collect_fields, collect_sub_fields

from services.gateway.abstract_types import concrete_type_name, unwrapped
from services.gateway.argument_readers import ArgumentReader, argument_reader
from services.gateway.plan import Plan, Step, fixed_key_count
from services.gateway.projection_code import ProjectionCode
from services.gateway.resolvers import FieldResolver, MutationResolver, PropertyResolver, SourceResolver
from services.gateway.topic_sources import TopicSource

MAX_PLANNED_FIELDS: Final = 2_000
"""Most fields of one plan, those of an interface or a union counted for each of its types."""


class NotPlannableError(Exception):
    """An operation that graphql-core has to execute."""


def compile_plan(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, conditions: Mapping[str, Any]
) -> Plan:
    """Return the plan of *operation*.

    Args:
        schema: The schema, whose resolvers tell where the values come from.
        document: A valid document, with the fragments.
        operation: An operation in it.
        conditions: The variables that decide which fields are left out.

    Raises:
        NotPlannableError: It is neither query nor mutation, asks for the schema itself, is too large, or has fields
            with resolvers that are none of ours.
    """
    root = schema.get_root_type(operation.operation)
    if root is None or operation.operation is OperationType.SUBSCRIPTION:
        raise NotPlannableError
    try:
        return _Compiler(schema, document, dict(conditions)).plan(operation, root)
    except GraphQLError as error:  # An argument or a condition: graphql-core finds it too, and says so.
        raise NotPlannableError from error


class _Unit:
    """What one projection shows: the value of a step, down to the steps below it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.steps: list[Callable[[dict[str, Any]], Step]] = []
        """Make each step below when all functions are there."""


class _Compiler:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode, conditions: dict[str, Any]) -> None:
        self._schema = schema
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._conditions = conditions
        self._code = ProjectionCode()
        self._fields = 0
        self._checks: list[ArgumentReader] = []
        self._topics: set[str] = set()
        self._root_arguments: dict[str, ArgumentReader] = {}

    def plan(self, operation: OperationDefinitionNode, root: GraphQLObjectType) -> Plan:
        selected = collect_fields(self._schema, self._fragments, self._conditions, root, operation.selection_set)
        unit = _Unit("")
        function = self._object(root, selected, unit, is_in_list=False)
        functions = self._code.functions()
        steps = tuple(make(functions) for make in unit.steps)
        return Plan(
            project=functions[function],
            steps=steps,
            checks=tuple(self._checks),
            topics=frozenset(self._topics),
            is_serial=operation.operation is OperationType.MUTATION,
            fixed_key_count=fixed_key_count(steps),
            field_count=self._fields,
        )

    def _object(
        self, type_: GraphQLObjectType, selected: Mapping[str, list[FieldNode]], unit: _Unit, *, is_in_list: bool
    ) -> str:
        """Write the function that shows an object, and return its name."""
        if type_.is_type_of is not None:
            raise NotPlannableError
        members: list[tuple[str, str]] = []
        waiting: list[int] = []
        for key, nodes in selected.items():
            name = nodes[0].name.value
            self._fields += 1
            if self._fields > MAX_PLANNED_FIELDS:
                raise NotPlannableError
            if name == "__typename":
                members.append((key, repr(type_.name)))
                continue
            field = type_.fields.get(name)
            resolver = None if field is None else field.resolve
            match resolver:
                case MutationResolver():
                    raise NotPlannableError  # It refuses to write here, and says why.
                case PropertyResolver():
                    members.append((key, self._property(resolver, field, key, nodes, unit, is_in_list=is_in_list)))
                case SourceResolver():
                    waiting.append(len(unit.steps))
                    members.append((key, "None"))
                    unit.steps.append(self._step(resolver, field, key, nodes, unit, is_in_list=is_in_list))
                case _:
                    raise NotPlannableError
        return self._code.object_function(members, waiting)

    def _property(
        self,
        resolver: PropertyResolver,
        field: GraphQLField,
        key: str,
        nodes: list[FieldNode],
        unit: _Unit,
        *,
        is_in_list: bool,
    ) -> str:
        """Return the expression that shows a field of the record."""
        below = self._begun(resolver, field, key, nodes, unit)
        if nodes[0].arguments:
            self._checks.append(argument_reader(field, nodes[0]))
        found = f"get({resolver.name!r})"
        if resolver.passes_through:
            found = f"(PASS_THROUGH if v is PASS_THROUGH else {found})"
        return self._value(field.type, nodes, below, f"w := {found}", "w", is_in_list=is_in_list)

    def _step(
        self,
        resolver: SourceResolver,
        field: GraphQLField,
        key: str,
        nodes: list[FieldNode],
        unit: _Unit,
        *,
        is_in_list: bool,
    ) -> Callable[[dict[str, Any]], Step]:
        source = resolver.source
        if isinstance(source, TopicSource):
            self._topics.add(source.topic)
        below = _Unit(self._begun(resolver, field, key, nodes, unit).root)
        is_list = isinstance(_nullable(field.type), GraphQLList)
        shown = self._value(field.type, nodes, below, "v", "v", is_in_list=False, is_own_list=is_list)
        function = self._code.value_function(shown)
        arguments = argument_reader(field, nodes[0])
        if resolver.takes_forwarded:
            arguments = self._root_arguments.get(below.root, arguments)

        def make(functions: dict[str, Any]) -> Step:
            return Step(
                key=key,
                root=below.root,
                node=nodes[0],
                source=source,
                arguments=arguments,
                is_in_list=is_in_list,
                project=functions[function],
                steps=tuple(made(functions) for made in below.steps),
            )

        return make

    def _begun(
        self, resolver: FieldResolver, field: GraphQLField, key: str, nodes: list[FieldNode], unit: _Unit
    ) -> _Unit:
        """Return the unit in which the field stands; one of the operation's own fields begins a root."""
        if unit.root:
            return unit
        self._root_arguments[key] = argument_reader(field, nodes[0])
        return _RootUnit(unit, key)

    def _value(
        self,
        type_: GraphQLOutputType,
        nodes: list[FieldNode],
        unit: _Unit,
        first: str,
        again: str,
        *,
        is_in_list: bool,
        is_own_list: bool = False,
    ) -> str:
        """Return the expression that shows a value.

        Args:
            type_: Its type.
            nodes: The fields whose selections say what is shown of it.
            unit: Where steps below it are noted.
            first: The expression that is the value, and binds *again* to it.
            again: Its name.
            is_in_list: Whether it stands in a list of a record.
            is_own_list: Whether it is the list that a source gave, whose length is known as that of its keys.
        """
        is_required = isinstance(type_, GraphQLNonNull)
        bare = _nullable(type_)
        if is_leaf_type(bare):
            return self._code.leaf(bare, first, again, is_required=is_required)
        if isinstance(bare, GraphQLList):
            element = self._value(bare.of_type, nodes, unit, "x", "x", is_in_list=is_in_list or not is_own_list)
            function = self._code.list_function(element)
        elif is_object_type(bare):
            function = self._object(bare, self._selected(bare, nodes), unit, is_in_list=is_in_list)
        else:
            assert is_abstract_type(bare), "there are no other output types"
            function = self._abstract(bare, nodes, unit, is_in_list=is_in_list)
        return self._code.nullable(function, first, again, is_required=is_required)

    def _abstract(self, type_: GraphQLAbstractType, nodes: list[FieldNode], unit: _Unit, *, is_in_list: bool) -> str:
        possible = {one.name: one for one in self._schema.get_possible_types(type_)}
        functions = {
            name: self._object(one, self._selected(one, nodes), unit, is_in_list=is_in_list)
            for name, one in possible.items()
        }
        return self._code.abstract_function(partial(_concrete_type, frozenset(possible)), functions)

    def _selected(self, type_: GraphQLObjectType, nodes: list[FieldNode]) -> dict[str, list[FieldNode]]:
        return collect_sub_fields(self._schema, self._fragments, self._conditions, type_, nodes)


class _RootUnit(_Unit):
    """A unit as seen from below one field of the operation: steps are noted in the same place."""

    def __init__(self, unit: _Unit, root: str) -> None:
        super().__init__(root)
        self.steps = unit.steps


def _concrete_type(possible: frozenset[str], value: Any) -> str:
    return concrete_type_name(*unwrapped(value), possible)


def _nullable(type_: GraphQLOutputType) -> Any:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_
