"""Whether the fields of a gateway schema fit the topics that they are filled from, or written to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLType,
    get_named_type,
    is_composite_type,
)

from core.comparable_fields import RANGE_FIELD, RANGE_KEY, ComparableField, comparable_field
from core.directives import TopicField, directive_on
from core.errors import QuickError, SdlProblem
from core.mirrors import MirrorDefinition
from core.record_checks import Place, RecordCheck, RecordFinding
from core.registered_schema import RegisteredSchema, SchemaFormat
from core.scalar_fits import KEY_SCALARS, bounding, bounds, passes_anything
from core.sdl import GatewaySchema
from core.stored_shapes import Shape, shape_of
from core.topics import Topic
from core.types import TopicType

MAX_PROTOBUF_TOPICS: Final = 40
"""Most topics with Protobuf whose records are compared in one check: the compiler takes a tenth of a second each."""


@dataclass(frozen=True, slots=True)
class TopicTypes:
    """What is known of a topic that a field can be compared with."""

    key_type: TopicType
    value_type: TopicType
    value_schema: RegisteredSchema | None = None
    """The schema that records are written with now; `None` for values without one, or where it is unknown."""
    ahead: str | None = None
    """Name of the type in the checked schema that `value_schema` was made from, if it was: it may have more fields."""
    mirror: MirrorDefinition | None = None
    """What the topic's mirror keeps, `None` where there is none yet."""

    @classmethod
    def of(cls, topic: Topic, gateway: str, mirror: MirrorDefinition | None = None) -> TopicTypes:
        """Return what is to be known of *topic* to check a schema of *gateway*."""
        schema = topic.value_schema
        ahead = schema.type[:1].upper() + schema.type[1:] if schema is not None and schema.gateway == gateway else None
        registered = None if schema is None else schema.registered()
        return cls(topic.key_type, topic.value_type, registered, ahead, mirror)


@dataclass(frozen=True, slots=True)
class TopicFinding:
    """Something about a field and its topic: a warning where it may become right, or is wrong at times only."""

    problem: SdlProblem
    is_warning: bool


def check_topics(schema: GatewaySchema, topics: Callable[[str], TopicTypes | None]) -> list[TopicFinding]:
    """Compare every field of *schema* that is filled from a topic, or writes one, with that topic.

    Args:
        schema: The schema to check.
        topics: Returns what is known of a topic by its name, or `None` where it does not exist yet.

    Returns:
        What was found, each once, in the order of the text; empty when all is well.
    """
    check = _Check(schema, topics)
    found = chain(_idle_mutations(schema), *(check.field(*place) for place in schema.topic_fields))
    findings = dict.fromkeys(found)
    return sorted(findings, key=lambda finding: (finding.problem.line or 0, finding.problem.column or 0))


class _Check:
    """One check; it looks each topic up once."""

    def __init__(self, schema: GatewaySchema, topics: Callable[[str], TopicTypes | None]) -> None:
        self._schema = schema
        self._topics = topics
        self._known: dict[str, TopicTypes | None] = {}
        self._records: dict[str, tuple[RecordCheck, Shape | None]] = {}
        self._compiled = 0

    def field(self, parent_name: str, field_name: str) -> Iterator[TopicFinding]:
        """Yield what is wrong between a field and its topic."""
        topic_field = self._schema.topic_fields[parent_name, field_name]
        types = self._types(topic_field.topic)
        if types is None:
            yield _finding(topic_field, f'topic "{topic_field.topic}" does not exist yet', is_warning=True)
            return
        parent = self._schema.definition.type_map[parent_name]
        assert isinstance(parent, GraphQLObjectType), "@topic is read from object types only"
        field = parent.fields[field_name]
        where = f"{parent_name}.{field_name}"
        if parent is self._schema.definition.mutation_type:
            yield from self._mutation(where, field, topic_field, types)
        else:
            for message in self._keys(where, parent, field, topic_field, types):
                yield _finding(topic_field, message)
        if topic_field.range_from is not None:
            yield from _range_findings(where, field, topic_field, types)
        yield from self._values(where, field, topic_field, types)

    def _types(self, topic: str) -> TopicTypes | None:
        if topic not in self._known:
            self._known[topic] = self._topics(topic)
        return self._known[topic]

    def _key_type(self, topic: str) -> TopicType | None:
        types = self._types(topic)
        return None if types is None else types.key_type

    def _keys(
        self, where: str, parent: GraphQLObjectType, field: GraphQLField, topic_field: TopicField, types: TopicTypes
    ) -> Iterator[str]:
        if topic_field.key_field is not None:
            key = get_named_type(parent.fields[topic_field.key_field].type)
            what = f"Field {parent.name}.{topic_field.key_field}"
            yield from _key_mismatch(what, [key], topic_field, types.key_type)
        has_own_keys = topic_field.range_from is not None and (types.mirror is None or types.mirror.range_key)
        if topic_field.key_argument is not None and not has_own_keys:
            keys = self._argument_types(field, topic_field.key_argument)
            what = f"Argument {topic_field.key_argument} of {where}"
            yield from _key_mismatch(what, keys, topic_field, types.key_type)

    def _argument_types(self, field: GraphQLField, name: str) -> list[GraphQLNamedType]:
        """Return the types that the argument can have: that of the field's own one, or of Query's for it."""
        if name in field.args:
            return [get_named_type(field.args[name].type)]
        return self._query_arguments.get(name, [])

    @cached_property
    def _query_arguments(self) -> dict[str, list[GraphQLNamedType]]:
        """The types of the arguments of Query's fields, each once, by the argument's name."""
        types: dict[str, dict[str, GraphQLNamedType]] = {}
        query = self._schema.definition.query_type
        for field in query.fields.values() if query is not None else ():
            for name, argument in field.args.items():
                named = get_named_type(argument.type)
                types.setdefault(name, {})[named.name] = named
        return {name: list(found.values()) for name, found in types.items()}

    def _mutation(
        self, where: str, field: GraphQLField, topic_field: TopicField, types: TopicTypes
    ) -> Iterator[TopicFinding]:
        (key_name, key), (value_name, value) = field.args.items()
        what = f"Argument {key_name} of {where}"
        for message in _key_mismatch(what, [get_named_type(key.type)], topic_field, types.key_type):
            yield _finding(topic_field, message)
        is_record = isinstance(get_named_type(value.type), GraphQLInputObjectType)
        if is_record != (types.value_type is TopicType.SCHEMA) and not _takes_anything(value.type):
            use = "a scalar or an enum" if is_record else "an input type"
            message = (
                f"Argument {value_name} of {where} is {get_named_type(value.type)}, but the values of topic "
                f'"{topic_field.topic}" are of type {types.value_type.lower()}: use {use}, or another topic.'
            )
            yield _finding(topic_field, message)
            return
        check, shape = self._record(topic_field.topic, types)
        if shape is not None:
            place = Place(f"Argument {value_name} of {where}", "each value", value.ast_node)
            yield from _findings(check.written(place, _item(value), shape))

    def _values(
        self, where: str, field: GraphQLField, topic_field: TopicField, types: TopicTypes
    ) -> Iterator[TopicFinding]:
        returned = get_named_type(field.type)
        if is_composite_type(returned) != (types.value_type is TopicType.SCHEMA) and not _takes_anything(returned):
            use = "a scalar" if is_composite_type(returned) else "an object type"
            message = (
                f'{where} returns {returned}, but the values of topic "{topic_field.topic}" are of type '
                f"{types.value_type.lower()}: use {use}, or another topic."
            )
            yield _finding(topic_field, message)
            return
        check, shape = self._record(topic_field.topic, types)
        if shape is not None:
            yield from _findings(check.served(Place(where, "each value", field.ast_node), _item(field), shape))

    def _record(self, topic: str, types: TopicTypes) -> tuple[RecordCheck, Shape | None]:
        if topic not in self._records:
            check = RecordCheck(self._schema, topic, self._key_type, types.ahead)
            self._records[topic] = check, self._shape(types)
        return self._records[topic]

    def _shape(self, types: TopicTypes) -> Shape | None:
        is_protobuf = types.value_schema is not None and types.value_schema.schema_type == SchemaFormat.PROTOBUF
        self._compiled += is_protobuf
        if self._compiled > MAX_PROTOBUF_TOPICS and is_protobuf:
            return None
        try:
            return shape_of(types.value_type, types.value_schema)
        except (QuickError, RecursionError):
            return None  # Whoever reads or writes the topic hears of it; no schema of a gateway is to blame.


def _idle_mutations(schema: GatewaySchema) -> Iterator[TopicFinding]:
    """Yield a warning for each field of Mutation that nothing fills: it does nothing, and is null."""
    mutation = schema.definition.mutation_type
    for name, field in mutation.fields.items() if mutation is not None else ():
        node = field.ast_node
        if node is not None and not any(directive_on(node, directive) for directive in ("topic", "rest")):
            message = f"The mutation {name} does nothing, and is always null. Give it @topic or @rest, or remove it."
            yield from _findings(iter([RecordFinding(message, node, is_warning=True)]))


def _range_findings(
    where: str, field: GraphQLField, topic_field: TopicField, types: TopicTypes
) -> Iterator[TopicFinding]:
    """Yield what is wrong between the arguments of a range and what the mirror of its topic keeps."""
    if types.mirror is None:
        return
    if types.mirror.range_field is None:
        message = f'{where} asks for a range, but the mirror of topic "{topic_field.topic}" has no range field yet'
        yield _finding(topic_field, f"{message}. Give it one.", is_warning=True)
        return
    for name in (topic_field.range_from, topic_field.range_to):
        yield from _bound_findings(where, field, name, _comparable(types, types.mirror.range_field, RANGE_FIELD))
    if types.mirror.range_key is not None:
        comparable = _comparable(types, types.mirror.range_key, RANGE_KEY)
        yield from _bound_findings(where, field, topic_field.key_argument, comparable)


def _bound_findings(
    where: str, field: GraphQLField, name: str | None, comparable: ComparableField | None
) -> Iterator[TopicFinding]:
    if name is None or comparable is None:
        return
    argument = field.args[name]
    type_ = get_named_type(argument.type)
    fits = bounds(type_.name, comparable.kind) if isinstance(type_, GraphQLScalarType) else False
    if fits or (isinstance(type_, GraphQLEnumType) and bounds("String", comparable.kind)):
        return
    message = (
        f"Argument {name} of {where} is {type_}, but the mirror compares it with the field {comparable.name}, "
        f"which is {comparable.kind}: use {bounding(comparable.kind)}."
    )
    yield from _findings(iter([RecordFinding(message, argument.ast_node, is_warning=False)]))


def _comparable(types: TopicTypes, name: str, purpose: str) -> ComparableField | None:
    try:
        return comparable_field(types.value_schema, name, purpose=purpose)
    except QuickError:
        return None  # The mirror's own affair, and unknown without a schema.


def _key_mismatch(
    what: str, candidates: list[GraphQLNamedType], field: TopicField, key_type: TopicType
) -> Iterator[str]:
    if any(_fits_key(candidate, key_type) for candidate in candidates):
        return
    names = " or ".join(candidate.name for candidate in candidates)
    wanted = " or ".join(KEY_SCALARS.get(key_type, ("an object or input type",))[:2])
    yield f'{what} is {names}, but the keys of topic "{field.topic}" are of type {key_type.lower()}: use {wanted}.'


def _fits_key(type_: GraphQLNamedType, key_type: TopicType) -> bool:
    if _takes_anything(type_):
        return True
    if key_type is TopicType.SCHEMA:
        return isinstance(type_, GraphQLObjectType | GraphQLInputObjectType)
    if isinstance(type_, GraphQLEnumType):
        return key_type is TopicType.STRING
    return type_.name in KEY_SCALARS[key_type]


def _takes_anything(type_: GraphQLType) -> bool:
    named = get_named_type(type_)
    return isinstance(named, GraphQLScalarType) and passes_anything(named.name)


def _item(member: GraphQLField | GraphQLArgument) -> GraphQLType:
    """Return the type of one value, which a missing key or a deletion may still make null."""
    type_ = member.type
    while isinstance(type_, GraphQLList | GraphQLNonNull):
        type_ = type_.of_type
    return type_


def _findings(found: Iterator[RecordFinding]) -> Iterator[TopicFinding]:
    for finding in found:
        place = finding.node.loc.start_token if finding.node is not None and finding.node.loc is not None else None
        problem = (
            SdlProblem(finding.message) if place is None else SdlProblem(finding.message, place.line, place.column)
        )
        yield TopicFinding(problem, finding.is_warning)


def _finding(field: TopicField, message: str, *, is_warning: bool = False) -> TopicFinding:
    return TopicFinding(SdlProblem(message, field.line, field.column), is_warning)
