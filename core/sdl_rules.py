"""The rules of GraphQL itself that an SDL document has to follow before a schema can be built from it.

Most of them come with graphql-core. It leaves out those below, and then either builds something else than was
written or gives up without naming the place.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

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
    specified_scalar_types,
)
from graphql.validation import ASTValidationRule, SDLValidationContext
from graphql.validation.specified_rules import specified_sdl_rules
from graphql.validation.validate import validate_sdl

_OUTPUT_ONLY = (ObjectTypeDefinitionNode, InterfaceTypeDefinitionNode, UnionTypeDefinitionNode)


def sdl_errors(document: DocumentNode) -> list[GraphQLError]:
    """Return every error of *document* that can be found without building its schema."""
    return validate_sdl(document, rules=(*specified_sdl_rules, _OnlyDefinitions, _OwnNamesOnly, _KindsInTheirPlaces))


def default_errors(schema: GraphQLSchema) -> list[GraphQLError]:
    """Return an error for every default value in *schema* that does not fit its type.

    graphql-core drops such a default without a word.
    """
    places: list[Any] = []
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            places += chain.from_iterable(field.args.values() for field in type_.fields.values())
        elif isinstance(type_, GraphQLInputObjectType):
            places += type_.fields.values()
    return [
        GraphQLError(
            f"The default value of {place.ast_node.name.value} does not fit its type {place.type}.",
            place.ast_node.default_value,
        )
        for place in places
        if place.ast_node is not None and place.ast_node.default_value is not None and place.default_value is Undefined
    ]


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
