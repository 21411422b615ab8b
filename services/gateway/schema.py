"""Graphene types and a Graphene schema, made from the types of a gateway schema.

Names go through untouched. A class attribute cannot have every name that a GraphQL field may have (`from`,
`class`, `is_type_of`, `Meta`), and a Python enum not every one that an enum value may have (`mro`): fields
get a prefix and their real name beside it, enums get a stand-in for the Python enum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import graphene  # type: ignore[import-untyped]  # Graphene ships no types
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLType,
    GraphQLUnionType,
    get_named_type,
    is_introspection_type,
)

from core.sdl import GatewaySchema
from services.gateway.abstract_types import concrete_type_name, unwrapped
from services.gateway.resolvers import FieldResolver
from services.gateway.rest_client import RestClient
from services.gateway.scalars import OF_GRAPHQL, graphene_scalar
from services.gateway.wiring import Wiring
from services.gateway.writing import TopicWriter

GrapheneType = Any

_PREFIX: Final = "field_"

_INNER_FIRST: Final = (
    GraphQLScalarType,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
)
"""Kinds of types in the order in which they are made: Graphene wants the classes that a type belongs to or joins."""


def build(schema: GatewaySchema, writer: TopicWriter, rest: RestClient) -> graphene.Schema:
    """Return a Graphene schema with the types of *schema*, whose fields are filled by sources and by *rest*.

    Its mutations write with *writer*. Nothing is read or written here; topics need not exist yet.
    """
    return _Builder(schema, Wiring(schema, writer, rest)).build()


class _Builder:
    """Makes one Graphene type for each type of a gateway schema."""

    def __init__(self, schema: GatewaySchema, wiring: Wiring) -> None:
        self._definition = schema.definition
        self._wiring = wiring
        self._types: dict[str, GrapheneType] = dict(OF_GRAPHQL)

    def build(self) -> graphene.Schema:
        served = list(self._served_types())
        for kind in _INNER_FIRST:
            for type_ in served:
                if isinstance(type_, kind):
                    self._made(type_)
        query, mutation = self._definition.query_type, self._definition.mutation_type
        assert query is not None, "a gateway schema without a query type is refused when it is parsed"
        schema = graphene.Schema(
            query=self._types[query.name],
            mutation=self._types[mutation.name] if mutation is not None else None,
            # `Long` is there without being asked for: Graphene finds it where it is used.
            types=[self._types[type_.name] for type_ in served if type_.name != "Long"],
            auto_camelcase=False,
        )
        for type_ in served:
            if isinstance(type_, GraphQLScalarType) and type_.specified_by_url is not None:
                # Graphene knows no `@specifiedBy`.
                schema.graphql_schema.type_map[type_.name].specified_by_url = type_.specified_by_url
        return schema

    def _served_types(self) -> Iterator[GraphQLNamedType]:
        for type_ in self._definition.type_map.values():
            is_ours = type_.name in OF_GRAPHQL or type_.name == "RestDirectiveMethod"
            if not is_ours and not is_introspection_type(type_):
                yield type_

    def _made(self, type_: GraphQLNamedType) -> GrapheneType:
        """Return what stands for *type_*; made at first need, because interfaces may implement others."""
        if type_.name not in self._types:
            self._types[type_.name] = self._make(type_)
        return self._types[type_.name]

    def _make(self, type_: GraphQLNamedType) -> GrapheneType:
        match type_:
            case GraphQLScalarType():
                return graphene_scalar(type_)
            case GraphQLEnumType():
                return _enum(type_)
            case GraphQLInputObjectType():
                return self._input(type_)
            case GraphQLInterfaceType():
                return self._interface(type_)
            case GraphQLObjectType():
                return self._object(type_)
            case GraphQLUnionType():
                return self._union(type_)
        raise AssertionError(f"GraphQL has no further kind of type, but here is {type_}")

    def _object(self, type_: GraphQLObjectType) -> GrapheneType:
        fields = {
            _PREFIX + name: self._field(name, field, self._wiring.resolver(type_, name, field))
            for name, field in type_.fields.items()
        }
        return _with_fields(type(type_.name, (graphene.ObjectType,), {"Meta": self._implementing(type_)}), fields)

    def _interface(self, type_: GraphQLInterfaceType) -> GrapheneType:
        fields = {_PREFIX + name: self._field(name, field, None) for name, field in type_.fields.items()}
        members = {"Meta": self._implementing(type_), "resolve_type": self._resolve_type(type_)}
        return _with_fields(type(type_.name, (graphene.Interface,), members), fields)

    def _implementing(self, type_: GraphQLObjectType | GraphQLInterfaceType) -> dict[str, Any]:
        return {**_names(type_), "interfaces": tuple(map(self._made, type_.interfaces))}

    def _union(self, type_: GraphQLUnionType) -> GrapheneType:
        meta = {**_names(type_), "types": tuple(map(self._made, type_.types))}
        return type(type_.name, (graphene.Union,), {"Meta": meta, "resolve_type": self._resolve_type(type_)})

    def _resolve_type(self, type_: GraphQLInterfaceType | GraphQLUnionType) -> Callable[..., GrapheneType]:
        possible = frozenset(concrete.name for concrete in self._definition.get_possible_types(type_))

        def resolve_type(value: Any, _info: Any) -> GrapheneType:
            return self._types[concrete_type_name(*unwrapped(value), possible)]

        return staticmethod(resolve_type)

    def _field(self, name: str, field: GraphQLField, resolver: FieldResolver | None) -> graphene.Field:
        return graphene.Field(
            self._reference(field.type),
            name=name,
            args={name: self._argument(argument) for name, argument in field.args.items()},
            resolver=resolver,
            description=field.description,
            deprecation_reason=field.deprecation_reason,
        )

    def _argument(self, argument: GraphQLArgument) -> graphene.Argument:
        return graphene.Argument(
            self._reference(argument.type),
            default_value=argument.default_value,
            description=argument.description,
            deprecation_reason=argument.deprecation_reason,
        )

    def _input(self, type_: GraphQLInputObjectType) -> GrapheneType:
        fields = {_PREFIX + name: self._input_field(name, field) for name, field in type_.fields.items()}
        meta = {**_names(type_), "container": _without_prefix}
        return type(type_.name, (graphene.InputObjectType,), {"Meta": meta, **fields})

    def _input_field(self, name: str, field: GraphQLInputField) -> graphene.InputField:
        return graphene.InputField(
            self._reference(field.type),
            name=name,
            default_value=field.default_value,
            description=field.description,
            deprecation_reason=field.deprecation_reason,
        )

    def _reference(self, type_: GraphQLType) -> GrapheneType:
        """Return what stands for *type_* in a field; names are resolved later: types may form circles."""
        if isinstance(type_, GraphQLNonNull):
            return graphene.NonNull(self._reference(type_.of_type))
        if isinstance(type_, GraphQLList):
            return graphene.List(self._reference(type_.of_type))
        return partial(self._types.__getitem__, get_named_type(type_).name)


def _with_fields(made: GrapheneType, fields: Mapping[str, graphene.Field]) -> GrapheneType:
    """Give the class *made* its fields.

    As attributes, they would stand behind those of its interfaces, and Graphene would generate a dataclass from
    them: half the time that a schema takes, and it grows with the square of the fields of a type.
    """
    of_class = made._meta.fields  # noqa: SLF001  Graphene has no other way to set them
    of_class.clear()
    of_class.update(fields)
    return made


def _enum(type_: GraphQLEnumType) -> GrapheneType:
    names = _EnumNames()

    def description(name: str | None) -> str | None:
        return type_.description if name is None else type_.values[name].description

    def deprecation_reason(name: str) -> str | None:
        return type_.values[name].deprecation_reason

    meta = {
        "name": type_.name,
        "enum": names,
        "description": description,
        "deprecation_reason": deprecation_reason,
    }
    # Graphene puts the name of the class among the globals of its own module: no place for a user's name.
    made = type("GatewayEnum", (graphene.Enum,), {"Meta": meta})
    # Graphene made every member an attribute of the class; those that are added now can hide nothing there.
    names.__members__.update({name: name for name in type_.values})
    return made


class _EnumNames:
    """Stands where Graphene expects a Python enum; a value of it is its name, going in and coming out."""

    def __init__(self) -> None:
        self.__members__: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        return value


def _names(type_: GraphQLNamedType) -> dict[str, Any]:
    return {"name": type_.name, "description": type_.description}


def _without_prefix(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(_PREFIX): value for name, value in values.items()}
