"""What a new schema does to those who use the old one."""

from __future__ import annotations

import dataclasses

import pytest
from graphql import build_schema, find_breaking_changes

from core.directives import BUILT_IN_SDL
from core.sdl import GatewaySchema, parse_gateway_schema
from core.sdl_changes import Severity, breaking, changes, own_types

BREAKING, DANGEROUS, SAFE = Severity

Q = "type Query { a(x: Int, c: Color, i: In): T  c: Color } "
T = "type T { n: Int  m(k: Int): Int } "
COLOR = "enum Color { RED GREEN } "
IN = "input In { f: Int  g: Int = 1 } "
SAME = Q + T + COLOR + IN

ONE = 'type Query { p(id: Int, key: Int): Int @topic(name: "a", keyArgument: "id") }'

BREAKING_TABLE = [
    (SAME, SAME.replace("  c: Color }", "}"), "Query.c", "Field Query.c was removed."),
    (SAME, SAME.replace("n: Int ", "n: Long "), "T.n", "Field T.n was of type Int, and is of type Long."),
    (SAME.replace("n: Int ", "n: Int! "), SAME, "T.n", "Field T.n was of type Int!, and is of type Int."),
    (SAME, SAME.replace("n: Int ", "n: [Int] "), "T.n", "Field T.n was of type Int, and is of type [Int]."),
    (SAME, SAME.replace("m(k: Int)", "m"), "T.m(k:)", "Argument k of T.m was removed."),
    (SAME, SAME.replace("m(k: Int)", "m(k: Int, l: Int!)"), "T.m(l:)", "Required argument l of T.m was added."),
    (
        SAME,
        SAME.replace("m(k: Int)", "m(k: Int!)"),
        "T.m(k:)",
        "Argument k of T.m was of type Int, and is of type Int!.",
    ),
    (SAME, SAME.replace(" GREEN", ""), "Color.GREEN", "Value GREEN of Color was removed."),
    (SAME, SAME.replace("f: Int ", ""), "In.f", "Field In.f was removed."),
    (SAME, SAME.replace("f: Int ", "f: Int  h: Int! "), "In.h", "Required field In.h was added."),
    (SAME, SAME.replace("f: Int ", "f: String "), "In.f", "Field In.f was of type Int, and is of type String."),
    (SAME + "type U { b: Int }", SAME, "U", "Type U was removed."),
    (SAME + "type U { b: Int }", SAME + "enum U { B }", "U", "U was an object type, and is an enum."),
    (
        "type Query { a: Int } type R { a: Int }",
        "schema { query: R } type Query { a: Int } type R { a: Int }",
        "schema",
        "The root of each query is R now, and was Query.",
    ),
    (
        'schema { query: Query mutation: M } type Query { a: Int } type M { a: Int @rest(url: "http://a") }',
        'schema { query: Query } type Query { a: Int } type M { a: Int @rest(url: "http://a") }',
        "schema",
        "Type M is no longer the root of each mutation, and nothing is in its place.",
    ),
]

OTHERS_TABLE = [
    (SAME, SAME.replace("RED GREEN", "RED GREEN BLUE"), DANGEROUS, "Color.BLUE"),
    (SAME, SAME.replace("g: Int = 1", "g: Int = 2"), DANGEROUS, "In.g"),
    (SAME, SAME.replace("m(k: Int)", "m(k: Int = 3)"), DANGEROUS, "T.m(k:)"),
    (ONE, ONE.replace('"a"', '"b"'), DANGEROUS, "Query.p"),
    (ONE, ONE.replace('keyArgument: "id"', 'keyArgument: "key"'), DANGEROUS, "Query.p"),
    (ONE, ONE[: ONE.index("@")] + "}", DANGEROUS, "Query.p"),
    (ONE[: ONE.index("@")] + "}", ONE, DANGEROUS, "Query.p"),
    (SAME, SAME + "type U { b: Int }", SAFE, "U"),
    (SAME, SAME.replace("n: Int ", "n: Int  o: Int "), SAFE, "T.o"),
    (SAME, SAME.replace("n: Int ", "n: Int! "), SAFE, "T.n"),
    (SAME, SAME.replace("m(k: Int)", "m(k: Int, l: Int)"), SAFE, "T.m(l:)"),
    (SAME, SAME.replace("m(k: Int)", "m(k: Int, l: Int! = 1)"), SAFE, "T.m(l:)"),
    (SAME.replace("m(k: Int)", "m(k: Int!)"), SAME, SAFE, "T.m(k:)"),
    (SAME, SAME.replace("f: Int ", "f: Int  h: Int! = 1 "), SAFE, "In.h"),
    (SAME, SAME.replace("n: Int ", '"How many." n: Int '), SAFE, "T.n"),
    (SAME, SAME.replace("type T", '"A thing." type T'), SAFE, "T"),
    (SAME, SAME.replace("n: Int ", 'n: Int @deprecated(reason: "old") '), SAFE, "T.n"),
    (SAME.replace("n: Int ", "n: Int @deprecated "), SAME, SAFE, "T.n"),
    (SAME, SAME.replace("RED ", "RED @deprecated "), SAFE, "Color.RED"),
    (
        "type Query { a(c: Color): Int } enum Color { RED }",
        "type Query { a(c: Color): Int } enum Color { RED BLUE }",
        SAFE,
        "Color.BLUE",
    ),
]


def built(sdl: str) -> GatewaySchema:
    """Return a schema of any content, whether a gateway can serve all of it or not."""
    definition = build_schema(BUILT_IN_SDL + sdl, assume_valid=True)
    return dataclasses.replace(parse_gateway_schema(""), definition=definition)


def parsed(sdl: str) -> GatewaySchema:
    return parse_gateway_schema(sdl)


@pytest.mark.parametrize(("old", "new", "coordinate", "text"), BREAKING_TABLE)
def test_what_breaks_operations_is_told_with_the_way_out(old: str, new: str, coordinate: str, text: str) -> None:
    (found,) = changes(parsed(old), parsed(new))
    assert (BREAKING, coordinate, text) == (found.severity, found.coordinate, found.text)
    assert found.way_out.endswith(".")


@pytest.mark.parametrize(("old", "new", "severity", "coordinate"), OTHERS_TABLE)
def test_what_breaks_nothing_is_dangerous_or_safe(old: str, new: str, severity: Severity, coordinate: str) -> None:
    (found,) = changes(parsed(old), parsed(new))
    assert (severity, coordinate, "") == (found.severity, found.coordinate, found.way_out)
    assert coordinate.partition("(")[0].rpartition(".")[2] in found.text


@pytest.mark.parametrize(
    ("old", "new"),
    [row[:2] for row in BREAKING_TABLE if row[2] != "schema"] + [row[:2] for row in OTHERS_TABLE],
)
def test_what_breaks_is_what_graphql_itself_calls_breaking(old: str, new: str) -> None:
    before, after = parsed(old), parsed(new)
    theirs = find_breaking_changes(before.definition, after.definition)
    assert len(theirs) == len(breaking(changes(before, after)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (SAME, SAME),
        (SAME, IN + COLOR + T + Q + "# Another order, and a comment."),
        (ONE, ONE.replace("@topic(", "@topic(keyField: null, ")),
        ("type Query {}", "type Query { }"),
    ],
)
def test_what_is_the_same_is_no_change(old: str, new: str) -> None:
    assert [] == changes(parsed(old), parsed(new))


def test_what_was_filled_otherwise_says_how() -> None:
    (found,) = changes(parsed(ONE), parsed(ONE.replace('"a", keyArgument: "id"', '"b", keyArgument: "key"')))
    expected = 'Query.p is filled otherwise by @topic: name was "a" and is "b", keyArgument was "id" and is "key".'
    assert expected == found.text


def test_the_field_that_an_empty_query_is_given_is_nobodys() -> None:
    empty, filled = parsed("type Query {}"), parsed("type Query { a: Int }")
    assert [(SAFE, "Query.a")] == [(change.severity, change.coordinate) for change in changes(empty, filled)]
    assert [(BREAKING, "Query.a")] == [(change.severity, change.coordinate) for change in changes(filled, empty)]


def test_without_a_schema_before_every_type_is_new() -> None:
    found = changes(None, parsed(SAME))
    assert [(SAFE, name) for name in ("Color", "In", "Query", "T")] == [
        (change.severity, change.coordinate) for change in found
    ]


ABSTRACT = """
type Query { n: Node  u: U }
interface Node { id: ID }
type A implements Node { id: ID }
type B { id: ID }
type C implements Node { id: ID  b: B }
union U = A | C
"""


@pytest.mark.parametrize(
    ("old", "new", "severity", "text"),
    [
        ("type A implements Node {", "type A {", BREAKING, "A no longer implements Node."),
        ("U = A | C", "U = A", BREAKING, "C is no longer one of U."),
        (
            "type B {",
            "type B implements Node {",
            DANGEROUS,
            "B implements Node now: fields of that type may return it.",
        ),
        ("U = A | C", "U = A | B | C", DANGEROUS, "B is one of U now: clients may not expect it."),
        ("n: Node", 'n: Node @rest(url: "http://a")', DANGEROUS, 'Query.n is filled by @rest(url: "http://a") now.'),
    ],
)
def test_members_and_sources_of_every_kind_are_compared(old: str, new: str, severity: Severity, text: str) -> None:
    (found,) = changes(built(ABSTRACT), built(ABSTRACT.replace(old, new)))
    assert (severity, text) == (found.severity, found.text)


def test_a_rest_service_elsewhere_is_dangerous_and_a_default_written_out_is_nothing() -> None:
    sdl = 'type Query { a: Int @rest(url: "http://a") }'
    (found,) = changes(built(sdl), built(sdl.replace('"http://a"', '"http://b", httpMethod: POST')))
    expected = 'Query.a is filled otherwise by @rest: url was "http://a" and is "http://b", '
    assert (DANGEROUS, expected + "httpMethod was not given and is POST.") == (found.severity, found.text)
    assert [] == changes(built(sdl), built(sdl.replace('"http://a"', '"http://a", httpMethod: GET')))


def test_the_worst_comes_first_and_the_order_is_always_the_same() -> None:
    new = SAME.replace("n: Int ", "o: Int ").replace("RED GREEN", "GREEN BLUE").replace("x: Int, ", "")
    found = changes(parsed(SAME), parsed(new))
    assert [
        (BREAKING, "Color.RED"),
        (BREAKING, "Query.a(x:)"),
        (BREAKING, "T.n"),
        (DANGEROUS, "Color.BLUE"),
        (SAFE, "T.o"),
    ] == [(change.severity, change.coordinate) for change in found]
    assert found == changes(parsed(SAME), parsed(new))


def test_a_scalar_that_is_built_in_is_no_type_of_the_user() -> None:
    assert {"Query"} == own_types(parse_gateway_schema("type Query { a: DateTime }").definition).keys()
    assert {"Query", "Date"} == own_types(parse_gateway_schema("type Query { a: Date } scalar Date").definition).keys()
