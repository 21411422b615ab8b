import time

import pytest
from graphql import GraphQLObjectType, lexicographic_sort_schema, print_schema

from core.errors import InvalidSdlError, NotAvailableYetError, SdlProblem
from core.sdl import MAX_SDL_BYTES, MAX_SDL_TOKENS, parse_gateway_schema, topics_of

PRODUCTS = """
type Query {
  findProduct(productId: Long): Product @topic(name: "products", keyArgument: "productId")
  allProducts: [Product] @topic(name: "products")
}
type Product { id: Long!  name: String }
"""


def problems_of(sdl: str) -> list[SdlProblem]:
    with pytest.raises(InvalidSdlError) as caught:
        parse_gateway_schema(sdl)
    return caught.value.problems


def messages_of(sdl: str) -> list[str]:
    return [problem.message for problem in problems_of(sdl)]


def refusal_of(sdl: str) -> str:
    with pytest.raises(NotAvailableYetError) as caught:
        parse_gateway_schema(sdl)
    return str(caught.value)


def test_topic_fields_are_found_with_their_keys_and_places() -> None:
    schema = parse_gateway_schema(PRODUCTS)

    assert [("Query", "findProduct"), ("Query", "allProducts")] == list(schema.topic_fields)
    single = schema.topic_fields["Query", "findProduct"]
    assert ("products", "productId", None, False, False) == (
        single.topic,
        single.key_argument,
        single.key_field,
        single.is_list,
        single.reads_all,
    )
    assert (3, 41) == (single.line, single.column)
    assert schema.topic_fields["Query", "allProducts"].reads_all


def test_sdl_is_kept_as_it_was_given() -> None:
    assert PRODUCTS == parse_gateway_schema(PRODUCTS).sdl


@pytest.mark.parametrize("sdl", ["", " \n\t\n"])
def test_blank_sdl_gives_the_placeholder(sdl: str) -> None:
    schema = parse_gateway_schema(sdl)

    assert schema.definition.query_type is not None
    assert "Empty" == schema.definition.query_type.name
    assert ["dummy"] == list(schema.definition.query_type.fields)
    assert sdl == schema.sdl


@pytest.mark.parametrize("query", ["type Query", "type Query {}", "type Query { }"])
def test_an_empty_query_type_is_enough(query: str) -> None:
    schema = parse_gateway_schema(f"{query} type Product {{ id: Int }}")

    assert schema.definition.query_type is not None
    assert ["dummy"] == list(schema.definition.query_type.fields)


def test_an_empty_query_type_that_is_extended_gets_no_further_field() -> None:
    schema = parse_gateway_schema("type Query {} extend type Query { a: Int }")

    assert schema.definition.query_type is not None
    assert ["a"] == list(schema.definition.query_type.fields)


def test_a_type_other_than_query_needs_fields() -> None:
    assert ["Type Product must define one or more fields."] == messages_of("type Query { a: Int } type Product {}")


def test_query_type_is_mandatory() -> None:
    assert [SdlProblem("A Query type is mandatory. Add one, for example: type Query { … }")] == problems_of(
        "type Product { id: Int }"
    )


def test_root_types_can_have_other_names() -> None:
    schema = parse_gateway_schema(
        'schema { query: Root } type Root { a(k: Int): String @topic(name: "t", keyArgument: "k") }'
    )

    assert [("Root", "a")] == list(schema.topic_fields)


def test_built_ins_may_be_declared_again() -> None:
    declared = """
    directive @topic(name: String!, keyArgument: String) on FIELD_DEFINITION
    directive @rest(url: String!) on FIELD_DEFINITION
    enum RestDirectiveMethod { GET POST PUT }
    scalar Long
    """

    schema = parse_gateway_schema(declared + PRODUCTS)

    plain = parse_gateway_schema(PRODUCTS)
    assert print_schema(lexicographic_sort_schema(plain.definition)) == print_schema(
        lexicographic_sort_schema(schema.definition)
    )


def test_places_count_in_the_users_text_though_built_ins_are_added() -> None:
    problems = problems_of("type Query {\n  a: Int\n  b: Strin\n}")

    assert [SdlProblem("Unknown type 'Strin'. Did you mean 'String'?", 3, 6)] == problems


def test_another_kind_under_a_built_in_name_is_refused_at_the_users_place() -> None:
    assert [SdlProblem("There can be only one type named 'Long'.", 1, 29)] == problems_of(
        "type Query { a: Long } type Long { x: Int }"
    )


def test_all_problems_are_told_at_once_in_the_order_of_the_text() -> None:
    problems = problems_of(
        """
type Query {
  one: Missing
  two: Int @topic(name: "t")
  three(k: Int): Int @topic(name: "t", keyArgument: "other")
  four: Int @unknown
}
type Query { five: Int }
""".lstrip()
    )

    assert [
        (2, "Unknown type 'Missing'."),
        (
            3,
            (
                "When the return type is not a list for a non-mutation and non-subscription type, "
                "key information (keyArgument or keyField) is needed."
            ),
        ),
        (4, "Key argument has to be identical to the input name."),
        (5, "Unknown directive '@unknown'."),
        (7, "There can be only one type named 'Query'."),
    ] == [(problem.line, problem.message) for problem in problems]


def test_error_text_has_one_line_per_problem() -> None:
    with pytest.raises(InvalidSdlError) as caught:
        parse_gateway_schema("type Query { a: X b: Y }")

    assert (
        "Could not parse GraphQL schema: - Unknown type 'X'. (line 1, column 17)\n"
        "- Unknown type 'Y'. (line 1, column 22)" == str(caught.value)
    )


def test_syntax_error_names_its_place() -> None:
    assert [SdlProblem("Syntax Error: Expected Name, found ')'.", 2, 4)] == problems_of("type Query {\n a()\n}")


def test_a_comment_at_the_end_hides_nothing() -> None:
    schema = parse_gateway_schema("# first\ntype Query { a: Int # a comment\n b: Int }")

    assert schema.definition.query_type is not None
    assert ["a", "b"] == list(schema.definition.query_type.fields)


@pytest.mark.parametrize(
    ("sdl", "message"),
    [
        ("type Query { a: X } input X { b: Int }", "X is an input type, and a field returns only"),
        (
            "type Query { a(x: Y): Int } type Y { a: Int }",
            "Y is an output type, and an argument or input field takes only scalars, enums and inputs.",
        ),
        ("type Query { a: U } union U = Int", "Int is no object type, and a union has only those."),
        ("type Query { a: Int } union U extend union U = U", "U is no object type, and a union has only"),
        (
            "type Query implements Y { a: Int } type Y { a: Int }",
            "Y is no interface, and only those are implemented.",
        ),
        (
            "type Query { a: Int } type Int { a: String }",
            "Int is a scalar that GraphQL itself defines. Choose another name for this type.",
        ),
        ("type Query { a: Int } { a }", "A schema holds definitions only. Remove this operation."),
        ("type Query { a: Int } fragment F on Query { a }", "definitions only. Remove this fragment."),
        ('type Query { a(x: Int = "s"): Int }', "The default value of x does not fit its type Int."),
        (
            "type Query { a(i: I): Int } input I { e: E = B } enum E { A }",
            "The default value of e does not fit its type E.",
        ),
        ("type Query { a: Int @deprecated(reason: 5) }", "Argument 'reason' has invalid value 5."),
        ("type Query { a: Int @topic(name: 5) }", "Argument 'name' has invalid value 5."),
        (
            "type Query { a: Int @topic }",
            "Directive '@topic' argument 'name' of type 'String!' is required, but it was not provided.",
        ),
        (
            "type Query { a: Int } input I { i: I! }",
            "Cannot reference Input Object 'I' within itself through a series of non-null fields: 'i'.",
        ),
    ],
)
def test_what_graphql_core_would_let_pass_is_told_with_its_place(sdl: str, message: str) -> None:
    problem = problems_of(sdl)[0]

    assert message in problem.message
    assert 1 == problem.line


def test_too_long_sdl_is_refused_before_it_is_read() -> None:
    sdl = "type Query { a: Int }" + " " * MAX_SDL_BYTES

    assert [f"The schema has {len(sdl)} bytes, and 1000000 are allowed. Split it into gateways."] == messages_of(sdl)


def test_a_lone_surrogate_is_a_problem_and_no_crash() -> None:
    assert 1 == len(messages_of("type Query { a: Int } \ud800"))


@pytest.mark.parametrize(
    "sdl",
    [
        "type Query { a: " + "[" * 90_000,
        "type Query { a(b: Int = " + "[" * 90_000,
        "type Query { a(b: Int = " + "{a:" * 30_000,
        "type Query { " + "a:Int " * MAX_SDL_TOKENS,
        "#\n" * (MAX_SDL_TOKENS + 1) + "type Query { a: Int }",
    ],
)
def test_hostile_sdl_is_refused_quickly(sdl: str) -> None:
    started = time.monotonic()

    assert problems_of(sdl)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("sdl", "part"),
    [
        (
            'type Query { a: Int }\ntype Subscription { news: String @topic(name: "p") }',
            "line 2: subscriptions (type Subscription)",
        ),
        (
            "type Query { a: I }\ninterface I { a: Int }\ntype X implements I { a: Int }",
            "line 2: the interface I",
        ),
        ("type Query { a: U }\nunion U = P\ntype P { a: Int }", "line 2: the union U"),
        ("type Query { a: Date }\nscalar Date", "line 2: the scalar Date"),
    ],
)
def test_what_cannot_be_served_yet_is_named_with_its_line(sdl: str, part: str) -> None:
    assert part in refusal_of(sdl)


def test_all_that_cannot_be_served_yet_is_named() -> None:
    refusal = refusal_of("scalar B scalar A type Query { a: A b: B } type Subscription { c: Int }")

    assert all(part in refusal for part in ("the scalar A", "the scalar B", "subscriptions"))


def test_rules_are_checked_before_availability() -> None:
    assert ["Mutation requires two input arguments"] == messages_of(
        'type Query { a: Int } type Mutation { set(id: Int): Int @topic(name: "p") }'
    )


def test_a_mutation_without_topic_is_served() -> None:
    schema = parse_gateway_schema("type Query { a: Int } type Mutation { nothing: Int }")

    assert schema.definition.mutation_type is not None


def test_topics_are_named_once_in_order() -> None:
    sdl = 'type Query { a: [Int] @topic(name: "z") b: [Int] @topic(name: "a") c: [Int] @topic(name: "z") }'

    assert ("a", "z") == topics_of(parse_gateway_schema(sdl))


def test_extensions_count() -> None:
    schema = parse_gateway_schema('type Query { a: Int }\nextend type Query { b: [Int] @topic(name: "t") }')

    assert [("Query", "b")] == list(schema.topic_fields)
    query = schema.definition.type_map["Query"]
    assert isinstance(query, GraphQLObjectType)
    assert ["a", "b"] == list(query.fields)
