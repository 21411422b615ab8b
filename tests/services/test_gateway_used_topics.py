"""Which topics an operation reads and writes, as its document tells."""

from __future__ import annotations

import pytest
from graphql import parse

from core.sdl import parse_gateway_schema
from core.sdl_lists import with_lists
from services.gateway.used_topics import UsedTopics, used_topics

SDL = """
type Query {
  product(id: Long): Product @topic(name: "products", keyArgument: "id")
  names: [String] @topic(name: "names")
  plain: Product
}
type Mutation {
  setProduct(id: Long, product: NewProduct): Product @topic(name: "products")
  setName(id: Long, name: String): String @topic(name: "names")
  nothing: Int
}
input NewProduct { name: String }
type Product { name: String  maker: Maker @topic(name: "makers", keyField: "name")  similar: Product }
type Maker { name: String  products: [Product] }
"""


def used(query: str, name: str | None = None) -> tuple[set[str], set[str]]:
    found = used_topics(parse_gateway_schema(SDL), parse(query), name)
    return set(found.read), set(found.written)


@pytest.mark.parametrize(
    ("query", "read", "written"),
    [
        ("{ names }", {"names"}, set()),
        ("{ plain { name } }", set(), set()),
        ("{ plain { similar { maker { name } } } names }", {"makers", "names"}, set()),
        ("{ __schema { types { name } } __typename }", set(), set()),
        ("mutation { nothing }", set(), set()),
        ("mutation { setName(id: 1) }", set(), {"names"}),
        ("mutation { a: setName(id: 1) setProduct(id: 1) { maker { name } } }", {"makers"}, {"names", "products"}),
        ("mutation { ...F } fragment F on Mutation { ... on Mutation { setName } }", set(), {"names"}),
        ("mutation ($no: Boolean = false) { setName @include(if: $no) }", set(), {"names"}),
        (
            "{ product { ...F } } fragment F on Product { ...G } fragment G on Product { maker { name } }",
            {"products", "makers"},
            set(),
        ),
    ],
)
def test_topics_are_found_wherever_they_are_used(query: str, read: set[str], written: set[str]) -> None:
    assert (read, written) == used(query)


def test_a_connection_reads_the_topic_of_its_list() -> None:
    schema = with_lists(parse_gateway_schema(SDL), {})

    assert {"names"} == used_topics(schema, parse("{ namesConnection { pageInfo { endCursor } } }"), None).read


def test_only_the_named_operation_counts() -> None:
    document = "query A { names } mutation B { setProduct { name } }"

    assert ({"names"}, set()) == used(document, "A")
    assert (set(), {"products"}) == used(document, "B")
    assert (set(), set()) == used(document, "C")
    assert (set(), set()) == used(document)


def test_a_mutation_that_a_query_reaches_counts_as_written() -> None:
    sdl = 'type Query { way: Mutation } type Mutation { set(key: Long, value: Long): Long @topic(name: "t") }'

    assert UsedTopics(frozenset(), frozenset({"t"})) == used_topics(
        parse_gateway_schema(sdl), parse("{ way { set } }"), None
    )


def test_fragments_that_use_each_other_are_walked_once() -> None:
    levels = 60
    fragments = [
        f"fragment F{n} on Product {{ a{n}: similar {{ ...F{n + 1} }} b{n}: similar {{ ...F{n + 1} }} }}"
        for n in range(levels)
    ]
    last = f"fragment F{levels} on Product {{ maker {{ name }} }}"

    assert ({"makers"}, set()) == used("{ plain { ...F0 } } " + " ".join([*fragments, last]))
