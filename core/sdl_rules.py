"""The rules of GraphQL itself that an SDL document has to follow before a schema can be built from it.

Most of them come with graphql-core. It leaves out those below, and then either builds something else than was
written or gives up without naming the place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final

from graphql import (
    DefinitionNode,
    DocumentNode,
    ExecutableDefinitionNode,
    FieldDefinitionNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    InterfaceTypeExtensionNode,
    NamedTypeNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    TypeNode,
    Undefined,
    UnionTypeDefinitionNode,
    UnionTypeExtensionNode,
    ast_from_value,
    get_named_type,
    specified_scalar_types,
    value_from_ast,
)
from graphql.language import ParallelVisitor, visit
from graphql.type.validate import SchemaValidationContext
from graphql.validation import ASTValidationRule, KnownTypeNamesRule, SDLValidationContext
from graphql.validation.specified_rules import specified_sdl_rules

_OUTPUT_ONLY = (ObjectTypeDefinitionNode, InterfaceTypeDefinitionNode, UnionTypeDefinitionNode)


MAX_PROBLEMS: Final = 100
"""Most problems of one SDL that are told; each error costs time to make, and ten thousand take a minute."""

MAX_DEFAULT_PARTS: Final = 10_000
"""Most values in one default, those of the input types in it included: each may double what the one before has."""


class _EnoughError(Exception):
    """More errors are found than are told; never leaves this module."""


class _Errors(list[GraphQLError]):
    """Errors that are found one by one, until there are enough."""

    def append(self, error: GraphQLError) -> None:
        super().append(error)
        if len(self) > MAX_PROBLEMS:
            raise _EnoughError


def sdl_errors(document: DocumentNode) -> list[GraphQLError]:
    """Return every error of *document* that can be found without building its schema, if they are not too many."""
    standard = (rule for rule in specified_sdl_rules if rule is not KnownTypeNamesRule)
    own = (_KnownTypeNames, _OnlyDefinitions, _OwnNamesOnly, _KindsInTheirPlaces)
    rules: list[type[ASTValidationRule]] = [*own, *standard]
    errors = _Errors()
    context = SDLValidationContext(document, None, errors.append)
    with suppress(_EnoughError):
        visit(document, ParallelVisitor([rule(context) for rule in rules]))
    return errors


def schema_errors(schema: GraphQLSchema) -> list[GraphQLError]:
    """Return every error of the built *schema*, if they are not too many."""
    context = SchemaValidationContext(schema)
    context.errors = errors = _Errors()
    with suppress(_EnoughError):
        context.validate_root_types()
        context.validate_directives()
        context.validate_types()
    return errors


def default_errors(schema: GraphQLSchema) -> list[GraphQLError]:
    """Return an error for every default value in *schema* that does not fit its type, and read the others by it.

    graphql-core drops such a default without a word, and knows no scalars beyond its own when it reads one.
    """
    places: list[Any] = []
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            places += chain.from_iterable(field.args.values() for field in type_.fields.values())
        elif isinstance(type_, GraphQLInputObjectType):
            places += type_.fields.values()
    sizes = _Sizes()
    _read_defaults(places, set())
    errors = _Errors()
    with suppress(_EnoughError):
        for place in places:
            if _has_default(place) and (what := _broken_default(place, sizes)) is not None:
                name, node = place.ast_node.name.value, place.ast_node.default_value
                errors.append(GraphQLError(f"The default value of {name} {what}", node))
    return errors


class _Sizes:
    """How many values a default has: computed once for each part, because many may share one."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, int]] = {}

    def of(self, value: Any) -> int:
        """Return how many values *value* has, itself included."""
        if not isinstance(value, dict | list):
            return 1
        if id(value) not in self._known:
            parts = value.values() if isinstance(value, dict) else value
            self._known[id(value)] = value, 1 + sum(map(self.of, parts))  # kept, so that its id stays its own
        return self._known[id(value)][1]


def _has_default(place: Any) -> bool:
    return place.ast_node is not None and place.ast_node.default_value is not None


def _read_defaults(places: Iterable[Any], read: set[str]) -> None:
    """Read the default of each of *places*, after those of the input types in it; *read* names the types read."""
    for place in places:
        named = get_named_type(place.type)
        if isinstance(named, GraphQLInputObjectType) and named.name not in read:
            read.add(named.name)
            _read_defaults(named.fields.values(), read)
        if _has_default(place):
            place.default_value = value_from_ast(place.ast_node.default_value, place.type)


def _broken_default(place: Any, sizes: _Sizes) -> str | None:
    if place.default_value is Undefined:
        return f"does not fit its type {place.type}."
    if sizes.of(place.default_value) > MAX_DEFAULT_PARTS:
        return f"has more than {MAX_DEFAULT_PARTS} parts, those of its input types included. Shorten them."
    try:
        ast_from_value(place.default_value, place.type)
    except (TypeError, GraphQLError):
        return (
            f"of type {place.type} cannot be shown to tools: GraphQL has no text for an object or a list of a scalar. "
            "Use a string, a number or a Boolean, or leave it out."
        )
    return None


class _KnownTypeNames(KnownTypeNamesRule):
    """Every type is defined. Only for the first ones that are not, others of a similar name are looked for: slowly."""

    _SUGGESTED: Final = 10

    def __init__(self, context: SDLValidationContext) -> None:
        super().__init__(context)
        self._told = 0

    def report_error(self, error: GraphQLError) -> None:
        self._told += 1
        if self._told >= self._SUGGESTED:
            self.type_names = []
        super().report_error(error)


class _OnlyDefinitions(ASTValidationRule):
    """A schema holds no operations; graphql-core skips them."""

    def enter_operation_definition(self, node: ExecutableDefinitionNode, *_: Any) -> None:
        self.report_error(GraphQLError("A schema holds definitions only. Remove this operation.", node))

    def enter_fragment_definition(self, node: ExecutableDefinitionNode, *_: Any) -> None:
        self.report_error(GraphQLError("A schema holds definitions only. Remove this fragment.", node))


class _OwnNamesOnly(ASTValidationRule):
    """A type named like a built-in scalar would be ignored in favour of the scalar."""

    def enter_document(self, node: DocumentNode, *_: Any) -> None:
        for definition in node.definitions:
            if isinstance(definition, TypeDefinitionNode) and not isinstance(definition, ScalarTypeDefinitionNode):
                self._check(definition)

    def _check(self, definition: TypeDefinitionNode) -> None:
        name = definition.name.value
        if name in specified_scalar_types:
            message = f"{name} is a scalar that GraphQL itself defines. Choose another name for this type."
            self.report_error(GraphQLError(message, definition.name))


class _KindsInTheirPlaces(ASTValidationRule):
    """Fields return output types, arguments take input types, unions and `implements` name what they may."""

    context: SDLValidationContext

    def __init__(self, context: SDLValidationContext) -> None:
        super().__init__(context)
        self._definitions: dict[str, DefinitionNode] = {
            node.name.value: node for node in context.document.definitions if isinstance(node, TypeDefinitionNode)
        }

    def enter_field_definition(self, node: FieldDefinitionNode, *_: Any) -> None:
        name = _named(node.type)
        if isinstance(self._definitions.get(name.name.value), InputObjectTypeDefinitionNode):
            self._report(name, "is an input type, and a field returns only output types")

    def enter_input_value_definition(self, node: InputValueDefinitionNode, *_: Any) -> None:
        name = _named(node.type)
        if isinstance(self._definitions.get(name.name.value), _OUTPUT_ONLY):
            self._report(name, "is an output type, and an argument or input field takes only scalars, enums and inputs")

    def enter_union_type_definition(self, node: UnionTypeDefinitionNode | UnionTypeExtensionNode, *_: Any) -> None:
        self._expect(node.types, ObjectTypeDefinitionNode, "is no object type, and a union has only those")

    enter_union_type_extension = enter_union_type_definition

    def enter_object_type_definition(
        self,
        node: ObjectTypeDefinitionNode
        | ObjectTypeExtensionNode
        | InterfaceTypeDefinitionNode
        | InterfaceTypeExtensionNode,
        *_: Any,
    ) -> None:
        self._expect(node.interfaces, InterfaceTypeDefinitionNode, "is no interface, and only those are implemented")

    enter_object_type_extension = enter_object_type_definition
    enter_interface_type_definition = enter_object_type_definition
    enter_interface_type_extension = enter_object_type_definition

    def _expect(self, names: Sequence[NamedTypeNode], kind: type[DefinitionNode], otherwise: str) -> None:
        for name in names:
            is_known = name.name.value in self._definitions or name.name.value in specified_scalar_types
            if is_known and not isinstance(self._definitions.get(name.name.value), kind):
                self._report(name, otherwise)

    def _report(self, node: NamedTypeNode, what: str) -> None:
        self.report_error(GraphQLError(f"{node.name.value} {what}.", node))


def _named(node: TypeNode) -> NamedTypeNode:
    """Return the type inside all lists and non-nulls."""
    while not isinstance(node, NamedTypeNode):
        node = node.type  # type: ignore[attr-defined]  # only lists and non-nulls are left, and both have it
    return node
