"""GraphQL types compared field by field with the records that they are served from, or written as.

What can never work is a problem; what fails for some values only is a warning, because whoever writes the topic may
know better. A type is compared once with each record, however often it is met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLType,
    GraphQLUnionType,
    Node,
    Undefined,
)

from core.directives import directive_on
from core.scalar_fits import KEY_KINDS, Fit, passes_anything, serves, serving, writes, writing
from core.sdl import GatewaySchema
from core.stored_shapes import Shape, StoredKind
from core.topic_type import TopicType

_NUMBERS: Final = frozenset({StoredKind.INT, StoredKind.LONG, StoredKind.DOUBLE})


class Place(NamedTuple):
    """A field, argument or input field of the schema, and what of the topic it belongs to."""

    what: str
    """As in `Product.price`."""
    stored: str
    """As in `the field price`."""
    node: Node | None
    """Where it stands in the SDL."""


class RecordFinding(NamedTuple):
    """Something about a place; a warning if it fails for some values only, or if nothing fails."""

    message: str
    node: Node | None
    is_warning: bool


class RecordCheck:
    """Compares the types of *schema* with the values of one topic.

    Args:
        schema: The schema to check.
        topic: Name of the topic, for messages.
        key_types: Returns the key type of any topic, `None` where it does not exist yet.
        ahead: Name of the type that the topic's schema was made from, if it was made from this schema: the type may
            have fields that records will have when the topic takes its schema anew.
    """

    def __init__(
        self, schema: GatewaySchema, topic: str, key_types: Callable[[str], TopicType | None], ahead: str | None = None
    ) -> None:
        self._schema = schema
        self._topic = topic
        self._key_types = key_types
        self._ahead = ahead
        self._met: set[tuple[str, int]] = set()

    def served(self, place: Place, type_: GraphQLType, shape: Shape) -> Iterator[RecordFinding]:
        """Yield what is wrong with serving values of *shape* as *type_*."""
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
            if shape.is_nullable:
                yield self._warning(place, "is non-null", "may be null, and then is an error. Let it be nullable")
        if shape.kind in {StoredKind.ANY, StoredKind.NULL} or _passes(type_):
            return
        if shape.kind is StoredKind.UNION:
            yield from self._of_union(place, type_, shape)
        elif isinstance(type_, GraphQLList) or shape.kind is StoredKind.LIST:
            yield from self._list(place, type_, shape, self.served)
        elif isinstance(type_, GraphQLScalarType):
            yield from self._scalar(place, type_, shape, serves(type_.name, shape.kind), serving(shape.kind))
        elif isinstance(type_, GraphQLEnumType):
            yield from self._served_enum(place, type_, shape)
        else:
            yield from self._served_record(place, type_, shape)

    def written(self, place: Place, type_: GraphQLType, shape: Shape) -> Iterator[RecordFinding]:
        """Yield what is wrong with writing values of *type_* as *shape*."""
        type_ = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if shape.kind in {StoredKind.ANY, StoredKind.NULL} or _passes(type_):
            return
        if shape.kind is StoredKind.UNION:
            results = [list(self.written(place, type_, part)) for part in shape.parts]
            if all(any(not finding.is_warning for finding in result) for result in results):
                yield self._problem(place, f"is {type_}", f"{shape.words}: use {writing(shape.kind)}")
        elif isinstance(type_, GraphQLList) or shape.kind is StoredKind.LIST:
            yield from self._list(place, type_, shape, self.written)
        elif isinstance(type_, GraphQLScalarType):
            fit = writes(type_.name, shape.kind)
            yield from self._scalar(place, type_, shape, fit, writing(shape.kind))
        elif isinstance(type_, GraphQLEnumType):
            yield from self._written_enum(place, type_, shape)
        elif isinstance(type_, GraphQLInputObjectType):
            yield from self._written_record(place, type_, shape)

    def _list(
        self,
        place: Place,
        type_: GraphQLType,
        shape: Shape,
        inner: Callable[[Place, GraphQLType, Shape], Iterator[RecordFinding]],
    ) -> Iterator[RecordFinding]:
        if not isinstance(type_, GraphQLList):
            yield self._problem(place, f"is {type_}", f"{shape.words}: use a list")
        elif shape.kind is not StoredKind.LIST:
            yield self._problem(place, f"is the list {type_}", f"{shape.words}: use no list")
        else:
            yield from inner(place._replace(stored=f"each item of {place.stored}"), type_.of_type, shape.parts[0])

    def _of_union(self, place: Place, type_: GraphQLType, shape: Shape) -> Iterator[RecordFinding]:
        results = {part.words: list(self.served(place, type_, part)) for part in shape.parts}
        failing = [words for words, result in results.items() if any(not finding.is_warning for finding in result)]
        if len(failing) == len(results):
            yield self._problem(place, f"is {type_}", f"{shape.words}: use a union of object types, or JSON")
            return
        if failing:
            yield self._warning(
                place, f"is {type_}", f"may be {' or '.join(failing)}, and then is an error. Use JSON for both"
            )
        for words, result in results.items():
            if words not in failing:
                yield from result

    def _scalar(
        self, place: Place, type_: GraphQLScalarType, shape: Shape, fit: Fit, wanted: str
    ) -> Iterator[RecordFinding]:
        if fit is Fit.NEVER:
            yield self._problem(place, f"is {type_}", f"{shape.words}: use {wanted}")
        # What a text stands for is its writer's business: only numbers that may be too large are told.
        if fit is Fit.AT_TIMES and type_.name in {"Int", "Long"} and shape.kind in _NUMBERS:
            stored = f"is {shape.words}: a value that does not fit is an error. Use {wanted}"
            yield self._warning(place, f"is {type_}", stored)

    def _served_enum(self, place: Place, type_: GraphQLEnumType, shape: Shape) -> Iterator[RecordFinding]:
        if shape.kind not in {StoredKind.ENUM, StoredKind.STRING}:
            yield self._problem(place, f"is the enum {type_}", f"{shape.words}: use {serving(shape.kind)}")
        elif lacking := [symbol for symbol in shape.symbols if symbol not in type_.values]:
            yield self._warning(
                place, f"is {type_}", f"may be {', '.join(lacking)}, which the enum lacks: that is an error. Add them"
            )

    def _written_enum(self, place: Place, type_: GraphQLEnumType, shape: Shape) -> Iterator[RecordFinding]:
        if shape.kind not in {StoredKind.ENUM, StoredKind.STRING}:
            yield self._problem(place, f"is the enum {type_}", f"{shape.words}: use {writing(shape.kind)}")
        elif shape.symbols and (unknown := [value for value in type_.values if value not in shape.symbols]):
            yield self._warning(
                place,
                f"is {type_}",
                f"has no {', '.join(unknown)}: writing that is an error. Add it there, or remove it",
            )

    def _served_record(self, place: Place, type_: GraphQLType, shape: Shape) -> Iterator[RecordFinding]:
        if shape.kind is StoredKind.MAP and isinstance(type_, GraphQLObjectType):
            yield from self._served_fields(type_, shape, dict.fromkeys(type_.fields, shape.parts[0]))
        elif shape.kind is not StoredKind.RECORD:
            yield self._problem(place, f"is {type_}", f"{shape.words}: use {serving(shape.kind)}")
        elif isinstance(type_, GraphQLObjectType):
            yield from self._served_fields(type_, shape, shape.fields or {})
        elif isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            yield from self._served_abstract(place, type_, shape)

    def _served_abstract(
        self, place: Place, type_: GraphQLInterfaceType | GraphQLUnionType, shape: Shape
    ) -> Iterator[RecordFinding]:
        possible = {concrete.name: concrete for concrete in self._schema.definition.get_possible_types(type_)}
        concrete = possible.get(shape.name or "") or (next(iter(possible.values())) if len(possible) == 1 else None)
        if concrete is not None:
            yield from self._served_fields(concrete, shape, shape.fields or {})
        elif "__typename" not in (shape.fields or {}):
            yield self._warning(
                place,
                f"is {type_}",
                f"is {shape.words}: it is an error that no type of {type_} has that name. Name one like the record",
            )

    def _served_fields(
        self, type_: GraphQLObjectType, shape: Shape, stored: dict[str, Shape]
    ) -> Iterator[RecordFinding]:
        if not self._is_new(type_, shape):
            return
        for name, field in type_.fields.items():
            place = Place(f"{type_.name}.{name}", f"the field {name}", field.ast_node)
            topic_field = self._schema.topic_fields.get((type_.name, name))
            if topic_field is not None and topic_field.key_field is not None:
                yield from self._key(place, topic_field.topic, topic_field.key_field, stored.get(topic_field.key_field))
            if topic_field is not None or _is_filled_by_rest(field):
                continue
            if name in stored:
                yield from self.served(place, field.type, stored[name])
            else:
                yield self._missing(place, field, type_, shape)

    def _written_record(self, place: Place, type_: GraphQLInputObjectType, shape: Shape) -> Iterator[RecordFinding]:
        if shape.kind is StoredKind.MAP:
            for name, field in type_.fields.items():
                inner = Place(f"{type_.name}.{name}", "each value", field.ast_node)
                yield from self.written(inner, field.type, shape.parts[0])
            return
        if shape.kind is not StoredKind.RECORD:
            yield self._problem(place, f"is {type_}", f"{shape.words}: use {writing(shape.kind)}")
            return
        if not self._is_new(type_, shape):
            return
        stored = shape.fields or {}
        for name, needed in stored.items():
            if name not in type_.fields and not needed.may_be_absent:
                yield self._lacking(type_, name, shape)
        for name, field in type_.fields.items():
            inner = Place(f"{type_.name}.{name}", f"the field {name}", field.ast_node)
            if name not in stored:
                message = f'{inner.what} is not stored: {shape.words} of topic "{self._topic}" has no field {name}.'
                yield RecordFinding(f"{message} Remove it, or add it there.", inner.node, is_warning=True)
                continue
            may_be_left_out = not isinstance(field.type, GraphQLNonNull) and field.default_value is Undefined
            if may_be_left_out and not stored[name].may_be_absent:
                yield self._warning(
                    inner, "is nullable", "must not be null or left out: that is an error. Use non-null"
                )
            yield from self.written(inner, field.type, stored[name])

    def _key(self, place: Place, topic: str, key_field: str, shape: Shape | None) -> Iterator[RecordFinding]:
        while shape is not None and shape.kind is StoredKind.LIST:
            shape = shape.parts[0]
        key_type = self._key_types(topic)
        if shape is None or key_type is None or shape.kind in {StoredKind.ANY, StoredKind.UNION, StoredKind.NULL}:
            return
        if shape.kind not in KEY_KINDS[key_type]:
            message = (
                f'{place.what} takes its keys from {key_field}, which is {shape.words} in topic "{self._topic}", '
                f'but the keys of topic "{topic}" are of type {key_type.lower()}. Name a field of that type.'
            )
            yield RecordFinding(message, place.node, is_warning=False)

    def _missing(self, place: Place, field: GraphQLField, type_: GraphQLObjectType, shape: Shape) -> RecordFinding:
        lacking = f'{shape.words} of topic "{self._topic}" has no such field'
        is_required = isinstance(field.type, GraphQLNonNull)
        if is_required and type_.name != self._ahead:
            message = f"{place.what} is non-null, but {lacking}. Let it be nullable, or fill it with @topic or @rest."
            return RecordFinding(message, place.node, is_warning=False)
        way_out = (
            "Take the topic's schema from this type anew, or" if type_.name == self._ahead else "If it is not meant,"
        )
        outcome = "an error" if is_required else "null"
        message = f"{place.what} is always {outcome}: {lacking}. {way_out} correct the name."
        return RecordFinding(message, place.node, is_warning=True)

    def _lacking(self, type_: GraphQLInputObjectType, name: str, shape: Shape) -> RecordFinding:
        message = f'{type_.name} has no field {name}, which {shape.words} of topic "{self._topic}" needs. Add it.'
        return RecordFinding(message, type_.ast_node, is_warning=False)

    def _is_new(self, type_: GraphQLNamedType, shape: Shape) -> bool:
        pair = type_.name, id(shape.fields if shape.fields is not None else shape.parts)
        is_new = pair not in self._met
        self._met.add(pair)
        return is_new

    def _problem(self, place: Place, is_what: str, stored: str) -> RecordFinding:
        message = f'{place.what} {is_what}, but {place.stored} of topic "{self._topic}" is {stored}.'
        return RecordFinding(message, place.node, is_warning=False)

    def _warning(self, place: Place, is_what: str, stored: str) -> RecordFinding:
        message = f'{place.what} {is_what}, but {place.stored} of topic "{self._topic}" {stored}.'
        return RecordFinding(message, place.node, is_warning=True)


def _passes(type_: GraphQLType) -> bool:
    return isinstance(type_, GraphQLScalarType) and passes_anything(type_.name)


def _is_filled_by_rest(field: GraphQLField) -> bool:
    return field.ast_node is not None and directive_on(field.ast_node, "rest") is not None
