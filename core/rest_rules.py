"""The rules that a `@rest` has to follow, each with the sentence that is said when it is broken.

They look at the SDL as it was written, like those of `@topic`. They do not depend on each other: of each field all
that are broken are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldDefinitionNode,
    GraphQLError,
    InputValueDefinitionNode,
    NamedTypeNode,
    NonNullTypeNode,
    OperationType,
    ScalarTypeDefinitionNode,
    TypeNode,
    specified_scalar_types,
)

from core.directives import directive_on
from core.rest_fields import RestField, RestMethod, RestUse, rest_field
from core.rest_urls import RestUrl
from core.topic_rules import ObjectTypes


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """One `@rest` with everything that the rules ask about its surroundings."""

    types: ObjectTypes
    scalars: frozenset[str]
    parent: str
    field: FieldDefinitionNode
    use: RestUse

    def argument(self, name: str) -> InputValueDefinitionNode | None:
        """Return the argument *name* of the field."""
        return next((argument for argument in self.field.arguments if argument.name.value == name), None)


def read_rest_fields(
    document: DocumentNode, types: ObjectTypes
) -> tuple[dict[tuple[str, str], RestField], list[GraphQLError]]:
    """Read every `@rest` of *types*, the object types of *document*.

    Returns:
        What each one says by (type name, field name), in the order of the text, and an error for each broken rule.
    """
    found: dict[tuple[str, str], RestField] = {}
    errors: list[GraphQLError] = []
    scalars = _scalars(document)
    for parent, fields in types.fields.items():
        for name, field in fields.items():
            directive = directive_on(field, "rest")
            if directive is None or not any(argument.name.value == "url" for argument in directive.arguments):
                continue  # a missing URL is told by the rules for directives in general
            try:
                use = RestUse.read(directive)
            except GraphQLError as error:
                errors.append(error)
                continue
            messages = list(_broken_rules(_Surroundings(types, scalars, parent, field, use)))
            try:
                found[parent, name] = rest_field(field, directive, use, RestUrl.parse(use.url))
            except ValueError as error:
                messages.insert(0, f"The url of the rest directive cannot be used: {error}.")
            errors += [GraphQLError(message, directive) for message in messages]
    return found, errors


def _scalars(document: DocumentNode) -> frozenset[str]:
    own = (node.name.value for node in document.definitions if isinstance(node, ScalarTypeDefinitionNode))
    return frozenset((*specified_scalar_types, *own))


def _broken_rules(place: _Surroundings) -> Iterator[str]:
    for rule in _RULES:
        yield from rule(place)


def _one_source(place: _Surroundings) -> Iterator[str]:
    if directive_on(place.field, "topic") is not None:
        yield "A field is filled either from a topic or by REST. Remove one of its directives topic and rest."


def _no_subscription(place: _Surroundings) -> Iterator[str]:
    if place.parent == place.types.roots[OperationType.SUBSCRIPTION]:
        yield "A subscription follows a topic, not a REST service. Use the rest directive on a query or below it."


def _one_part_for_each(place: _Surroundings) -> Iterator[str]:
    path, query = place.use.path or (), place.use.query or ()
    body = () if place.use.body is None else (place.use.body,)
    named = [name for part in (path, query, body) for name in dict.fromkeys(part)]
    twice = [name for name in dict.fromkeys(named) if named.count(name) > 1]
    if twice:
        yield f"The argument(s) {','.join(twice)} can't be used in multiple parameters"


def _body_is_posted(place: _Surroundings) -> Iterator[str]:
    if place.use.body is not None and place.use.method is not RestMethod.POST:
        yield "A body parameter is only supported for POST requests"


def _body_exists(place: _Surroundings) -> Iterator[str]:
    if place.use.body is not None and place.argument(place.use.body) is None:
        yield f"Field for body parameter {place.use.body} not found"


def _body_is_no_scalar(place: _Surroundings) -> Iterator[str]:
    argument = None if place.use.body is None else place.argument(place.use.body)
    if argument is not None and _nullable_name(argument.type) in place.scalars:
        yield "The type of the body parameter must not be a scalar"


def _parameters_exist(place: _Surroundings) -> Iterator[str]:
    for name in dict.fromkeys((*(place.use.path or ()), *(place.use.query or ()))):
        if place.argument(name) is None:
            yield f"Argument {name} specified as parameter but not found"


def _nullable_name(type_: TypeNode) -> str | None:
    """Return the name of a type, non-null or not; `None` for a list."""
    named = type_.type if isinstance(type_, NonNullTypeNode) else type_
    return named.name.value if isinstance(named, NamedTypeNode) else None


_RULES: tuple[Callable[[_Surroundings], Iterator[str]], ...] = (
    _one_source,
    _no_subscription,
    _one_part_for_each,
    _body_is_posted,
    _body_exists,
    _body_is_no_scalar,
    _parameters_exist,
)
"""In the order in which they are told."""
