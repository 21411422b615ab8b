from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError
from core.rest_fields import RestField
from core.sdl import parse_gateway_schema
from services.gateway.rest_requests import compose

TYPES = " input In { n: Int s: String } enum E { RED BLUE }"


def field(declaration: str, url: str = "http://x/users", directive: str = "") -> RestField:
    sdl = f'type Query {{ f{declaration}: Int @rest(url: "{url}", {directive}) }}{TYPES}'
    return parse_gateway_schema(sdl).rest_fields["Query", "f"]


def target(declaration: str, arguments: dict[str, Any], url: str = "http://x/users", directive: str = "") -> str:
    return compose(field(declaration, url, directive), arguments).target


@pytest.mark.parametrize(
    ("declaration", "arguments", "expected"),
    [
        ("", {}, "/users"),
        ("(a: Int!)", {"a": 5}, "/users/5"),
        ("(a: Int!, b: String!)", {"b": "x", "a": 5}, "/users/5/x"),
        ("(a: Int, b: String)", {"b": "x", "a": 5}, "/users?a=5&b=x"),
        ("(a: Int, b: String)", {"b": "x", "a": None}, "/users?b=x"),
        ("(a: Int, b: String)", {}, "/users"),
        ("(a: Int!, b: String)", {"a": -1, "b": ""}, "/users/-1?b="),
        ("(a: String!)", {"a": "a b/ü?#%&=+"}, "/users/a%20b%2F%C3%BC%3F%23%25%26%3D%2B"),
        ("(a: String)", {"a": "a b/ü?#%&=+"}, "/users?a=a%20b%2F%C3%BC%3F%23%25%26%3D%2B"),
        ("(a: Boolean!, b: Boolean)", {"a": True, "b": False}, "/users/true?b=false"),
        ("(a: Float!, b: Float)", {"a": 1.0, "b": 0.25}, "/users/1.0?b=0.25"),
        ("(a: Long!)", {"a": 2**62}, "/users/4611686018427387904"),
        ("(a: E!, b: E)", {"a": "RED", "b": "BLUE"}, "/users/RED?b=BLUE"),
        ("(a: [Int!]!)", {"a": [1, 2]}, "/users/%5B1%2C2%5D"),
        ("(a: [String])", {"a": ["x", None]}, "/users?a=%5B%22x%22%2Cnull%5D"),
        ("(a: In)", {"a": {"n": 1, "s": None}}, "/users?a=%7B%22n%22%3A1%2C%22s%22%3Anull%7D"),
        ("(a: ID!)", {"a": "..."}, "/users/..."),
        ("(a: String)", {"a": ".."}, "/users?a=.."),
        ("(a: String!)", {"a": date(2024, 2, 29)}, "/users/2024-02-29"),
        ("(a: String)", {"a": Decimal("1.50")}, "/users?a=1.50"),
    ],
)
def test_arguments_travel_in_path_and_query(declaration: str, arguments: dict[str, Any], expected: str) -> None:
    assert expected == target(declaration, arguments)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://x", "/5?b=1"),
        ("http://x/", "/5?b=1"),
        ("http://x/users/", "/users/5?b=1"),
        ("http://x/users?key=k", "/users/5?key=k&b=1"),
        ("http://x/a%20b", "/a%20b/5?b=1"),
    ],
)
def test_the_address_may_have_a_path_and_a_query(url: str, expected: str) -> None:
    assert expected == target("(a: Int!, b: Int)", {"a": 5, "b": 1}, url)


@pytest.mark.parametrize(("url", "expected"), [("http://x", "/"), ("http://x/a/", "/a/"), ("http://x?y", "/?y")])
def test_without_arguments_the_address_is_called_as_it_is(url: str, expected: str) -> None:
    assert expected == target("", {}, url)


def test_an_explicit_order_counts() -> None:
    directive = 'pathParameter: ["c", "b"], queryParameter: ["a"]'

    assert "/users/3/2?a=1" == target("(a: Int!, b: Int, c: Int!)", {"a": 1, "b": 2, "c": 3}, directive=directive)


@pytest.mark.parametrize("arguments", [{}, {"a": None}])
def test_an_argument_of_the_path_is_required(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        target("(a: Int)", arguments, directive='pathParameter: "a"')
    assert (
        "a is used as a path parameter and is thus required. "
        "Either specify it in your query or remove it as a path parameter." == str(caught.value)
    )


@pytest.mark.parametrize("value", ["", ".", "..", "../admin", "a/../../admin", "..\\admin", "a/."])
def test_a_value_cannot_lead_to_another_path(value: str) -> None:
    with pytest.raises(InvalidInputError, match="would lead to another path"):
        target("(a: String!)", {"a": value})


@pytest.mark.parametrize("declaration", ["(a: String!)", "(a: String)", "(a: [String])"])
def test_half_a_surrogate_pair_is_refused(declaration: str) -> None:
    value: Any = ["\ud800"] if "[" in declaration else "\ud800"

    with pytest.raises(InvalidInputError, match="surrogate"):
        target(declaration, {"a": value})


@given(st.text(alphabet=st.characters(codec="utf-8")), st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_arrives_as_it_was(in_path: str, in_query: str) -> None:
    try:
        sent = target("(a: String!, b: String)", {"a": in_path, "b": in_query}, "http://x/u")
    except InvalidInputError:
        assert not in_path or "." in in_path
        return
    parts = urlsplit(f"http://x{sent}")
    assert sent.isascii()
    assert ["", "u", in_path] == [unquote(part) for part in parts.path.split("/")]
    assert [("b", in_query)] == parse_qsl(parts.query, keep_blank_values=True)


def test_a_body_is_json() -> None:
    posted = field("(a: Int!, b: In!)", directive='bodyParameter: "b", httpMethod: POST')
    request = compose(posted, {"a": 5, "b": {"n": 1, "s": None}})

    assert ("POST", "/users/5", b'{"n":1,"s":null}') == (request.method, request.target, request.body)


@pytest.mark.parametrize("arguments", [{}, {"b": None}])
def test_a_post_without_body_stays_a_post(arguments: dict[str, Any]) -> None:
    request = compose(field("(b: In)", directive='bodyParameter: "b", httpMethod: POST'), arguments)

    assert ("POST", "/users", b"") == (request.method, request.target, request.body)


def test_a_post_needs_no_body_argument() -> None:
    request = compose(field("(a: Int!, b: Int)", directive="httpMethod: POST"), {"a": 1, "b": 2})

    assert ("POST", "/users/1?b=2", b"") == (request.method, request.target, request.body)
