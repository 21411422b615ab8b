import pytest

from services.gateway.requests import GraphQLRequest, Refusal, from_body, from_parameters


def refusal_of(request: GraphQLRequest | Refusal) -> Refusal:
    assert isinstance(request, Refusal)
    return request


def test_json_holds_query_name_and_variables() -> None:
    body = b'{"query": "{ a }", "operationName": "A", "variables": {"k": [1, null]}, "more": {}}'

    assert GraphQLRequest("{ a }", "A", {"k": [1, None]}) == from_body("application/json", body, {})


def test_extensions_are_kept_from_json_and_from_parameters() -> None:
    expected = GraphQLRequest("{ a }", None, None, {"atLeast": "token"})

    assert expected == from_body("application/json", b'{"query": "{ a }", "extensions": {"atLeast": "token"}}', {})
    assert expected == from_parameters({"query": "{ a }", "extensions": '{"atLeast": "token"}'})


def test_name_and_variables_may_be_null() -> None:
    body = b'{"query": "{ a }", "operationName": null, "variables": null}'

    assert GraphQLRequest("{ a }") == from_body("application/json", body, {})


def test_a_body_of_graphql_is_the_query() -> None:
    assert GraphQLRequest("{ a }") == from_body("application/graphql", b"{ a }", {})


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/graphql"])
def test_the_parameter_counts_where_the_body_is_no_json(media_type: str) -> None:
    assert GraphQLRequest("{ a }") == from_body(media_type, b"{ b }", {"query": "{ a }"})


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
    assert 400 == refusal_of(from_body("application/json", body, {})).status


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"null",
        b'"{ a }"',
        b'[{"query": "{ a }"}]',
        b'{"query": null}',
        b'{"query": 5}',
        b'{"query": "{ a }", "variables": [1]}',
        b'{"query": "{ a }", "operationName": 1}',
        b'{"query": "{ a }", "extensions": "token"}',
    ],
)
def test_json_that_is_no_request_is_422_with_the_ways_to_ask(body: bytes) -> None:
    refusal = refusal_of(from_body("application/json", body, {}))

    assert 422 == refusal.status
    assert "Could not process GraphQL request" in refusal.message
    assert 'Send JSON as {"query": …' in refusal.message


def test_another_content_type_is_422_and_named() -> None:
    assert 422 == refusal_of(from_body("text/xml", b"<a/>", {})).status
    assert "its content type is text/xml" in refusal_of(from_body("text/xml", b"<a/>", {})).message
    assert "its content type is missing" in refusal_of(from_body("", b"{ a }", {})).message


def test_a_body_of_graphql_is_utf_8() -> None:
    assert 400 == refusal_of(from_body("application/graphql", b"\xff", {})).status


@pytest.mark.parametrize("params", [{}, {"query": ""}, {"variables": "{}"}])
def test_parameters_without_query_are_422(params: dict[str, str]) -> None:
    assert 422 == refusal_of(from_parameters(params)).status


@pytest.mark.parametrize("name", ["variables", "extensions"])
@pytest.mark.parametrize("text", ["{", "[]", "5", '"x"', '{"k": ' + "[" * 100_000])
def test_parameters_that_are_no_json_objects_are_400_and_named(name: str, text: str) -> None:
    refusal = refusal_of(from_parameters({"query": "{ a }", name: text}))

    assert 400 == refusal.status
    assert f"The parameter {name} is not a JSON object" in refusal.message
