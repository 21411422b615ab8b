from collections.abc import Mapping
from typing import Any

import pytest
from graphql import get_introspection_query, parse, validate

from core.sdl import parse_gateway_schema
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


def cost_of(text: str, *, name: str | None = None, entries: EntryCounts | None = None) -> Cost:
    document = parse(text)
    assert [] == validate(SCHEMA.definition, document)
    compiler = CostCompiler(SCHEMA.definition, SCHEMA.topic_fields, list_length=100, entry_counts=entries)
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
