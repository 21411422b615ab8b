"""What a new gateway schema changes for those who use the running one: breaking, dangerous or safe.

breaking    operations that were right are refused, or lack what they asked for
dangerous   operations go on, and may be answered with something that their client does not expect
safe        nobody has to do anything

Every change names a schema coordinate, as the GraphQL specification writes them: `Product`, `Query.product`,
`Query.product(id:)`, `Color.RED`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any, Final, NamedTuple, TypeVar

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationType,
    TypeDefinitionNode,
    get_named_type,
    is_introspection_type,
    is_required_argument,
    is_required_input_field,
    is_specified_scalar_type,
    print_ast,
)
from graphql.utilities.find_breaking_changes import (
    is_change_safe_for_input_object_field_or_field_arg,
    is_change_safe_for_object_or_interface_field,
)

from core.built_in_scalars import BUILT_IN_SCALARS
from core.directives import BUILT_INS, directive_on
from core.sdl import GatewaySchema

T = TypeVar("T")

FieldsType = GraphQLObjectType | GraphQLInterfaceType


class Severity(StrEnum):
    """What a change means for those who use the schema, the worst first."""

    BREAKING = "breaking"
    DANGEROUS = "dangerous"
    SAFE = "safe"


_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}

_BUILT_IN: Final = frozenset(node.name.value for node in BUILT_INS if isinstance(node, TypeDefinitionNode))

_NOTHING: Final = object()

_SOURCES: Final = ("topic", "rest")
"""Directives that say where the values of a field come from."""

_KEEP: Final = "Keep it and mark it @deprecated; remove it when no operation uses it."
_ADD_ANOTHER: Final = "Leave it as it is, mark it @deprecated, and add another one beside it."
_MAKE_OPTIONAL: Final = "Make it nullable, or give it a default value."
_KEEP_MEMBER: Final = "Keep it until no operation has a fragment on it."

_KINDS: Final[Mapping[type[GraphQLNamedType], str]] = {
    GraphQLScalarType: "a scalar",
    GraphQLObjectType: "an object type",
    GraphQLInterfaceType: "an interface",
    GraphQLUnionType: "a union",
    GraphQLEnumType: "an enum",
    GraphQLInputObjectType: "an input type",
}


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One thing that is different in the new schema."""

    severity: Severity
    coordinate: str
    """Where: a schema coordinate; `schema` for the choice of the root types."""
    text: str
    """What, in a sentence."""
    way_out: str = ""
    """For a breaking change: how the same can be had without breaking anybody."""

    def __str__(self) -> str:
        """Return the change as it is listed."""
        return f"{self.severity} {self.coordinate}: {self.text}" + (f" {self.way_out}" if self.way_out else "")


def changes(old: GatewaySchema | None, new: GatewaySchema) -> list[SchemaChange]:
    """Return what *new* changes, the worst first, and those of one severity by coordinate.

    Args:
        old: The running schema, `None` where there is none: every type is new then, and nobody is broken.
        new: The schema that is to be served.
    """
    was = {} if old is None else own_types(old.definition)
    found = chain(
        () if old is None else _root_changes(old.definition, new.definition),
        _type_changes(was, own_types(new.definition), _returned_types(new.definition)),
    )
    return sorted(found, key=lambda change: (_RANKS[change.severity], change.coordinate, change.text))


def breaking(found: Iterable[SchemaChange]) -> list[SchemaChange]:
    """Return those of *found* that break operations."""
    return [change for change in found if change.severity is Severity.BREAKING]


def own_types(schema: GraphQLSchema) -> dict[str, GraphQLNamedType]:
    """Return the types that the user has declared, by name."""
    return {
        name: type_
        for name, type_ in schema.type_map.items()
        if name not in _BUILT_IN
        and type_.ast_node is not BUILT_IN_SCALARS.get(name, _NOTHING)
        and not is_introspection_type(type_)
        and not is_specified_scalar_type(type_)
    }


class _Pairs(NamedTuple):
    """Two mappings, by what became of their names."""

    removed: list[tuple[str, Any]]
    added: list[tuple[str, Any]]
    kept: list[tuple[str, Any, Any]]


def _pairs(old: Mapping[str, T], new: Mapping[str, T]) -> _Pairs:
    return _Pairs(
        [(name, item) for name, item in old.items() if name not in new],
        [(name, item) for name, item in new.items() if name not in old],
        [(name, item, new[name]) for name, item in old.items() if name in new],
    )


def _breaking(coordinate: str, text: str, way_out: str) -> SchemaChange:
    return SchemaChange(Severity.BREAKING, coordinate, text, way_out)


def _dangerous(coordinate: str, text: str) -> SchemaChange:
    return SchemaChange(Severity.DANGEROUS, coordinate, text)


def _safe(coordinate: str, text: str) -> SchemaChange:
    return SchemaChange(Severity.SAFE, coordinate, text)


def _returned_types(schema: GraphQLSchema) -> frozenset[str]:
    """Return the names of the types that some field of *schema* returns."""
    objects = (type_ for type_ in schema.type_map.values() if isinstance(type_, FieldsType))
    fields = chain.from_iterable(type_.fields.values() for type_ in objects if not is_introspection_type(type_))
    return frozenset(get_named_type(field.type).name for field in fields)


def _root_changes(old: GraphQLSchema, new: GraphQLSchema) -> Iterator[SchemaChange]:
    """Yield root types that are other types now; a root type that is gone is told of as a type."""
    for operation in OperationType:
        was, now = old.get_root_type(operation), new.get_root_type(operation)
        if was is None or (now is not None and was.name == now.name):
            continue
        if now is None and was.name in new.type_map:
            text = f"Type {was.name} is no longer the root of each {operation.value}, and nothing is in its place."
        elif now is not None:
            text = f"The root of each {operation.value} is {now.name} now, and was {was.name}."
        else:
            continue
        yield _breaking("schema", text, f"Let {was.name} stay the root, and add to its fields.")


def _type_changes(
    old: Mapping[str, GraphQLNamedType], new: Mapping[str, GraphQLNamedType], returned: frozenset[str]
) -> Iterator[SchemaChange]:
    pairs = _pairs(old, new)
    for name, _ in pairs.removed:
        yield _breaking(name, f"Type {name} was removed.", "Keep it until no operation uses it or a field of it.")
    for name, _ in pairs.added:
        yield _safe(name, f"Type {name} was added.")
    for name, was, now in pairs.kept:
        if type(was) is not type(now):
            text = f"{name} was {_KINDS[type(was)]}, and is {_KINDS[type(now)]}."
            yield _breaking(name, text, "Add a type of another name, and leave this one as it is.")
            continue
        yield from _description_changes(name, was, now)
        yield from _changes_within(was, now, is_returned=name in returned)


def _changes_within(was: GraphQLNamedType, now: Any, *, is_returned: bool) -> Iterator[SchemaChange]:
    """Yield what differs between two types of one name and kind."""
    match was:
        case GraphQLObjectType() | GraphQLInterfaceType():
            yield from _interface_changes(was, now)
            yield from _field_changes(was, now)
        case GraphQLInputObjectType():
            yield from _input_field_changes(was, now)
        case GraphQLEnumType():
            yield from _value_changes(was, now, is_returned=is_returned)
        case GraphQLUnionType():
            yield from _member_changes(was, now)


def _interface_changes(was: FieldsType, now: FieldsType) -> Iterator[SchemaChange]:
    pairs = _pairs(*({interface.name: interface for interface in type_.interfaces} for type_ in (was, now)))
    for name, _ in pairs.removed:
        yield _breaking(was.name, f"{was.name} no longer implements {name}.", _KEEP_MEMBER)
    for name, _ in pairs.added:
        yield _dangerous(was.name, f"{was.name} implements {name} now: fields of that type may return it.")


def _member_changes(was: GraphQLUnionType, now: GraphQLUnionType) -> Iterator[SchemaChange]:
    pairs = _pairs(*({member.name: member for member in union.types} for union in (was, now)))
    for name, _ in pairs.removed:
        yield _breaking(was.name, f"{name} is no longer one of {was.name}.", _KEEP_MEMBER)
    for name, _ in pairs.added:
        yield _dangerous(was.name, f"{name} is one of {was.name} now: clients may not expect it.")


def _value_changes(was: GraphQLEnumType, now: GraphQLEnumType, *, is_returned: bool) -> Iterator[SchemaChange]:
    pairs = _pairs(was.values, now.values)
    for name, _ in pairs.removed:
        yield _breaking(f"{was.name}.{name}", f"Value {name} of {was.name} was removed.", _KEEP)
    for name, _ in pairs.added:
        where, text = f"{was.name}.{name}", f"Value {name} of {was.name} was added"
        yield _dangerous(where, f"{text}: clients may not expect it.") if is_returned else _safe(where, f"{text}.")
    for name, old, new in pairs.kept:
        yield from _note_changes(f"{was.name}.{name}", old, new)


def _field_changes(was: FieldsType, now: FieldsType) -> Iterator[SchemaChange]:
    pairs = _pairs(_own_fields(was), _own_fields(now))
    for name, _ in pairs.removed:
        yield _breaking(f"{was.name}.{name}", f"Field {was.name}.{name} was removed.", _KEEP)
    for name, _ in pairs.added:
        yield _safe(f"{was.name}.{name}", f"Field {was.name}.{name} was added.")
    for name, old, new in pairs.kept:
        where = f"{was.name}.{name}"
        if str(old.type) != str(new.type):
            is_safe = is_change_safe_for_object_or_interface_field(old.type, new.type)
            yield _type_change(where, f"Field {where}", old, new, is_safe=is_safe)
        yield from _argument_changes(where, old, new)
        yield from _source_changes(where, old, new)
        yield from _note_changes(where, old, new)


def _own_fields(type_: FieldsType) -> dict[str, GraphQLField]:
    """Return the fields that the user wrote: the one that fills an empty `Query` stands nowhere in the text."""
    return {
        name: field for name, field in type_.fields.items() if field.ast_node is None or field.ast_node.loc is not None
    }


InputItem = TypeVar("InputItem", GraphQLArgument, GraphQLInputField)


def _argument_changes(where: str, was: GraphQLField, now: GraphQLField) -> Iterator[SchemaChange]:
    def named(name: str) -> tuple[str, str]:
        return f"{where}({name}:)", f"argument {name} of {where}"

    yield from _sent_changes(was.args, now.args, named, is_required_argument)


def _input_field_changes(was: GraphQLInputObjectType, now: GraphQLInputObjectType) -> Iterator[SchemaChange]:
    def named(name: str) -> tuple[str, str]:
        return f"{was.name}.{name}", f"field {was.name}.{name}"

    yield from _sent_changes(was.fields, now.fields, named, is_required_input_field)


def _sent_changes(
    was: Mapping[str, InputItem],
    now: Mapping[str, InputItem],
    named: Callable[[str], tuple[str, str]],
    is_required: Callable[[InputItem], bool],
) -> Iterator[SchemaChange]:
    """Yield what differs in all that clients send at one place; *named* gives the coordinate and the words for one."""
    pairs = _pairs(was, now)
    for name, _ in pairs.removed:
        where, words = named(name)
        yield _breaking(where, f"{_begun(words)} was removed.", "Keep it until no operation sends it.")
    for name, item in pairs.added:
        where, words = named(name)
        if is_required(item):
            yield _breaking(where, f"Required {words} was added.", _MAKE_OPTIONAL)
        else:
            yield _safe(where, f"Optional {words} was added.")
    for name, old, new in pairs.kept:
        where, words = named(name)
        yield from _input_changes(where, _begun(words), old, new)


def _begun(words: str) -> str:
    return words[0].upper() + words[1:]


def _input_changes(where: str, what: str, was: InputItem, now: InputItem) -> Iterator[SchemaChange]:
    """Yield what differs in what clients send: an argument, or a field of an input type."""
    if str(was.type) != str(now.type):
        is_safe = is_change_safe_for_input_object_field_or_field_arg(was.type, now.type)
        yield _type_change(where, what, was, now, is_safe=is_safe)
    before, after = _default(was), _default(now)
    if before != after:
        yield _dangerous(where, f"The default value of {where} was {before or 'none'}, and is {after or 'none'}.")
    yield from _note_changes(where, was, now)


def _default(item: GraphQLArgument | GraphQLInputField) -> str:
    node = item.ast_node
    return "" if node is None or node.default_value is None else print_ast(node.default_value)


def _type_change(where: str, what: str, was: Any, now: Any, *, is_safe: bool) -> SchemaChange:
    text = f"{what} was of type {was.type}, and is of type {now.type}."
    return _safe(where, text) if is_safe else _breaking(where, text, _ADD_ANOTHER)


def _source_changes(where: str, was: GraphQLField, now: GraphQLField) -> Iterator[SchemaChange]:
    """Yield where the values of a field come from elsewhere: the operations are the same, and the answers may not be.

    That a default is written out is no difference, and neither is a null where nothing was given.
    """
    for name in _SOURCES:
        before, after = _directive(was, name), _directive(now, name)
        if before == after:
            continue
        if before is None:
            yield _dangerous(where, f"{where} is filled by @{name}({_listed(after)}) now.")
        elif after is None:
            yield _dangerous(where, f"{where} is no longer filled by @{name}({_listed(before)}).")
        else:
            differing = [argument for argument in {**before, **after} if before.get(argument) != after.get(argument)]
            parts = ", ".join(
                f"{argument} was {before.get(argument, 'not given')} and is {after.get(argument, 'not given')}"
                for argument in differing
            )
            yield _dangerous(where, f"{where} is filled otherwise by @{name}: {parts}.")


def _directive(field: GraphQLField, name: str) -> dict[str, str] | None:
    """Return the arguments of a directive on *field* as texts, `None` where it does not stand there."""
    node = None if field.ast_node is None else directive_on(field.ast_node, name)
    if node is None:
        return None
    given = {argument.name.value: print_ast(argument.value) for argument in node.arguments}
    return {argument: text for argument, text in given.items() if text not in {"null", _DEFAULTS.get(argument)}}


_DEFAULTS: Final = {"httpMethod": "GET"}
"""What the arguments of those directives are where they are left out."""


def _listed(arguments: Mapping[str, str] | None) -> str:
    return ", ".join(f"{name}: {text}" for name, text in (arguments or {}).items())


def _note_changes(where: str, was: Any, now: Any) -> Iterator[SchemaChange]:
    """Yield what is said otherwise about something that is the same."""
    yield from _description_changes(where, was, now)
    if was.deprecation_reason == now.deprecation_reason:
        return
    if now.deprecation_reason is None:
        yield _safe(where, f"{where} is no longer deprecated.")
    elif was.deprecation_reason is None:
        yield _safe(where, f"{where} is deprecated: {now.deprecation_reason}")
    else:
        yield _safe(where, f"{where} is deprecated for another reason: {now.deprecation_reason}")


def _description_changes(where: str, was: Any, now: Any) -> Iterator[SchemaChange]:
    if (was.description or "") != (now.description or ""):
        yield _safe(where, f"The description of {where} is another one.")
