from collections.abc import Mapping
from typing import Any

import pytest
from graphql import get_introspection_query, parse, validate

from core.sdl import GatewaySchema, parse_gateway_schema
from core.sdl_lists import with_lists
from services.gateway.cost import ENDLESS, Cost, CostCompiler, EntryCounts, FixedCost, VariableCost

SCHEMA = parse_gateway_schema(
    """
type Query {
  product(id: Long): Product @topic(name: "products", keyArgument: "id")
  products: [Product!]! @topic(name: "products")
  some(ids: [Long!]): [Product] @topic(name: "products", keyArgument: "ids")
  sights(id: Long, low: Int, high: Int, limit: Int): [Product]
    @topic(name: "products", keyArgument: "id", rangeFrom: "low", rangeTo: "high")
  named(first: Int = 5): [Product] @topic(name: "products")
}
type Product {
  id: Long
  name: String
  tags: [String!]
  matrix: [[Int]]
  otherIds: [Long]
  others: [Product] @topic(name: "products", keyField: "otherIds")
}
"""
)


def cost_of(
    text: str, *, name: str | None = None, entries: EntryCounts | None = None, schema: GatewaySchema = SCHEMA
) -> Cost:
    document = parse(text)
    assert [] == validate(schema.definition, document)
    compiler = CostCompiler(schema.definition, schema.topic_fields, list_length=100, entry_counts=entries)
    return compiler.compiled(document)[name]


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("{ product(id: 1) { id name __typename } }", 4),
        ("{ a: product(id: 1) { id } b: product(id: 2) { id } }", 4),
        ("{ products { id name } }", 1 + 100 * 3),
        ("{ some(ids: [1, 2, 3]) { id } }", 1 + 3 * 2),
        ("{ some(ids: 1) { id } }", 1 + 2),
        ("{ some(ids: null) { id } }", 1),
        ("{ some(ids: []) { id } }", 1),
        ("{ sights(id: 1, low: 0, high: 9) { id } }", 1 + 100 * 2),
        ("{ sights(id: 1, low: 0, high: 9, limit: 7) { id } }", 1 + 7 * 2),
        ("{ sights(id: 1, low: 0, high: 9, limit: -7) { id } }", 1),
        ("{ named(first: 3) { id } }", 1 + 3 * 2),
        ("{ named { id } }", 1 + 5 * 2),
        ("{ product { tags } }", 1 + 1 + 10),
        ("{ product { matrix } }", 1 + 1 + 10 * 10),
        ("{ product { others { others { id } } } }", 1 + 1 + 10 * (1 + 1 + 10 * 2)),
        ("{ ...F ... { ...F } } fragment F on Query { product { id } }", 4),
        ("{ products @skip(if: true) { id } }", 1 + 100 * 2),
    ],
)
def test_a_cost_without_variables_is_known_before_any_request(text: str, cost: int) -> None:
    assert FixedCost(cost) == cost_of(text)


@pytest.mark.parametrize(
    ("variables", "cost"),
    [
        ({"ids": [1, 2, 3, 4]}, 1 + 4 * 2),
        ({"ids": 1}, 1 + 2),
        ({"ids": None}, 1),
        ({"ids": []}, 1),
        ({}, 1 + 2 * 2),
        ({"ids": "nonsense"}, 1 + 2),
    ],
)
def test_keys_in_a_variable_count_as_they_come(variables: Mapping[str, Any], cost: int) -> None:
    assert cost == cost_of("query ($ids: [Long!] = [7, 8]) { some(ids: $ids) { id } }").of(variables)


@pytest.mark.parametrize(
    ("limit", "elements"),
    [(7, 7), ("7", 7), (7.0, 7), (None, 100), ([], 100), ("x", 100), (-1, 0), (10**400, ENDLESS), (float("inf"), 100)],
)
def test_a_limit_in_a_variable_counts_as_far_as_it_is_a_number(limit: Any, elements: int) -> None:
    cost = cost_of("query ($n: Int) { sights(id: 1, low: 0, high: 9, limit: $n) { id } }")

    assert min(1 + elements * 2, ENDLESS) == cost.of({"n": limit})


def test_lists_below_lists_multiply() -> None:
    cost = cost_of("query ($ids: [Long!]) { some(ids: $ids) { others { id name } } products { id } }")

    assert 1 + 5 * (1 + 1 + 10 * 3) + 1 + 100 * 2 == cost.of({"ids": [0] * 5})


def test_variables_of_scalars_cost_nothing_at_a_request() -> None:
    assert FixedCost(2) == cost_of("query ($id: Long) { product(id: $id) { id } }")


def test_each_operation_has_its_own_cost_and_defaults() -> None:
    text = (
        "query A($ids: [Long!] = [1]) { ...F } query B($ids: [Long!] = [1, 2, 3]) { ...F } query C { product { id } }"
    )
    text += " fragment F on Query { some(ids: $ids) { id } }"

    assert (3, 7, 2) == (
        cost_of(text, name="A").of({}),
        cost_of(text, name="B").of({}),
        cost_of(text, name="C").fixed,
    )


def test_a_topic_whose_entries_are_counted_costs_as_many() -> None:
    counts = {"products": 2_000_000}
    known, unknown = cost_of("{ products { id } }", entries=counts.get), cost_of("{ products { id } }", entries={}.get)

    assert (None, 1 + 2_000_000 * 2) == (known.fixed, known.of({}))
    assert 1 + 100 * 2 == unknown.of({})


def test_the_literal_of_a_huge_number_is_large_and_read_by_nobody() -> None:
    document = parse("{ sights(id: 1, low: 0, high: 9, limit: " + "9" * 100_000 + ") { id } }")
    compiler = CostCompiler(SCHEMA.definition, SCHEMA.topic_fields, list_length=100)

    assert FixedCost(ENDLESS) == compiler.compiled(document)[None]


@pytest.mark.parametrize("variable", ["some(ids: $ids)", "product(id: 1)"])
def test_fragments_that_double_one_another_take_one_step_each(variable: str) -> None:
    doubling = " ".join(f"fragment F{n} on Product {{ ...F{n + 1} ... {{ ...F{n + 1} }} }}" for n in range(100))
    text = (
        f"query ($ids: [Long!]) {{ {variable} {{ ...F0 }} }} {doubling} fragment F100 on Product {{ others {{ id }} }}"
    )
    compiler = CostCompiler(SCHEMA.definition, SCHEMA.topic_fields, list_length=100)

    assert ENDLESS == compiler.compiled(parse(text))[None].of({"ids": [1]})


def test_a_list_of_a_variable_that_doubles_at_each_level_is_one_term() -> None:
    levels = 20
    doubling = " ".join(
        f"fragment F{n} on Query {{ x{n}: some(ids: $ids) {{ id }} ...F{n + 1} ... {{ ...F{n + 1} }} }}"
        for n in range(levels)
    )
    text = f"query ($ids: [Long!]) {{ ...F0 }} {doubling} fragment F{levels} on Query {{ product {{ id }} }}"
    cost = CostCompiler(SCHEMA.definition, SCHEMA.topic_fields, list_length=100).compiled(parse(text))[None]

    assert isinstance(cost, VariableCost)
    assert 1 == len(cost._terms)
    assert (2**levels - 1) + 2**levels * 2 == cost.of({"ids": []})


def test_the_introspection_query_of_tools_is_cheap_enough() -> None:
    cost = cost_of(get_introspection_query(input_value_deprecation=True), name="IntrospectionQuery")

    assert cost.fixed is not None
    assert cost.fixed < 100_000


def test_nesting_as_deep_as_the_parser_goes_exhausts_no_stack() -> None:
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(195))

    assert FixedCost(2) == cost_of(f"{{ ...F0 }} {chain} fragment F195 on Query {{ product {{ id }} }}")
    assert FixedCost(2) == cost_of("{ " + "... { " * 190 + "product { id }" + " }" * 191)


LISTS = with_lists(SCHEMA, {})

EDGES = "{ edges { cursor node { id others { id } } } pageInfo { endCursor } }"
OF_EACH = 1 + 1 + 1 + 1 + (1 + 10 * 2)
"""The edge, cursor, node, id, and the list below."""
AROUND = 1 + 1 + 1 + 1
"""The connection, its edges, pageInfo and endCursor."""


@pytest.mark.parametrize(
    ("arguments", "edges"),
    [("", 100), ("(first: 7)", 7), ("(last: 7)", 7), ("(first: 0)", 0), ("(first: null)", 100), ("(last: null)", 100)],
)
@pytest.mark.parametrize("entries", [None, {"products": 2_000_000}.get])
def test_a_connection_costs_its_edges_once_each(arguments: str, edges: int, entries: EntryCounts | None) -> None:
    text = f"{{ productsConnection{arguments} {EDGES} }}"

    assert FixedCost(AROUND + edges * OF_EACH) == cost_of(text, schema=LISTS, entries=entries)


@pytest.mark.parametrize(
    ("variables", "edges"), [({"n": 7}, 7), ({}, 100), ({"n": None}, 100), ({"m": 3}, 3), ({"n": "x"}, 100)]
)
def test_the_size_of_a_page_may_be_a_variable(variables: Mapping[str, Any], edges: int) -> None:
    text = f"query ($n: Int, $m: Int) {{ productsConnection(first: $n, last: $m) {EDGES} }}"

    assert AROUND + edges * OF_EACH == cost_of(text, schema=LISTS).of(variables)


def test_the_edges_of_a_connection_cost_the_same_in_fragments() -> None:
    fragments = "fragment P on ProductConnection { ...E ... { pageInfo { endCursor } } }"
    fragments += " fragment E on ProductConnection { edges { cursor node { id others { id } } } }"
    text = f"{{ a: productsConnection(first: 7) {{ ...P }} b: productsConnection {{ ...P }} }} {fragments}"

    assert FixedCost(2 * AROUND + 107 * OF_EACH) == cost_of(text, schema=LISTS)


def test_fragments_of_connections_that_double_one_another_take_one_step_each() -> None:
    doubling = " ".join(
        f"fragment F{n} on ProductConnection {{ ...F{n + 1} ... {{ ...F{n + 1} }} }}" for n in range(100)
    )
    end = "fragment F100 on ProductConnection { edges { cursor } }"

    text = f"{{ productsConnection {{ ...F0 }} }} {doubling} {end}"
    compiler = CostCompiler(LISTS.definition, LISTS.topic_fields, list_length=100)

    assert FixedCost(ENDLESS) == compiler.compiled(parse(text))[None]


@pytest.mark.parametrize(
    ("variables", "elements"), [({"n": 7}, 7), ({}, 2_000_000), ({"n": None}, 2_000_000), ({"m": 3}, 3)]
)
def test_a_list_without_a_limit_costs_all_that_the_topic_has(variables: Mapping[str, Any], elements: int) -> None:
    text = "query ($n: Int, $m: Int) { products(first: $n, last: $m) { id } }"

    cost = cost_of(text, schema=LISTS, entries={"products": 2_000_000}.get)
    assert 1 + elements * 2 == cost.of(variables)
    literal = cost_of("{ products(first: null) { id } }", schema=LISTS, entries={"products": 2_000_000}.get)
    assert 1 + 2_000_000 * 2 == literal.of({})
