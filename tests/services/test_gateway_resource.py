from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import falcon
import falcon.asgi
import pytest
from falcon.testing import ASGIConductor, Result, TestClient

from core.errors import NotFoundError
from core.sdl import parse_gateway_schema
from core.types import TopicType
from services.errors import add_error_handlers
from services.gateway.assets import GraphiQLAssetResource
from services.gateway.executor import GatewayExecutor
from services.gateway.resource import GraphQLResource

SDL = """
type Query {
  product(id: Long): String @topic(name: "products", keyArgument: "id")
  products: [String!]! @topic(name: "products")
}
type Mutation { rename(id: ID, name: String): String @topic(name: "names") }
"""

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
GRAPHQL = "application/graphql-response+json"
GRAPHQL_UTF_8 = "application/graphql-response+json; charset=utf-8"


class OneMirror:
    """A mirror of one topic that can be held up."""

    def __init__(self) -> None:
        self.is_free = threading.Event()
        self.is_free.set()
        self.is_reading = threading.Event()
        self.threads: list[str] = []

    def begin(self, *, names_types: bool = False) -> OneMirror:
        return self

    def close(self) -> None:
        pass

    def is_at_hand(self, topic: str) -> bool:
        return self.is_free.is_set()

    def key_type(self, topic: str) -> TopicType:
        return TopicType.LONG

    def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any]:
        self.is_reading.set()
        assert self.is_free.wait(30)
        self.threads.append(threading.current_thread().name)
        return [{1: "Shoes"}.get(key) for key in keys]

    def range(self, topic: str, key: Any, low: Any, high: Any) -> list[Any]:
        raise AssertionError(topic)

    def all(self, topic: str, check_time: Callable[[], None]) -> list[Any]:
        self.threads.append(threading.current_thread().name)
        return ["Shoes"]


def executors(mirror: OneMirror) -> Callable[[str], GatewayExecutor]:
    executor = GatewayExecutor(parse_gateway_schema(SDL), mirror, "shop")

    def of(name: str) -> GatewayExecutor:
        if name != "shop":
            raise NotFoundError(f"Gateway {name} does not exist")
        return executor

    return of


@pytest.fixture
def mirror() -> OneMirror:
    return OneMirror()


@pytest.fixture
def resource(mirror: OneMirror) -> Iterator[GraphQLResource]:
    of = executors(mirror)
    resource = GraphQLResource(of, known=lambda name: of(name) if name == "shop" else None, threads=1, max_waiting=2)
    yield resource
    resource.close()


@pytest.fixture
def client(resource: GraphQLResource) -> TestClient:
    app = falcon.asgi.App()
    app.add_route("/gateway/{name}/graphql", resource)
    app.add_route("/gateway/{name}/graphiql-assets/{file}", GraphiQLAssetResource())
    add_error_handlers(app)
    return TestClient(app)


def post(client: TestClient, body: Any, *, accept: str = "*/*", gateway: str = "shop") -> Result:
    headers = {"Accept": accept, "Content-Type": "application/json; charset=utf-8"}
    return client.simulate_post(f"/gateway/{gateway}/graphql", body=json.dumps(body), headers=headers)


def test_a_posted_query_is_answered(client: TestClient) -> None:
    result = post(
        client, {"query": "query A($id: Long) { product(id: $id) }", "operationName": "A", "variables": {"id": 1}}
    )

    assert (200, {"data": {"product": "Shoes"}}) == (result.status_code, result.json)
    assert "application/json" == result.headers["content-type"]


def test_a_query_may_come_as_graphql_or_as_parameter(client: TestClient) -> None:
    expected = {"data": {"product": "Shoes"}}
    url = "/gateway/shop/graphql"

    as_text = client.simulate_post(url, body="{ product(id: 1) }", headers={"Content-Type": "application/graphql"})
    assert expected == as_text.json
    assert expected == client.simulate_post(url, params={"query": "{ product(id: 1) }"}).json
    params = {"query": "query ($id: Long) { product(id: $id) }", "variables": '{"id": "1"}'}
    assert expected == client.simulate_get(url, params=params).json


def test_errors_answer_200_to_whoever_takes_any_json(client: TestClient) -> None:
    result = post(client, {"query": "{ unknown }"})

    assert 200 == result.status_code
    assert ["Cannot query field 'unknown' on type 'Query'."] == [error["message"] for error in result.json["errors"]]


def test_a_client_that_prefers_the_graphql_type_hears_400_if_nothing_was_executed(client: TestClient) -> None:
    result = post(client, {"query": "{ unknown }"}, accept=f"{GRAPHQL}, application/json;q=0.9")

    assert (400, GRAPHQL_UTF_8) == (result.status_code, result.headers["content-type"])


def test_a_client_that_prefers_the_graphql_type_hears_200_if_a_part_was_executed(client: TestClient) -> None:
    result = post(client, {"query": "{ product products }"}, accept=GRAPHQL)

    assert (200, GRAPHQL_UTF_8) == (result.status_code, result.headers["content-type"])
    assert {"product": None, "products": ["Shoes"]} == result.json["data"]


@pytest.mark.parametrize("accept", ["nonsense", ""])
def test_whoever_accepts_what_cannot_be_read_gets_json(client: TestClient, accept: str) -> None:
    result = post(client, {"query": "{ products }"}, accept=accept)

    assert (200, "application/json") == (result.status_code, result.headers["content-type"])


def test_malformed_requests_answer_in_the_form_of_graphql(client: TestClient) -> None:
    result = post(client, {"no": "query"})

    assert 422 == result.status_code
    assert ["errors"] == list(result.json)
    assert "Could not process GraphQL request" in result.json["errors"][0]["message"]


def test_a_get_without_query_is_422(client: TestClient) -> None:
    assert 422 == client.simulate_get("/gateway/shop/graphql", headers={"Accept": "*/*"}).status_code


def test_a_body_that_is_too_long_is_413(client: TestClient) -> None:
    result = post(client, {"query": "{ products }" + " " * 1_000_000})

    assert 413 == result.status_code
    assert "The body is longer than 1000000 bytes" in result.json["errors"][0]["message"]


def test_a_mutation_needs_post(client: TestClient) -> None:
    refused = client.simulate_get("/gateway/shop/graphql", params={"query": "mutation { rename }"})

    assert (405, "POST") == (refused.status_code, refused.headers["allow"])
    assert ["A mutation cannot be sent with GET. Send it with POST."] == [e["message"] for e in refused.json["errors"]]
    posted = post(client, {"query": "mutation { rename }"})
    assert 403 == posted.status_code, "it is executed as far as the key allows, and here nobody has checked one"


def test_an_unknown_gateway_is_an_error_outside_graphql(client: TestClient) -> None:
    result = post(client, {"query": "{ products }"}, gateway="none")

    assert (404, "Gateway none does not exist") == (result.status_code, result.json["detail"])


def test_a_browser_gets_the_page_and_an_explicit_query_its_answer(client: TestClient) -> None:
    page = client.simulate_get("/gateway/shop/graphql", headers={"Accept": BROWSER})
    answer = client.simulate_get("/gateway/shop/graphql", params={"query": "{ products }"}, headers={"Accept": BROWSER})

    assert "text/html; charset=utf-8" == page.headers["content-type"]
    assert {"data": {"products": ["Shoes"]}} == answer.json


def test_the_event_loop_stays_free_and_too_many_operations_are_sent_away(
    client: TestClient, resource: GraphQLResource, mirror: OneMirror
) -> None:
    async def until_two_wait() -> None:
        while resource._waiting < 2 or not mirror.is_reading.is_set():
            await asyncio.sleep(0.001)

    async def scenario() -> tuple[Result, list[Result]]:
        async with ASGIConductor(client.app) as conductor:
            read = partial(conductor.simulate_get, "/gateway/shop/graphql", params={"query": "{ product(id: 1) }"})
            held_up = [asyncio.create_task(read()), asyncio.create_task(read())]
            await asyncio.wait_for(until_two_wait(), 30)
            refused = await read()
            mirror.is_free.set()
            answered = await asyncio.gather(*held_up)
        return refused, answered

    mirror.is_free.clear()
    refused, answered = asyncio.run(scenario())

    assert 503 == refused.status_code
    assert "2 GraphQL operations are already waiting." in refused.json["detail"]
    assert [{"data": {"product": "Shoes"}}] * 2 == [result.json for result in answered]
    assert {"data": {"product": "Shoes"}} == post(client, {"query": "{ product(id: 1) }"}).json


def test_a_quick_operation_is_executed_at_once_when_its_document_is_known(
    client: TestClient, mirror: OneMirror
) -> None:
    def threads_of(query: str) -> list[str]:
        mirror.threads.clear()
        for _ in range(2):
            assert 200 == post(client, {"query": query}).status_code
        return [thread.partition("_")[0] for thread in mirror.threads]

    loop = threading.current_thread().name
    assert ["graphql", loop] == threads_of("{ product(id: 1) }")
    assert ["graphql", "graphql"] == threads_of("{ products }")
