from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from falcon.testing import ASGIConductor, Result, TestClient

from core.gateway_settings import GatewaySettings
from services.gateway import resource as resource_module
from services.gateway.resource import GraphQLResource
from tests.services.gateway_app import URL, OneMirror, app, resource

PRODUCT = {"query": "{ product(id: 1) }"}
SHOES = {"data": {"product": "Shoes"}}


@pytest.fixture
def mirror() -> OneMirror:
    return OneMirror()


@pytest.fixture
def made(mirror: OneMirror) -> Iterator[Callable[..., GraphQLResource]]:
    resources: list[GraphQLResource] = []

    def make(settings: GatewaySettings | None = None, **limits: int) -> GraphQLResource:
        resources.append(resource(mirror, settings, **limits))
        return resources[-1]

    yield make
    mirror.is_free.set()
    for one in resources:
        one.close()


def post(graphql: GraphQLResource, body: Any, **headers: str) -> Result:
    return TestClient(app(graphql)).simulate_post(URL, json=body, headers={"Accept": "*/*", **headers})


def test_operations_are_answered_in_their_order(made: Callable[..., GraphQLResource]) -> None:
    result = post(made(), [{"query": "{ products }"}, {"query": "{ unknown }"}, PRODUCT])

    assert 200 == result.status_code
    products, unknown, product = result.json
    assert ({"data": {"products": ["Shoes"]}}, ["errors"], SHOES) == (products, list(unknown), product)


def test_in_the_media_type_of_the_specification_a_batch_is_200_too(made: Callable[..., GraphQLResource]) -> None:
    accept = "application/graphql-response+json"
    result = post(made(), [{"query": "{ unknown }"}], Accept=accept)

    assert (200, f"{accept}; charset=utf-8") == (result.status_code, result.headers["content-type"])


@pytest.mark.parametrize(
    ("most", "batch", "message"),
    [
        (2, 3, "The array holds 3 operations, and 2 are taken at once. Split it."),
        (2, 0, "The array holds no operation. Send 1 to 2."),
        (1, 1, "An array of operations is not taken here. Send each in a request of its own."),
        (0, 1, "An array of operations is not taken here. Send each in a request of its own."),
    ],
)
def test_a_batch_that_is_not_taken_is_400(
    made: Callable[..., GraphQLResource], most: int, batch: int, message: str
) -> None:
    result = post(made(GatewaySettings(max_batch=most)), [PRODUCT] * batch)

    assert (400, {"errors": [{"message": message}]}) == (result.status_code, result.json)


def run_while_held_up(graphql: GraphQLResource, mirror: OneMirror, body: Any, is_enough: Callable[[], bool]) -> Result:
    """Post *body* to a mirror that answers nobody until *is_enough*."""

    async def until_enough() -> None:
        while not is_enough():
            await asyncio.sleep(0.001)

    async def scenario() -> Result:
        async with ASGIConductor(app(graphql)) as conductor:
            posted = asyncio.create_task(conductor.simulate_post(URL, json=body, headers={"Accept": "*/*"}))
            await asyncio.wait_for(until_enough(), 30)
            mirror.is_free.set()
            return await posted

    mirror.is_free.clear()
    return asyncio.run(scenario())


def test_queries_are_executed_at_the_same_time(made: Callable[..., GraphQLResource], mirror: OneMirror) -> None:
    result = run_while_held_up(made(threads=3), mirror, [PRODUCT] * 3, lambda: mirror.readers == 3)

    assert [SHOES] * 3 == result.json


def test_where_one_may_write_operations_follow_one_another(
    made: Callable[..., GraphQLResource], mirror: OneMirror
) -> None:
    batch = [PRODUCT, {"query": "mutation { nothing }"}, PRODUCT]

    result = run_while_held_up(made(threads=3), mirror, batch, mirror.is_reading.is_set)

    assert [SHOES, {"data": {"nothing": None}}, SHOES] == result.json
    assert 1 == mirror.most_readers


def test_a_batch_takes_as_many_places_as_it_has_operations(made: Callable[..., GraphQLResource]) -> None:
    graphql = made(max_waiting=2)

    assert (503, 200) == (post(graphql, [PRODUCT] * 3).status_code, post(graphql, [PRODUCT] * 2).status_code)


@pytest.fixture
def _begun_first(mirror: OneMirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time be over before the first operation reads: a thread may be slow to begin."""
    give_up = resource_module._give_up

    def give_up_later(*arguments: Any) -> None:
        assert mirror.is_reading.wait(60)
        give_up(*arguments)

    monkeypatch.setattr(resource_module, "_give_up", give_up_later)


@pytest.mark.usefixtures("_begun_first")
@pytest.mark.parametrize("batch", [False, True])
def test_an_operation_that_takes_too_long_is_answered_and_keeps_its_place_until_it_ends(
    made: Callable[..., GraphQLResource],
    mirror: OneMirror,
    batch: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    graphql = made(GatewaySettings(timeout_s=0.05), threads=1)
    mirror.is_free.clear()

    result = post(graphql, [PRODUCT] if batch else PRODUCT)

    answer = result.json[0] if batch else result.json
    assert (200 if batch else 504) == result.status_code
    assert [{"code": "TIMEOUT"}] == [error["extensions"] for error in answer["errors"]]
    assert "The operation took longer than 0.05 s" in answer["errors"][0]["message"]
    assert 1 == mirror.readers


@pytest.mark.usefixtures("_begun_first")
def test_an_operation_that_found_no_thread_in_time_is_never_executed(
    made: Callable[..., GraphQLResource], mirror: OneMirror
) -> None:
    graphql = made(GatewaySettings(timeout_s=0.05), threads=1)
    mirror.is_free.clear()

    async def scenario() -> list[Result]:
        async with ASGIConductor(app(graphql)) as conductor:
            ask = [conductor.simulate_post(URL, json=PRODUCT, headers={"Accept": "*/*"}) for _ in range(3)]
            answered = await asyncio.gather(*ask)
            assert 1 == graphql._waiting
            mirror.is_free.set()
            async with asyncio.timeout(30):
                while graphql._waiting:
                    await asyncio.sleep(0.001)
            return answered

    assert [504] * 3 == [result.status_code for result in asyncio.run(scenario())]
    assert 1 == mirror.most_readers


def test_an_operation_that_waits_for_a_thread_when_the_server_ends_is_given_up(
    made: Callable[..., GraphQLResource], mirror: OneMirror
) -> None:
    graphql = made(threads=1)
    mirror.is_free.clear()

    async def scenario() -> list[Result | BaseException]:
        async with ASGIConductor(app(graphql)) as conductor:
            ask = [
                asyncio.create_task(conductor.simulate_post(URL, json=PRODUCT, headers={"Accept": "*/*"}))
                for _ in range(2)
            ]
            async with asyncio.timeout(30):
                while graphql._waiting < 2 or not mirror.is_reading.is_set():
                    await asyncio.sleep(0.001)
                closing = asyncio.create_task(asyncio.to_thread(graphql.close))
                while not ask[1].done():
                    await asyncio.sleep(0.001)
                mirror.is_free.set()
                await closing
                return await asyncio.gather(*ask, return_exceptions=True)

    answered, given_up = asyncio.run(scenario())

    assert isinstance(answered, Result)
    assert SHOES == answered.json
    assert isinstance(given_up, asyncio.CancelledError)
