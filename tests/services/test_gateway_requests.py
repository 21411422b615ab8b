import pytest

from services.gateway.media import body_type
from services.gateway.requests import Asked, GraphQLRequest, Refusal, from_body, from_parameters


def from_json(body: bytes) -> Asked:
    return from_body(body_type("application/json"), body, {})


def refusal_of(request: Asked) -> Refusal:
    assert isinstance(request, Refusal)
    return request


def test_json_holds_query_name_and_variables() -> None:
    body = b'{"query": "{ a }", "operationName": "A", "variables": {"k": [1, null]}, "extensions": {}, "more": {}}'

    assert GraphQLRequest("{ a }", "A", {"k": [1, None]}, {}) == from_json(body)


def test_extensions_are_kept_from_json_and_from_parameters() -> None:
    expected = GraphQLRequest("{ a }", None, None, {"atLeast": "token"})

    assert expected == from_json(b'{"query": "{ a }", "extensions": {"atLeast": "token"}}')
    assert expected == from_parameters({"query": "{ a }", "extensions": '{"atLeast": "token"}'})


def test_name_and_variables_may_be_null() -> None:
    body = b'{"query": "{ a }", "operationName": null, "variables": null}'

    assert GraphQLRequest("{ a }") == from_json(body)


def test_an_array_holds_several_operations() -> None:
    assert [GraphQLRequest("{ a }"), GraphQLRequest("{ b }")] == from_json(b' [{"query": "{ a }"}, {"query": "{ b }"}]')


def test_an_element_of_an_array_that_is_wrong_is_named_by_its_place() -> None:
    assert "Of the array, element 1: " in refusal_of(from_json(b'[{"query": "{ a }"}, {"variables": {}}]')).message


def test_a_byte_order_mark_is_passed_over() -> None:
    assert GraphQLRequest("{ a }") == from_json(b'\xef\xbb\xbf{"query": "{ a }"}')
    assert GraphQLRequest("{ a }") == from_body(body_type("application/graphql"), b"\xef\xbb\xbf{ a }", {})


def test_of_a_member_that_comes_twice_the_last_one_counts() -> None:
    assert GraphQLRequest("{ b }") == from_json(b'{"query": "{ a }", "query": "{ b }"}')


def test_a_registered_document_is_named_in_either_of_two_ways() -> None:
    named = from_json(b'{"documentId": "sha256:ab"}')
    persisted = from_json(b'{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ab"}}}')

    assert isinstance(named, GraphQLRequest)
    assert isinstance(persisted, GraphQLRequest)
    assert ("sha256:ab", "sha256:ab") == (named.registered_id(), persisted.registered_id())


@pytest.mark.parametrize("persisted", ["5", "{}", '{"sha256Hash": 5}', "null", "[]"])
def test_an_extension_of_another_form_names_no_document(persisted: str) -> None:
    assert 422 == refusal_of(from_json(b'{"extensions": {"persistedQuery": %s}}' % persisted.encode())).status


@pytest.mark.parametrize("media_type", ["application/json", "application/graphql"])
def test_another_charset_than_utf_8_is_415(media_type: str) -> None:
    body = '{"query": "{ a }"}'.encode("utf-16")

    assert 415 == refusal_of(from_body(body_type(f"{media_type}; charset=utf-16"), body, {})).status
    assert body_type(f'{media_type}; charset="UTF-8"') == body_type(media_type)


def test_a_body_of_graphql_is_the_query() -> None:
    assert GraphQLRequest("{ a }") == from_body(body_type("application/graphql"), b"{ a }", {})


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/graphql"])
def test_the_parameter_counts_where_the_body_is_no_json(media_type: str) -> None:
    assert GraphQLRequest("{ a }") == from_body(body_type(media_type), b"{ b }", {"query": "{ a }"})


def test_parameters_hold_query_name_and_variables_as_json() -> None:
    params = {"query": "{ a }", "operationName": "A", "variables": '{"k": 1}'}

    assert GraphQLRequest("{ a }", "A", {"k": 1}) == from_parameters(params)


@pytest.mark.parametrize("variables", ["", "null"])
def test_no_variables_are_none(variables: str) -> None:
    assert GraphQLRequest("{ a }") == from_parameters({"query": "{ a }", "operationName": "", "variables": variables})


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"query": "\\ud800"}', b"\xff", b'{"query": "{a}", "variables": {"k": ' + b"[" * 100_000]
)
def test_what_is_not_json_is_400(body: bytes) -> None:
    assert 400 == refusal_of(from_json(body)).status


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"null",
        b'"{ a }"',
        b'[{"query": 5}]',
        b'[{"query": "{ a }"}, {}]',
        b"[null]",
        b'{"query": null}',
        b'{"query": 5}',
        b'{"query": "{ a }", "variables": [1]}',
        b'{"query": "{ a }", "operationName": 1}',
        b'{"query": "{ a }", "extensions": "token"}',
    ],
)
def test_json_that_is_no_request_is_422_with_the_ways_to_ask(body: bytes) -> None:
    refusal = refusal_of(from_json(body))

    assert 422 == refusal.status
    assert "Could not process GraphQL request" in refusal.message
    assert 'Send JSON as {"query": …' in refusal.message


def test_another_content_type_is_422_and_named() -> None:
    assert 422 == refusal_of(from_body(body_type("text/xml"), b"<a/>", {})).status
    assert "its content type is text/xml" in refusal_of(from_body(body_type("text/xml"), b"<a/>", {})).message
    assert "its content type is missing" in refusal_of(from_body(body_type(None), b"{ a }", {})).message


def test_a_body_of_graphql_is_utf_8() -> None:
    assert 400 == refusal_of(from_body(body_type("application/graphql"), b"\xff", {})).status


@pytest.mark.parametrize("params", [{}, {"query": ""}, {"variables": "{}"}, {"documentId": ""}])
def test_parameters_without_query_are_422(params: dict[str, str]) -> None:
    assert 422 == refusal_of(from_parameters(params)).status


@pytest.mark.parametrize("name", ["variables", "extensions"])
@pytest.mark.parametrize("text", ["{", "[]", "5", '"x"', '{"k": ' + "[" * 100_000])
def test_parameters_that_are_no_json_objects_are_400_and_named(name: str, text: str) -> None:
    refusal = refusal_of(from_parameters({"query": "{ a }", name: text}))

    assert 400 == refusal.status
    assert f"The parameter {name} is not a JSON object" in refusal.message
