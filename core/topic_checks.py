"""Whether the fields of a gateway schema fit the topics that they are filled from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
)

from core.directives import TopicField
from core.errors import SdlProblem
from core.sdl import GatewaySchema
from core.types import TopicType

_SCALARS: Final[Mapping[TopicType, tuple[str, ...]]] = {
    TopicType.STRING: ("String", "ID"),
    TopicType.INTEGER: ("Int",),
    TopicType.LONG: ("Long", "Int"),
    TopicType.DOUBLE: ("Float", "Int"),
}
"""Scalars whose values can be keys of each type; an Int is widened."""


@dataclass(frozen=True, slots=True)
class TopicTypes:
    """The types of a topic that a field can be compared with."""

    key_type: TopicType
    value_type: TopicType


@dataclass(frozen=True, slots=True)
class TopicFinding:
    """Something about a field and its topic: a warning if the topic is only missing so far, else an error."""

    problem: SdlProblem
    is_missing: bool


def check_topics(schema: GatewaySchema, topics: Callable[[str], TopicTypes | None]) -> list[TopicFinding]:
    """Compare every field of *schema* that is filled from a topic with that topic.

    Args:
        schema: The schema to check.
        topics: Returns the types of a topic by its name, or `None` where it does not exist yet.

    Returns:
        What was found, in the order of the text; empty when all is well.
    """
    findings: list[TopicFinding] = []
    for (parent_name, field_name), field in schema.topic_fields.items():
        types = topics(field.topic)
        if types is None:
            problem = SdlProblem(f'topic "{field.topic}" does not exist yet', field.line, field.column)
            findings.append(TopicFinding(problem, is_missing=True))
            continue
        findings += (
            TopicFinding(SdlProblem(message, field.line, field.column), is_missing=False)
            for message in _mismatches(schema, parent_name, field_name, types)
        )
    return sorted(findings, key=lambda finding: (finding.problem.line or 0, finding.problem.column or 0))


def _mismatches(schema: GatewaySchema, parent_name: str, field_name: str, types: TopicTypes) -> Iterator[str]:
    topic_field = schema.topic_fields[parent_name, field_name]
    parent = schema.definition.type_map[parent_name]
    assert isinstance(parent, GraphQLObjectType), "@topic is read from object types only"
    field = parent.fields[field_name]
    where = f"{parent_name}.{field_name}"
    if topic_field.key_field is not None:
        key = get_named_type(parent.fields[topic_field.key_field].type)
        yield from _key_mismatch(f"Field {parent_name}.{topic_field.key_field}", [key], topic_field, types.key_type)
    if topic_field.key_argument is not None:
        keys = _argument_types(schema, field, topic_field.key_argument)
        yield from _key_mismatch(f"Argument {topic_field.key_argument} of {where}", keys, topic_field, types.key_type)
    yield from _value_mismatch(where, get_named_type(field.type), topic_field, types.value_type)


def _argument_types(schema: GatewaySchema, field: GraphQLField, name: str) -> list[GraphQLNamedType]:
    """Return the types that the argument can have: that of the field's own one, or of Query's for it."""
    if name in field.args:
        return [get_named_type(field.args[name].type)]
    query = schema.definition.query_type
    others = query.fields.values() if query is not None else ()
    return [get_named_type(other.args[name].type) for other in others if name in other.args]


def _key_mismatch(
    what: str, candidates: list[GraphQLNamedType], field: TopicField, key_type: TopicType
) -> Iterator[str]:
    if any(_fits_key(candidate, key_type) for candidate in candidates):
        return
    names = " or ".join(dict.fromkeys(candidate.name for candidate in candidates))
    wanted = " or ".join(_SCALARS.get(key_type, ("an object or input type",)))
    yield (f'{what} is {names}, but the keys of topic "{field.topic}" are of type {_lower(key_type)}: use {wanted}.')


def _fits_key(type_: GraphQLNamedType, key_type: TopicType) -> bool:
    if key_type is TopicType.SCHEMA:
        return isinstance(type_, GraphQLObjectType | GraphQLInputObjectType)
    if isinstance(type_, GraphQLEnumType):
        return key_type is TopicType.STRING
    return type_.name in _SCALARS[key_type]


def _value_mismatch(where: str, type_: GraphQLNamedType, field: TopicField, value_type: TopicType) -> Iterator[str]:
    is_object = isinstance(type_, GraphQLObjectType)
    if is_object == (value_type is TopicType.SCHEMA):
        return
    use = "a scalar" if is_object else "an object type"
    yield (
        f'{where} returns {type_.name}, but the values of topic "{field.topic}" are of type '
        f"{_lower(value_type)}: use {use}, or another topic."
    )


def _lower(type_: TopicType) -> str:
    return type_.value.lower()
