from __future__ import annotations

from collections.abc import Iterator

import pytest
from falcon.testing import Result, TestClient

from services.gateway.resource import GraphQLResource
from tests.services.gateway_app import URL, OneMirror, app, resource

SHOP = "https://shop.example"
OTHER = "https://other.example"


@pytest.fixture
def graphql() -> Iterator[GraphQLResource]:
    graphql = resource(OneMirror())
    yield graphql
    graphql.close()


def preflight(graphql: GraphQLResource, origin: str, *origins: str) -> Result:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, quick-at-least, x-api-key",
    }
    return TestClient(app(graphql, origins=origins)).simulate_options(URL, headers=headers)


def ask(graphql: GraphQLResource, origin: str, *origins: str, query: str = "{ products }") -> Result:
    headers = {"Origin": origin, "Accept": "*/*"}
    return TestClient(app(graphql, origins=origins)).simulate_get(URL, params={"query": query}, headers=headers)


@pytest.mark.parametrize(("origins", "allowed"), [(("*",), "*"), ((OTHER, SHOP), SHOP)])
def test_a_page_of_an_allowed_origin_may_send_a_key_and_read_positions(
    graphql: GraphQLResource, origins: tuple[str, ...], allowed: str
) -> None:
    asked, answered = preflight(graphql, SHOP, *origins).headers, ask(graphql, SHOP, *origins).headers

    assert (allowed, allowed) == (asked["access-control-allow-origin"], answered["access-control-allow-origin"])
    assert "content-type, quick-at-least, x-api-key" == asked["access-control-allow-headers"]
    assert "POST" in asked["access-control-allow-methods"]
    assert "86400" == asked["access-control-max-age"]
    assert {"Quick-Position", "Quick-Lag"} <= set(answered["access-control-expose-headers"].split(", "))


@pytest.mark.parametrize("origins", [("*",), (SHOP,)])
def test_credentials_are_never_allowed(graphql: GraphQLResource, origins: tuple[str, ...]) -> None:
    for result in (preflight(graphql, SHOP, *origins), ask(graphql, SHOP, *origins)):
        assert "access-control-allow-credentials" not in result.headers


@pytest.mark.parametrize("origins", [(SHOP,), ()])
@pytest.mark.parametrize("origin", [OTHER, "null", f"{SHOP}.evil", SHOP.upper(), "*"])
def test_a_page_of_another_origin_may_do_nothing(
    graphql: GraphQLResource, origins: tuple[str, ...], origin: str
) -> None:
    for result in (preflight(graphql, origin, *origins), ask(graphql, origin, *origins)):
        assert [] == [name for name in result.headers if name.startswith("access-control-")]


def test_caches_are_told_where_an_answer_depends_on_the_origin(graphql: GraphQLResource) -> None:
    for origin in (SHOP, OTHER):
        assert "Origin" in ask(graphql, origin, SHOP).headers["vary"]
    assert "Origin" not in ask(graphql, SHOP, "*").headers.get("vary", "")


def test_a_page_may_read_errors_too(graphql: GraphQLResource) -> None:
    assert SHOP == ask(graphql, SHOP, SHOP, query="mutation { nothing }").headers["access-control-allow-origin"]
