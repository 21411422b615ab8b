"""What is generated for the lists of a schema, and what the user's own names switch off."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, validate_schema

from core.list_fields import PAGE_ARGUMENTS
from core.sdl import GatewaySchema, parse_gateway_schema
from core.sdl_lists import listed_topics, with_lists

SHOP = """
type Query {
  products: [Product!]! @topic(name: "products")
  archive: [Product] @topic(name: "old-products")
  names: [String] @topic(name: "names")
  product(id: ID): Product @topic(name: "products", keyArgument: "id")
  some(ids: [ID]): [Product] @topic(name: "products", keyArgument: "ids")
  sights(user: ID, low: Long!, high: Long!): [Product]
    @topic(name: "products", keyArgument: "user", rangeFrom: "low", rangeTo: "high")
  shelf: Shelf
}
extend type Query { later: [Product] @topic(name: "products") }
type Mutation { setNames(ids: [ID], names: [String]): [String] @topic(name: "names") }
type Shelf { all: [Product] @topic(name: "products") }
type Product {
  id: ID!
  price: Float!
  stock: Long
  kind: Kind
  isOld: Boolean
  since: DateTime
  tags: [String]
  part: Part
  makerId: Int
  maker: String @topic(name: "names", keyField: "makerId")
}
type Part { x: Int }
enum Kind { LARGE SMALL }
"""
INDEXES = {
    "products": ("id", "price", "stock", "kind", "isOld", "since", "tags", "part", "maker", "unknown"),
    "old-products": ("price",),
    "names": (),
}


def extended(sdl: str = SHOP, **indexes: tuple[str, ...]) -> GatewaySchema:
    schema = with_lists(parse_gateway_schema(sdl), indexes or INDEXES)
    assert [] == validate_schema(schema.definition)
    return schema


def query_of(schema: GatewaySchema) -> GraphQLObjectType:
    assert schema.definition.query_type is not None
    return schema.definition.query_type


def arguments(schema: GatewaySchema, field: str, type_: str = "Query") -> dict[str, str]:
    parent: Any = schema.definition.type_map[type_]
    return {name: str(argument.type) for name, argument in parent.fields[field].args.items()}


def conditions(schema: GatewaySchema, name: str) -> dict[str, str]:
    type_ = schema.definition.type_map[name]
    assert isinstance(type_, GraphQLInputObjectType)
    return {name: str(field.type) for name, field in type_.fields.items()}


PAGES = {"first": "Int", "after": "String", "last": "Int", "before": "String"}


def test_a_list_and_its_connection_take_pages_and_conditions() -> None:
    schema = extended()
    for field in ("products", "productsConnection", "later", "laterConnection"):
        assert {**PAGES, "where": "ProductWhere"} == arguments(schema, field)
    assert {**PAGES, "where": "ProductWhere"} == arguments(schema, "all", "Shelf")
    assert PAGES == arguments(schema, "names")
    assert "ProductConnection!" == str(query_of(schema).fields["productsConnection"].type)
    assert "StringConnection!" == str(query_of(schema).fields["namesConnection"].type)
    assert "[Product!]!" == str(query_of(schema).fields["products"].type)


def test_a_range_keeps_its_own_arguments_and_takes_pages() -> None:
    expected = {"user": "ID", "low": "Long!", "high": "Long!", **PAGES}
    assert expected == arguments(extended(), "sights") == arguments(extended(), "sightsConnection")


def test_a_connection_is_as_relay_has_it() -> None:
    types: Any = extended().definition.type_map
    fields = {
        name: {field: str(types[name].fields[field].type) for field in types[name].fields}
        for name in ("ProductConnection", "ProductEdge", "PageInfo")
    }
    assert {
        "ProductConnection": {"edges": "[ProductEdge!]!", "pageInfo": "PageInfo!"},
        "ProductEdge": {"cursor": "String!", "node": "Product"},
        "PageInfo": {
            "hasNextPage": "Boolean!",
            "hasPreviousPage": "Boolean!",
            "startCursor": "String",
            "endCursor": "String",
        },
    } == fields


def test_there_is_a_condition_for_each_index_of_a_scalar_or_an_enum() -> None:
    schema = extended()
    assert {
        "id": "IDFilter",
        "price": "FloatFilter",
        "stock": "LongFilter",
        "kind": "KindFilter",
        "isOld": "BooleanFilter",
        "since": "DateTimeFilter",
    } == conditions(schema, "ProductWhere")
    ordered = dict.fromkeys(("gt", "gte", "lt", "lte"), "Float")
    assert {"eq": "Float", "in": "[Float!]", **ordered} == conditions(schema, "FloatFilter")
    assert {"eq": "Kind", "in": "[Kind!]"} == conditions(schema, "KindFilter")
    assert {"eq": "Boolean"} == conditions(schema, "BooleanFilter")


def test_topics_with_values_of_one_type_have_conditions_of_their_own() -> None:
    schema = extended()
    assert {**PAGES, "where": "ProductWhere_old_products"} == arguments(schema, "archive")
    assert {"price": "FloatFilter"} == conditions(schema, "ProductWhere_old_products")
    without = extended(products=(), **{"old-products": ("price",)})
    assert {**PAGES, "where": "ProductWhere_old_products"} == arguments(without, "archive")


def test_what_is_no_list_of_a_topic_stays_as_it_is() -> None:
    schema = extended()
    assert {"ids": "[ID]"} == arguments(schema, "some")
    assert {"ids": "[ID]", "names": "[String]"} == arguments(schema, "setNames", "Mutation")
    assert not {"someConnection", "productConnection", "shelfConnection"} & set(query_of(schema).fields)
    plain = parse_gateway_schema("type Query { a: Int }")
    assert plain is with_lists(plain, {})


def test_the_users_text_and_schema_stay_as_they_are() -> None:
    given = parse_gateway_schema(SHOP)
    schema = with_lists(given, INDEXES)
    assert SHOP == given.sdl == schema.sdl
    assert {} == arguments(given, "products")
    assert "productsConnection" not in query_of(given).fields
    assert {} == arguments(parse_gateway_schema(schema.sdl), "products")


def test_the_topics_whose_indexes_count_are_those_of_whole_lists() -> None:
    assert ("names", "old-products", "products") == listed_topics(parse_gateway_schema(SHOP))


ONE = (
    'type Query {{ products{arguments}: [Product] @topic(name: "p") {fields} }} type Product {{ price: Float }} {types}'
)


@pytest.mark.parametrize("own", PAGE_ARGUMENTS)
def test_an_own_argument_for_pages_switches_pages_and_connection_off(own: str) -> None:
    schema = extended(ONE.format(arguments=f"({own}: Boolean)", fields="", types=""), p=("price",))
    assert {own: "Boolean", "where": "ProductWhere"} == arguments(schema, "products")
    assert "productsConnection" not in query_of(schema).fields


@pytest.mark.parametrize(
    ("types", "where", "has_connection"),
    [
        ("type PageInfo { x: Int }", "ProductWhere", False),
        ("type ProductConnection { x: Int }", "ProductWhere", False),
        ("type ProductEdge { x: Int }", "ProductWhere", False),
        ("input ProductWhere { x: Int }", None, True),
        ("enum FloatFilter { X }", None, True),
        ("", "ProductWhere", True),
    ],
)
def test_an_own_type_switches_off_what_needs_its_name(types: str, where: str | None, *, has_connection: bool) -> None:
    schema = extended(ONE.format(arguments="", fields="", types=types), p=("price",))
    assert where == arguments(schema, "products").get("where")
    assert has_connection == ("productsConnection" in query_of(schema).fields)


def test_an_own_argument_where_and_an_own_connection_stay() -> None:
    sdl = ONE.format(arguments="(where: Int)", fields="productsConnection: Int", types="")
    schema = extended(sdl, p=("price",))
    assert {"where": "Int", **PAGES} == arguments(schema, "products")
    assert "Int" == str(query_of(schema).fields["productsConnection"].type)
    assert "ProductWhere" not in schema.definition.type_map


def test_a_type_may_implement_an_interface_with_its_lists() -> None:
    sdl = """
    type Query { shelf: Shelf }
    interface Full { all: [Product] }
    type Shelf implements Full { all: [Product] @topic(name: "p") }
    type Product { price: Float }
    """
    assert {**PAGES, "where": "ProductWhere"} == arguments(extended(sdl, p=("price",)), "all", "Shelf")


def test_values_of_an_interface_have_conditions_on_its_fields() -> None:
    sdl = """
    type Query { all: [Thing] @topic(name: "p") ones: [One] @topic(name: "u") }
    interface Thing { price: Float }
    type Shoe implements Thing { price: Float size: Int }
    union One = Shoe
    """
    schema = extended(sdl, p=("price", "size"), u=("price",))
    assert {"price": "FloatFilter"} == conditions(schema, "ThingWhere")
    assert PAGES == arguments(schema, "ones")
