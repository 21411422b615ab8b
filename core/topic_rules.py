"""The rules that a `@topic` has to follow, each with the sentence that is said when it is broken.

They look at the SDL as it was written and need no finished schema: the author of a schema that is wrong
elsewhere still hears about all its directives. Of each field only the first broken rule is told, because a
later rule takes for granted what an earlier one has established.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graphql import (
    DocumentNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    GraphQLError,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    InterfaceTypeExtensionNode,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    OperationType,
    ScalarTypeDefinitionNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    TypeDefinitionNode,
    TypeNode,
    UnionTypeDefinitionNode,
    specified_scalar_types,
)

from core import topics
from core.directives import TopicField, directive_on, is_list_type, topic_field
from core.errors import InvalidNameError
from core.sdl_rules import MAX_PROBLEMS

Fields = Mapping[str, FieldDefinitionNode]
Rule = Callable[["TopicUse"], str | None]


_COMPOSITE: Final = (ObjectTypeDefinitionNode, InterfaceTypeDefinitionNode, UnionTypeDefinitionNode)
_LEAVES: Final = (ScalarTypeDefinitionNode, EnumTypeDefinitionNode)


@dataclass(frozen=True, slots=True)
class ObjectTypes:
    """The object types of one SDL document with their fields, which of them are the roots, and the types around."""

    fields: Mapping[str, Fields]
    roots: Mapping[OperationType, str]
    interface_fields: Mapping[str, Fields]
    definitions: Mapping[str, TypeDefinitionNode]
    """What defines each type, of any kind, but for the scalars of GraphQL itself."""
    query_arguments: Mapping[str, Sequence[InputValueDefinitionNode]]
    """The arguments of the fields of the query type, by name."""
    _implementing: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, document: DocumentNode) -> ObjectTypes:
        """Collect the types of *document*, with what extends them, in the order of the text."""
        objects: dict[str, dict[str, FieldDefinitionNode]] = {}
        interfaces: dict[str, dict[str, FieldDefinitionNode]] = {}
        implementing: dict[str, list[str]] = {}
        roots = {operation: operation.value.capitalize() for operation in OperationType}
        for node in document.definitions:
            match node:
                case ObjectTypeDefinitionNode() | ObjectTypeExtensionNode():
                    objects.setdefault(node.name.value, {}).update(_by_name(node))
                    for interface in node.interfaces:
                        implementing.setdefault(interface.name.value, []).append(node.name.value)
                case InterfaceTypeDefinitionNode() | InterfaceTypeExtensionNode():
                    interfaces.setdefault(node.name.value, {}).update(_by_name(node))
                case SchemaDefinitionNode() | SchemaExtensionNode():
                    roots |= {root.operation: root.type.name.value for root in node.operation_types}
        definitions = {node.name.value: node for node in document.definitions if isinstance(node, TypeDefinitionNode)}
        arguments: dict[str, list[InputValueDefinitionNode]] = {}
        for field in objects.get(roots[OperationType.QUERY], {}).values():
            for argument in field.arguments:
                arguments.setdefault(argument.name.value, []).append(argument)
        return cls(objects, roots, interfaces, definitions, arguments, implementing)

    def implementing(self, interface: str) -> Sequence[str]:
        """Return the object types that name *interface* among theirs."""
        return self._implementing.get(interface, ())

    def is_input(self, name: str) -> bool:
        """Return whether *name* is an input object type."""
        return isinstance(self.definitions.get(name), InputObjectTypeDefinitionNode)

    def is_composite(self, name: str) -> bool:
        """Return whether *name* is an object type, an interface or a union."""
        return isinstance(self.definitions.get(name), _COMPOSITE)

    def is_leaf(self, name: str) -> bool:
        """Return whether *name* is a scalar or an enum."""
        return name in specified_scalar_types or isinstance(self.definitions.get(name), _LEAVES)


@dataclass(frozen=True, slots=True)
class TopicUse:
    """One `@topic` with everything that the rules ask about its surroundings."""

    types: ObjectTypes
    parent: str
    field: FieldDefinitionNode
    topic: TopicField

    def is_on(self, operation: OperationType) -> bool:
        """Return whether the field belongs to the root type of *operation*."""
        return self.parent == self.types.roots[operation]

    @property
    def siblings(self) -> Fields:
        """All fields of the type that the field belongs to, itself included."""
        return self.types.fields[self.parent]

    @property
    def has_range(self) -> bool:
        """Whether either end of a range is given."""
        return self.topic.range_from is not None or self.topic.range_to is not None


def read_topic_fields(
    types: ObjectTypes, more_rules: Sequence[Rule] = ()
) -> tuple[dict[tuple[str, str], TopicField], list[GraphQLError]]:
    """Read every `@topic` of *types*.

    Args:
        types: The types of the document.
        more_rules: Rules that are checked after those of this module.

    Returns:
        What each one says by (type name, field name), and one error for each that breaks a rule.
    """
    found: dict[tuple[str, str], TopicField] = {}
    errors: list[GraphQLError] = []
    for parent, fields in types.fields.items():
        for name, field in fields.items():
            directive = directive_on(field, "topic")
            if directive is None or not any(argument.name.value == "name" for argument in directive.arguments):
                continue  # a missing name is told by the rules for directives in general
            if len(errors) > MAX_PROBLEMS:
                return found, errors
            try:
                found[parent, name] = topic = topic_field(field, directive)
            except GraphQLError as error:
                errors.append(error)
                continue
            if (message := broken_rule(TopicUse(types, parent, field, topic), (*_RULES, *more_rules))) is not None:
                errors.append(GraphQLError(message, directive))
    return found, errors


def broken_rule(use: TopicUse, rules: Sequence[Rule]) -> str | None:
    """Return the sentence of the first of *rules* that *use* breaks."""
    return next((message for rule in rules if (message := rule(use)) is not None), None)


def _subscription_returns_no_list(use: TopicUse) -> str | None:
    if use.is_on(OperationType.SUBSCRIPTION) and use.topic.is_list:
        return "Kafka subscription must not return a list type"
    return None


def _one_source_of_keys(use: TopicUse) -> str | None:
    if use.topic.key_argument is not None and use.topic.key_field is not None:
        return "keyArgument and keyField are mutually exclusive."
    return None


def _single_value_has_a_key(use: TopicUse) -> str | None:
    writes_or_follows = use.is_on(OperationType.MUTATION) or use.is_on(OperationType.SUBSCRIPTION)
    has_key = use.topic.key_argument is not None or use.topic.key_field is not None
    if use.topic.is_list or writes_or_follows or has_key:
        return None
    return (
        "When the return type is not a list for a non-mutation and non-subscription type, "
        "key information (keyArgument or keyField) is needed."
    )


def _key_argument_exists(use: TopicUse) -> str | None:
    key = use.topic.key_argument
    if key is None or any(argument.name.value == key for argument in use.field.arguments):
        return None
    # Outside Query the key may be forwarded from any Query field.
    if not use.is_on(OperationType.QUERY) and key in use.types.query_arguments:
        return None
    return "Key argument has to be identical to the input name."


def _mutation_takes_key_and_value(use: TopicUse) -> str | None:
    if use.is_on(OperationType.MUTATION) and len(use.field.arguments) != len(("key", "value")):
        return "Mutation requires two input arguments"
    return None


def _range_has_both_ends(use: TopicUse) -> str | None:
    if (use.topic.range_from is None) != (use.topic.range_to is None):
        return "Both rangeFrom and rangeTo arguments should be set."
    return None


def _range_is_on_query(use: TopicUse) -> str | None:
    if use.has_range and not use.is_on(OperationType.QUERY):
        return "Range queries are only supported on Query types."
    return None


def _range_has_a_key(use: TopicUse) -> str | None:
    if use.has_range and use.topic.key_argument is None:
        return "You must define a keyArgument."
    return None


def _range_returns_a_list(use: TopicUse) -> str | None:
    if use.has_range and not use.topic.is_list:
        return "The return type of range queries should be a list."
    return None


def _range_arguments_exist(use: TopicUse) -> str | None:
    names = {argument.name.value for argument in use.field.arguments}
    for place, name in (("rangeFrom", use.topic.range_from), ("rangeTo", use.topic.range_to)):
        if name is not None and name not in names:
            return f"The {place} {name} has to be identical to an input name."
    return None


def _key_field_exists(use: TopicUse) -> str | None:
    if use.topic.key_field is None or use.topic.key_field in use.siblings:
        return None
    return f"Could not find the keyField {use.topic.key_field} in the parent type definition. Please check your schema."


def _key_field_is_as_deep_as_the_field(use: TopicUse) -> str | None:
    if use.topic.key_field is None:
        return None
    has_many_keys = is_list_type(use.siblings[use.topic.key_field].type)
    if has_many_keys and not use.topic.is_list:
        return (
            "The topic directive is set on a field with a non list type. "
            "The keyField type should not be a list. Please consider using scalar a type."
        )
    if use.topic.is_list and not has_many_keys:
        return (
            "The topic directive is set on a field with a list type. "
            f"The keyField {use.topic.key_field} should be a list of keys."
        )
    return None


def _key_argument_is_as_deep_as_the_field(use: TopicUse) -> str | None:
    if use.topic.key_argument is None or use.is_on(OperationType.MUTATION):
        return None
    depths = {is_list_type(node.type) for node in _arguments_called(use.topic.key_argument, use)}
    if use.has_range and depths == {True}:
        return f"A range belongs to one key. The keyArgument {use.topic.key_argument} should not be a list."
    if not use.topic.is_list and depths == {True}:
        return f"The field returns one value. The keyArgument {use.topic.key_argument} should not be a list."
    if use.topic.is_list and not use.has_range and depths == {False}:
        return f"The field returns a list. The keyArgument {use.topic.key_argument} should be a list of keys."
    return None


def _arguments_called(name: str, use: TopicUse) -> Sequence[InputValueDefinitionNode]:
    """Return the arguments that may give the key: the field's own one, else those of Query's fields above it."""
    own = [argument for argument in use.field.arguments if argument.name.value == name]
    return own or use.types.query_arguments.get(name, ())


def _range_bounds_are_single(use: TopicUse) -> str | None:
    types = {argument.name.value: argument.type for argument in use.field.arguments}
    for place, name in (("rangeFrom", use.topic.range_from), ("rangeTo", use.topic.range_to)):
        if name is not None and is_list_type(types[name]):
            return f"A bound of a range is one value. The {place} {name} should not be a list."
    return None


def _returns_no_lists_of_lists(use: TopicUse) -> str | None:
    if use.is_on(OperationType.MUTATION) or not use.topic.is_list or lists_in(use.field.type) == 1:
        return None
    return "A topic holds values and no lists of them. Let the field return a list of its values."


def _topic_has_a_name_of_kafka(use: TopicUse) -> str | None:
    try:
        topics.check_name(use.topic.topic)
    except InvalidNameError as error:
        return str(error)
    return None


_RULES: tuple[Rule, ...] = (
    _subscription_returns_no_list,
    _one_source_of_keys,
    _single_value_has_a_key,
    _key_argument_exists,
    _mutation_takes_key_and_value,
    _range_has_both_ends,
    _range_is_on_query,
    _range_has_a_key,
    _range_returns_a_list,
    _range_arguments_exist,
    _key_field_exists,
    _key_field_is_as_deep_as_the_field,
    _key_argument_is_as_deep_as_the_field,
    _range_bounds_are_single,
    _returns_no_lists_of_lists,
    _topic_has_a_name_of_kafka,
)
"""In the order in which they are checked."""


def named_type(node: TypeNode) -> str:
    """Return the name of the type inside all lists and non-nulls of *node*."""
    while isinstance(node, ListTypeNode | NonNullTypeNode):
        node = node.type
    assert isinstance(node, NamedTypeNode), "a type is non-null, a list or a name"
    return node.name.value


def lists_in(node: TypeNode) -> int:
    """Return how many lists *node* has inside one another."""
    lists = 0
    while isinstance(node, ListTypeNode | NonNullTypeNode):
        lists += isinstance(node, ListTypeNode)
        node = node.type
    return lists


def _by_name(
    node: ObjectTypeDefinitionNode | ObjectTypeExtensionNode | InterfaceTypeDefinitionNode | InterfaceTypeExtensionNode,
) -> dict[str, FieldDefinitionNode]:
    return {field.name.value: field for field in node.fields}
