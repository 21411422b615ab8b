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

MANY_FIELDS = " ".join(f"f{n}: Int" for n in range(10_000))
FIELDS_OF_ONE_INTERFACE = f"interface I {{ {MANY_FIELDS} }} type T implements I {{ a: Int }}"
DOUBLING_DEFAULTS = "input I30 { a: Int } " + " ".join(
    f"input I{n} {{ i: I{n + 1} = {{}} j: I{n + 1} = {{}} }}" for n in range(30)
)


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
        "type Query { a: Int " + '@topic(name: "t") ' * 10_000 + "}",
        "type Query { a: Int " + "@deprecated " * 10_000 + "}",
        "type Query { " + " ".join(f"a{n}: Missing{n}" for n in range(10_000)) + "}",
        "type Query { " + " ".join(f"a{n}: Int @topic(name: 5)" for n in range(5_000)) + "}",
        "type Query { a: Int } type Mutation { " + " ".join(f"a{n}: Int @topic" for n in range(5_000)) + "}",
        "type Query { a(b: BigInt = " + "1" * 900_000 + "): Int }",
        "type Query { a(b: [Int] = [" + "1 " * 20_000 + "]): Int }",
        "type Query { a(b: JSON = " + "[" * 100 + "]" * 100 + "): Int }",
        "type Query { a: Int } " + FIELDS_OF_ONE_INTERFACE,
        "type Query { a: Int } " + DOUBLING_DEFAULTS,
        "type Query { a: Int } input A { b: B = {} } input B { a: A = {} }",
        "type Query { a: Int } " + " ".join(f"input I{n} {{ i: I{(n + 1) % 1000}! }}" for n in range(1000)),
        "type Query { a: Int } interface A implements B { a: Int } interface B implements A { a: Int }",
    ],
    ids=range(18),
)
def test_hostile_sdl_is_refused_quickly(sdl: str) -> None:
    started = time.monotonic()

    assert problems_of(sdl)
    assert time.monotonic() - started < 20


def test_what_cannot_be_served_yet_is_named_with_its_line() -> None:
    sdl = 'type Query { a: Int }\ntype Subscription { news: String @topic(name: "p") }'

    assert "line 2: subscriptions (type Subscription)" in refusal_of(sdl)


def test_rules_are_checked_before_availability() -> None:
    assert ["Kafka subscription must not return a list type"] == messages_of(
        'type Query { a: Int } type Subscription { news: [String] @topic(name: "p") }'
    )


def test_a_mutation_of_a_topic_is_served() -> None:
    schema = parse_gateway_schema('type Query { a: Int } type Mutation { set(k: Int, v: Int): Int @topic(name: "p") }')

    assert schema.definition.mutation_type is not None
    assert [("Mutation", "set")] == list(schema.topic_fields)


def test_topics_are_named_once_in_order() -> None:
    sdl = 'type Query { a: [Int] @topic(name: "z") b: [Int] @topic(name: "a") c: [Int] @topic(name: "z") }'

    assert ("a", "z") == topics_of(parse_gateway_schema(sdl))


def test_extensions_count() -> None:
    schema = parse_gateway_schema('type Query { a: Int }\nextend type Query { b: [Int] @topic(name: "t") }')

    assert [("Query", "b")] == list(schema.topic_fields)
    query = schema.definition.type_map["Query"]
    assert isinstance(query, GraphQLObjectType)
    assert ["a", "b"] == list(query.fields)


def test_a_hundred_problems_are_told_at_most() -> None:
    messages = messages_of("type Query { " + " ".join(f"a{n}: X{n}" for n in range(1000)) + "}")

    assert ["Unknown type 'X0'.", "Unknown type 'X1'."] == messages[:2]
    assert 101 == len(messages)
    assert "There are more problems, which are not shown. Correct these first." == messages[-1]


def test_types_may_refer_to_one_another_over_many_steps() -> None:
    chain = " ".join(f"type T{n} {{ next: T{n + 1} }}" for n in range(500))

    assert "T500" in parse_gateway_schema(f"type Query {{ a: T0 }} {chain} type T500 {{ a: Int }}").definition.type_map


@pytest.mark.parametrize(
    ("scalar", "default"),
    [("DateTime", '"yesterday"'), ("Decimal", '"x"'), ("Long", "1.5"), ("UUID", "5"), ("[Date]", '["2025-02-30"]')],
)
def test_a_default_fits_the_scalars_that_are_built_in(scalar: str, default: str) -> None:
    assert [f"The default value of x does not fit its type {scalar}."] == messages_of(
        f"type Query {{ a(x: {scalar} = {default}): Int }}"
    )


@pytest.mark.parametrize("default", ["[1]", "{a: 1}"])
def test_a_default_that_introspection_could_not_show_is_refused(default: str) -> None:
    assert ["The default value of x of type Any cannot be shown to tools"] == [
        message.partition(":")[0] for message in messages_of(f"type Query {{ a(x: Any = {default}): Int }} scalar Any")
    ]


@pytest.mark.parametrize("scalar", ["BigInt", "Decimal", "DateTime", "Date", "Time", "UUID", "JSON", "Bytes"])
def test_built_in_scalars_need_no_declaration_and_are_there_only_where_they_are_used(scalar: str) -> None:
    assert scalar not in parse_gateway_schema("type Query { a: Int }").definition.type_map
    for sdl in (
        f"type Query {{ a: [{scalar}!] }}",
        f"type Query {{ a(b: {scalar}): Int }}",
        f"type Query {{ a: Int }} input I {{ a: {scalar} }}",
        f"type Query {{ a: Int }} interface I {{ a: {scalar} }}",
        f"type Query {{ a: {scalar} }} scalar {scalar}",
    ):
        assert scalar in parse_gateway_schema(sdl).definition.type_map


def test_a_type_of_the_user_hides_a_built_in_scalar() -> None:
    date = parse_gateway_schema("type Query { a: Date } type Date { day: Int }").definition.type_map["Date"]

    assert isinstance(date, GraphQLObjectType)
