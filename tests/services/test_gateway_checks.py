from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from falcon.testing import Result, TestClient
from graphql import build_schema, get_introspection_query

from core.gateway_settings import GatewaySettings, GraphQLLimits, LimitMode
from services.gateway.checks import Checks
from services.gateway.resource import COST_HEADER
from tests.services.gateway_app import URL, OneMirror, app, resource

SCHEMA = build_schema("type Query { name(kind: Kind): String } enum Kind { LARGE }")
HIDING = GatewaySettings(introspection=False)


def messages(text: str, settings: GatewaySettings) -> list[str]:
    return [error.message for error in Checks(SCHEMA, settings).check(text).errors]


def limited(mode: LimitMode, **limits: Any) -> GatewaySettings:
    return GatewaySettings(limits=GraphQLLimits(mode=mode, **limits))


@pytest.mark.parametrize("text", ["{ __schema { types { name } } }", '{ a: __type(name: "Query") { name } }'])
def test_questions_about_the_schema_are_refused_where_introspection_is_off(text: str) -> None:
    name = "__schema" if "__schema" in text else "__type"

    assert [] == messages(text, GatewaySettings())
    (message,) = messages(text, HIDING)
    assert f"The field {name} cannot be asked for: introspection is switched off." in message


def test_the_name_of_a_type_may_always_be_asked_for() -> None:
    assert [] == messages("{ __typename name }", HIDING)


def test_the_query_of_tools_is_refused_with_one_error_where_introspection_is_off() -> None:
    assert 1 == len(messages(get_introspection_query(), HIDING))


@pytest.mark.parametrize("text", ["{ nam }", "{ name(kin: LARGE) }", "{ name(kind: LARG) }"])
def test_names_that_are_near_are_suggested_only_where_the_schema_may_be_asked_for(text: str) -> None:
    assert "Did you mean" in messages(text, GatewaySettings())[0]
    assert "Did you mean" not in messages(text, HIDING)[0]


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator[TestClient]:
    graphql = resource(OneMirror(), request.param)
    yield TestClient(app(graphql))
    graphql.close()


def post(client: TestClient, query: str, **members: Any) -> Result:
    return client.simulate_post(URL, json={"query": query, **members}, headers={"Accept": "*/*"})


@pytest.mark.parametrize("client", [limited(LimitMode.ENFORCE, max_cost=50)], indirect=True)
def test_an_operation_that_costs_too_much_is_refused(client: TestClient) -> None:
    assert ["errors"] == list(post(client, "{ products }").json)
    some = "query ($ids: [Long!]) { some(ids: $ids) }"
    assert {"data": {"some": ["Shoes"]}} == post(client, some, variables={"ids": [1]}).json
    (error,) = post(client, some, variables={"ids": [1] * 50}).json["errors"]
    assert error["message"].startswith("The operation asks for 51 values, as far as is known before, and 50 are allow")
    assert {"data": {"product": None}} == post(client, "{ product(id: 2) }").json


@pytest.mark.parametrize("client", [limited(LimitMode.MEASURE, max_cost=50, max_breadth=1)], indirect=True)
def test_where_limits_are_measured_all_is_executed_and_told(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        answer = post(client, "{ products product(id: 1) }").json

    assert {"products": ["Shoes"], "product": "Shoes"} == answer["data"]
    expected = {"cost": 102, "maxCost": 50, "depth": 1, "maxDepth": 20, "fields": 2, "maxFields": 5_000}
    assert {"cost": expected} == answer["extensions"]
    of_document, of_operation = [record.getMessage() for record in caplog.records]
    assert of_document.startswith("Gateway shop would have refused a document: The operation asks for 2 fields beside")
    assert of_operation.startswith("Gateway shop would have refused an operation: The operation asks for 102 values")


@pytest.mark.parametrize("client", [limited(LimitMode.OFF, max_cost=1, max_depth=1, max_breadth=1)], indirect=True)
def test_without_limits_nothing_is_measured(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    asking = client.simulate_post(URL, json={"query": "{ products product(id: 1) }"}, headers={COST_HEADER: "true"})

    assert {"data": {"products": ["Shoes"], "product": "Shoes"}} == asking.json
    assert [] == caplog.records


@pytest.mark.parametrize("client", [GatewaySettings()], indirect=True)
def test_the_cost_is_told_to_whoever_asks_for_it(client: TestClient) -> None:
    query = {"query": "query A($ids: [Long!]) { some(ids: $ids) } query B { products }", "variables": {"ids": [1, 2]}}
    by_header = client.simulate_post(URL, json={**query, "operationName": "A"}, headers={COST_HEADER: "true"}).json
    by_extension = post(client, query["query"], operationName="B", extensions={"reportCost": True}).json

    assert (3, 101) == (by_header["extensions"]["cost"]["cost"], by_extension["extensions"]["cost"]["cost"])
    assert "extensions" not in post(client, "{ products }").json
    assert "extensions" not in post(client, "{ products }", extensions={"reportCost": "no"}).json


@pytest.mark.parametrize(
    ("client", "suggests"), [(GatewaySettings(), True), (HIDING, False)], indirect=["client"], ids=["on", "off"]
)
def test_variables_get_suggestions_only_where_introspection_is_on(client: TestClient, *, suggests: bool) -> None:
    answer = post(client, "query ($kind: Kind) { ofKind(id: 1, kind: $kind) }", variables={"kind": "LARG"}).json

    assert ["errors"] == list(answer)
    assert suggests == ("Did you mean" in str(answer))
