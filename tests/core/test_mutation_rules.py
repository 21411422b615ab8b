import pytest

from core.errors import InvalidSdlError
from core.sdl import parse_gateway_schema

TYPES = """
type Query { a: Int }
input P { id: Int } type Product { id: Int } interface Thing { id: Int } union Any = Product
enum Color { RED } scalar Money
"""

BROKEN = {
    "key field": (
        'set(k: Int, v: Int): Int @topic(name: "t", keyField: "set")',
        "A mutation takes its key from its first argument, k. Remove keyField.",
    ),
    "key argument that is the second one": (
        'set(v: Int, k: Int): Int @topic(name: "t", keyArgument: "k")',
        "A mutation takes its key from its first argument. Let keyArgument be v, or leave it out.",
    ),
    "one value for many keys": (
        'set(k: [Int!]!, v: Int): Int @topic(name: "t")',
        "A mutation writes as many records as it has keys. Let both k and v be lists, or none of them.",
    ),
    "many values for one key": (
        'set(k: Int, v: [P!]): [Product] @topic(name: "t")',
        "A mutation writes as many records as it has keys. Let both k and v be lists, or none of them.",
    ),
    "lists of lists": (
        'set(k: [[Int]], v: [[Int]]): [[Int]] @topic(name: "t")',
        "A mutation writes one record or a list of them. Let k and v be no lists of lists.",
    ),
    "one result of many records": (
        'set(k: [Int], v: [P]): Product @topic(name: "t")',
        "The mutation writes a list of records. Let it return a list of them.",
    ),
    "many results of one record": (
        'set(k: Int, v: P): [Product] @topic(name: "t")',
        "The mutation writes one record. Let it return no list.",
    ),
    "a scalar in return for a record": (
        'set(k: Int, v: P!): Boolean @topic(name: "t")',
        "A mutation returns what it has written. Let it return an object type like P, not Boolean.",
    ),
    "an enum in return for a record": (
        'set(k: Int, v: P!): Color @topic(name: "t")',
        "A mutation returns what it has written. Let it return an object type like P, not Color.",
    ),
    "a record in return for a scalar": (
        'set(k: Int, v: Money): Product @topic(name: "t")',
        "A mutation returns what it has written. Let it return Money, not Product.",
    ),
    "a union in return for an enum": (
        'set(k: Int, v: Color!): Any @topic(name: "t")',
        "A mutation returns what it has written. Let it return Color, not Any.",
    ),
}

KEPT = [
    'set(k: Int, v: P): Product @topic(name: "t")',
    'set(k: Int!, v: P!): Product! @topic(name: "t", keyArgument: "k")',
    'set(k: P, v: P): Any @topic(name: "t")',
    'set(k: ID!, v: Color): Color @topic(name: "t")',
    'set(k: ID!, v: Int): Long @topic(name: "t")',
    'set(k: [ID!]!, v: [P!]!): [Product!] @topic(name: "t")',
    'set(k: [ID], v: [String]): [String]! @topic(name: "t")',
]


def messages_of(field: str) -> list[str]:
    try:
        parse_gateway_schema(f"{TYPES} type Mutation {{ {field} }}")
    except InvalidSdlError as error:
        return [problem.message for problem in error.problems]
    return []


@pytest.mark.parametrize(("field", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_is_told_in_its_words(field: str, message: str) -> None:
    assert [message] == messages_of(field)


@pytest.mark.parametrize("field", KEPT)
def test_nothing_is_told_where_all_rules_are_kept(field: str) -> None:
    assert [] == messages_of(field)


def test_a_type_that_nothing_defines_is_told_once() -> None:
    assert ["Unknown type 'Missing'."] == messages_of('set(k: Int, v: Missing): Product @topic(name: "t")')


def test_the_place_is_that_of_the_directive() -> None:
    with pytest.raises(InvalidSdlError) as caught:
        parse_gateway_schema('type Query { a: Int }\ntype Mutation { a(k: Int, v: Int): [Int] @topic(name: "t") }')

    assert [(2, 42)] == [(problem.line, problem.column) for problem in caught.value.problems]
