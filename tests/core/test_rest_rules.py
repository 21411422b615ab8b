import pytest

from core.errors import InvalidSdlError, SdlProblem
from core.rest_fields import RestField, RestMethod
from core.rest_urls import RestUrl
from core.sdl import GatewaySchema, parse_gateway_schema, topics_of
from core.write_types import write_type

INPUTS = " input Order { id: Int } enum Color { RED } type P { a: Int }"
URL = 'url: "http://x"'
NOT_ABSOLUTE = (
    "The url of the rest directive cannot be used: it is not absolute. Begin it with http:// or https:// and a host."
)

BROKEN = {
    "in path and query": (
        f'type Query {{ f(a: Int, b: Int): P @rest({URL}, pathParameter: ["a", "b"], queryParameter: ["b", "a"]) }}',
        ["The argument(s) a,b can't be used in multiple parameters"],
    ),
    "in query and body": (
        f'type Query {{ f(a: Order): P @rest({URL}, queryParameter: "a", bodyParameter: "a", httpMethod: POST) }}',
        ["The argument(s) a can't be used in multiple parameters"],
    ),
    "body of a GET": (
        f'type Query {{ f(a: Order): P @rest({URL}, bodyParameter: "a") }}',
        ["A body parameter is only supported for POST requests"],
    ),
    "body that is no argument": (
        f'type Query {{ f(a: Order): P @rest({URL}, bodyParameter: "b", httpMethod: POST) }}',
        ["Field for body parameter b not found"],
    ),
    "scalar body": (
        f'type Query {{ f(a: String): P @rest({URL}, bodyParameter: "a", httpMethod: POST) }}',
        ["The type of the body parameter must not be a scalar"],
    ),
    "non-null scalar body": (
        f'type Query {{ f(a: Long!): P @rest({URL}, bodyParameter: "a", httpMethod: POST) }}',
        ["The type of the body parameter must not be a scalar"],
    ),
    "unknown path argument": (
        f'type Query {{ f(a: Int): P @rest({URL}, pathParameter: ["a", "b"]) }}',
        ["Argument b specified as parameter but not found"],
    ),
    "unknown query arguments": (
        f'type Query {{ f: P @rest({URL}, queryParameter: ["a", "b", "a"]) }}',
        ["Argument a specified as parameter but not found", "Argument b specified as parameter but not found"],
    ),
    "address that is not absolute": (
        'type Query { f: P @rest(url: "x") }',
        [NOT_ABSOLUTE],
    ),
    "with a topic": (
        f'type Query {{ f: [P] @topic(name: "t") @rest({URL}) }}',
        ["A field is filled either from a topic or by REST. Remove one of its directives topic and rest."],
    ),
    "method that does not exist": (
        f"type Query {{ f: P @rest({URL}, httpMethod: PUT) }}",
        ["Argument 'httpMethod' has invalid value PUT."],
    ),
    "parameter that is no text": (
        f"type Query {{ f: P @rest({URL}, pathParameter: [1]) }}",
        ["Argument 'pathParameter' has invalid value [1]."],
    ),
    "subscription": (
        f"type Query {{ q: Int }} type Subscription {{ f: P @rest({URL}) }}",
        ["A subscription follows a topic, not a REST service. Use the rest directive on a query or below it."],
    ),
    "several rules": (
        'type Query { f(a: Int): P @rest(url: "", pathParameter: ["a"], bodyParameter: "a", queryParameter: "z") }',
        [
            NOT_ABSOLUTE,
            "The argument(s) a can't be used in multiple parameters",
            "A body parameter is only supported for POST requests",
            "The type of the body parameter must not be a scalar",
            "Argument z specified as parameter but not found",
        ],
    ),
}

KEPT = {
    "list": f"type Query {{ f: [P!]! @rest({URL}) }}",
    "scalar": f"type Query {{ f: Int @rest({URL}) }}",
    "enum": f"type Query {{ f: Color @rest({URL}) }}",
    "mutation": f"type Query {{ q: Int }} type Mutation {{ f(a: Int): P @rest({URL}, httpMethod: POST) }}",
    "list of scalars as body": (f'type Query {{ f(a: [Int]): P @rest({URL}, bodyParameter: "a", httpMethod: POST) }}'),
    "enum as body": f'type Query {{ f(a: Color): P @rest({URL}, bodyParameter: "a", httpMethod: POST) }}',
    "extension": f"type Query {{ q: Int }} extend type Query {{ f: P @rest({URL}) }}",
}


def parsed(sdl: str) -> GatewaySchema:
    return parse_gateway_schema(sdl + INPUTS)


def problems_of(sdl: str) -> list[SdlProblem]:
    with pytest.raises(InvalidSdlError) as caught:
        parsed(sdl)
    return caught.value.problems


def assigned(sdl: str) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    field = parsed(sdl).rest_fields["Query", "f"]
    return field.path, field.query, field.body


@pytest.mark.parametrize(("sdl", "messages"), BROKEN.values(), ids=BROKEN)
def test_every_broken_rule_is_told_in_its_words(sdl: str, messages: list[str]) -> None:
    assert sorted(messages) == sorted(problem.message for problem in problems_of(sdl))


@pytest.mark.parametrize("sdl", KEPT.values(), ids=KEPT)
def test_nothing_is_told_where_all_rules_are_kept(sdl: str) -> None:
    assert 1 == len(parsed(sdl).rest_fields)


def test_a_scalar_of_the_schema_is_a_scalar_too() -> None:
    sdl = f'scalar Code type Query {{ f(a: Code): P @rest({URL}, bodyParameter: "a", httpMethod: POST) }}'

    assert ["The type of the body parameter must not be a scalar"] == [problem.message for problem in problems_of(sdl)]


def test_problems_of_several_fields_are_told_at_once_at_the_place_of_the_directive() -> None:
    sdl = 'type Query {\n  f: P @rest(url: "x")\n  g: P\n    @rest(url: "http://y", queryParameter: "z")\n  h: Nope\n}'

    assert [(2, 8), (4, 5), (5, 6)] == [(problem.line, problem.column) for problem in problems_of(sdl)]


def test_a_directive_without_url_is_told_once() -> None:
    assert ["Directive '@rest' argument 'url' of type 'String!' is required, but it was not provided."] == [
        problem.message for problem in problems_of("type Query { f: P @rest }")
    ]


def test_a_password_in_the_address_is_not_repeated() -> None:
    problems = problems_of('type Query { f: P @rest(url: "http://me:secret@x") }')

    assert "secret" not in str(problems)


@pytest.mark.parametrize(
    ("arguments", "directive", "expected"),
    [
        ("", "", ((), (), None)),
        ("(a: Int!, b: Int, c: [Int]!, d: Order)", "", (("a", "c"), ("b", "d"), None)),
        ("(a: Int! = 5, b: Int = 6)", "", (("a",), ("b",), None)),
        ("(a: Int!, b: Int, c: Int!)", 'pathParameter: ["c", "b"]', (("c", "b"), (), None)),
        ("(a: Int!, b: Int)", "pathParameter: []", ((), ("b",), None)),
        ("(a: Int!, b: Int, c: Int)", 'queryParameter: ["c", "a"]', ((), ("c", "a"), None)),
        ("(a: Int!, b: Int)", "queryParameter: []", (("a",), (), None)),
        ("(a: Int!, b: Int)", 'pathParameter: "b", queryParameter: "a"', (("b",), ("a",), None)),
        ("(a: Int!, b: Order!, c: Int)", 'bodyParameter: "b", httpMethod: POST', (("a",), ("c",), "b")),
        ("(a: Int!, b: Order)", 'pathParameter: null, bodyParameter: "b", httpMethod: POST', (("a",), (), "b")),
    ],
)
def test_arguments_are_assigned_to_the_parts(arguments: str, directive: str, expected: object) -> None:
    assert expected == assigned(f"type Query {{ f{arguments}: P @rest({URL}, {directive}) }}")


def test_a_field_knows_its_request_and_its_place() -> None:
    schema = parsed('type Query {\n  f(a: Int!): P @rest(url: "https://x:8443/y?z=1", httpMethod: POST)\n}')

    assert {
        ("Query", "f"): RestField(
            url=RestUrl("https", "x", 8443, "/y", "z=1"),
            path=("a",),
            query=(),
            body=None,
            method=RestMethod.POST,
            line=2,
            column=17,
        )
    } == schema.rest_fields
    assert () == topics_of(schema)


@pytest.mark.parametrize("method", ["", "httpMethod: null", "httpMethod: GET"])
def test_the_method_is_get_unless_said_otherwise(method: str) -> None:
    field = parsed(f"type Query {{ f: P @rest({URL}, {method}) }}").rest_fields["Query", "f"]

    assert RestMethod.GET is field.method


def test_fields_that_a_service_fills_are_not_stored() -> None:
    schema = parsed(f"type Query {{ u: User }} type User {{ id: Int! tips(n: Int): [P] @rest({URL}) }}")

    assert "type User {\n  id: Int!\n}" == write_type(schema, "User")
