"""The rules that a `@topic` has to follow, each with the sentence that is said when it is broken.

They look at the SDL as it was written and need no finished schema: the author of a schema that is wrong
elsewhere still hears about all its directives. Of each field only the first broken rule is told, because a
later rule takes for granted what an earlier one has established.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldDefinitionNode,
    GraphQLError,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    OperationType,
    SchemaDefinitionNode,
    SchemaExtensionNode,
)

from core.directives import TopicField, directive_on, is_list_type, topic_field

Fields = Mapping[str, FieldDefinitionNode]


@dataclass(frozen=True, slots=True)
class ObjectTypes:
    """The object types of one SDL document with their fields, and which of them are the roots."""

    fields: Mapping[str, Fields]
    roots: Mapping[OperationType, str]

    @classmethod
    def of(cls, document: DocumentNode) -> ObjectTypes:
        """Collect the object types of *document*, with what extends them, in the order of the text."""
        fields: dict[str, dict[str, FieldDefinitionNode]] = {}
        roots = {operation: operation.value.capitalize() for operation in OperationType}
        for node in document.definitions:
            if isinstance(node, ObjectTypeDefinitionNode | ObjectTypeExtensionNode):
                fields.setdefault(node.name.value, {}).update({field.name.value: field for field in node.fields})
            if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode):
                roots |= {root.operation: root.type.name.value for root in node.operation_types}
        return cls(fields, roots)

    @property
    def query_fields(self) -> Fields:
        """The fields of the query type; none where the type is missing."""
        return self.fields.get(self.roots[OperationType.QUERY], {})


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


def read_topic_fields(types: ObjectTypes) -> tuple[dict[tuple[str, str], TopicField], list[GraphQLError]]:
    """Read every `@topic` of *types*.

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
            try:
                found[parent, name] = topic = topic_field(field, directive)
            except GraphQLError as error:
                errors.append(error)
                continue
            if (message := broken_rule(TopicUse(types, parent, field, topic))) is not None:
                errors.append(GraphQLError(message, directive))
    return found, errors


def broken_rule(use: TopicUse) -> str | None:
    """Return the sentence of the first rule that *use* breaks."""
    return next((message for rule in _RULES if (message := rule(use)) is not None), None)


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
    # Outside Query the key may be forwarded from any Query field; the field's own arguments come first.
    candidates = [use.field] if use.is_on(OperationType.QUERY) else [use.field, *use.types.query_fields.values()]
    names = {argument.name.value for field in candidates for argument in field.arguments}
    if use.topic.key_argument is None or use.topic.key_argument in names:
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
    own = {argument.name.value: argument for argument in use.field.arguments}.get(use.topic.key_argument or "")
    if own is None or use.is_on(OperationType.MUTATION):
        return None
    has_many_keys = is_list_type(own.type)
    if has_many_keys and use.has_range:
        return f"A range belongs to one key. The keyArgument {use.topic.key_argument} should not be a list."
    if has_many_keys and not use.topic.is_list:
        return f"The field returns one value. The keyArgument {use.topic.key_argument} should not be a list."
    if use.topic.is_list and not has_many_keys and not use.has_range:
        return f"The field returns a list. The keyArgument {use.topic.key_argument} should be a list of keys."
    return None


_RULES: tuple[Callable[[TopicUse], str | None], ...] = (
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
)
"""In the order in which they are checked."""
