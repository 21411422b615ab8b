"""What an operation waits for, who may write, and what the answer of a write says, over HTTP and in memory."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import falcon.asgi
import pytest
from falcon.testing import ASGIConductor, Result, TestClient

from core.errors import InvalidInputError, NotFoundError, UnavailableError
from core.kafka_writer import OutRecord
from core.position import Position
from core.sdl import parse_gateway_schema
from core.types import TopicType
from projections.freshness import Freshness
from services.errors import add_error_handlers
from services.gateway.executor import GatewayExecutor
from services.gateway.positions import MAX_POSITIONS, GatewayPositions, positions_in
from services.gateway.resource import GraphQLResource
from services.gateway.writing import WriteOutcome, WriteTarget
from services.mirrors import finding
from services.mirrors.finding import Mirrors
from services.topic_access import TopicAccess, TopicAccesses
from services.worker import Worker
from tests.services.mirror_app import KEYS, VALUES, MemoryMirror

T = TypeVar("T")

SDL = """
type Query {
  one(key: String): Long @topic(name: "one", keyArgument: "key")
  two(key: String): Long @topic(name: "two", keyArgument: "key")
  missing(key: String): Long @topic(name: "missing", keyArgument: "key")
}
type Mutation {
  setOne(key: String, value: Long): Long @topic(name: "one")
  setTwo(key: String, value: Long): Long @topic(name: "two")
  setUnseen(key: String, value: Long): Long @topic(name: "unseen")
  nothing: Int
}
"""

URL = "/gateway/shop/graphql"


class WatchedMirror(MemoryMirror):
    """A mirror that tells when it is waited for."""

    is_awaited = False

    def includes(self, position: Position) -> bool:
        includes = super().includes(position)
        self.is_awaited = self.is_awaited or not includes
        return includes


class Shop:
    """Topics, mirrors and writer of one gateway; what is written is in the mirrors when the test says so."""

    def __init__(self) -> None:
        self.mirrors = {name: WatchedMirror() for name in ("one", "two")}
        self.lags: dict[str, Freshness] = {}
        self.written: list[str] = []
        self.is_free = threading.Event()
        self.is_free.set()
        self.is_writing = threading.Event()

    def topic(self, name: str) -> TopicAccess:
        if name not in {"one", "two", "unseen"}:
            raise NotFoundError(f"Topic {name} not found in topic registry")
        return TopicAccess(name, f"id-of-{name}", KEYS, VALUES, 1, None)

    def ready_mirror(self, access: TopicAccess) -> WatchedMirror | None:
        return self.mirrors.get(access.name)

    def mirror(self, access: TopicAccess) -> WatchedMirror:
        raise UnavailableError(f"The mirror of topic {access.name} is being built. Try again.")

    def of(self, topic_id: str, offsets: object) -> Freshness:
        return self.lags.get(topic_id.removeprefix("id-of-"), Freshness(0, 0.0))

    def begin(self, *, names_types: bool = False) -> Shop:
        return self

    def close(self) -> None:
        """Nothing is held."""

    def is_at_hand(self, topic: str) -> bool:
        return False

    def key_type(self, topic: str) -> TopicType:
        return self.topic(topic).keys.type

    def get(self, topic: str, key: Any) -> Any | None:
        entry = self.mirrors[topic].get(KEYS.encode(key))
        return None if entry is None else VALUES.decode(entry.value)

    def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any | None]:
        return [self.get(topic, key) for key in keys]

    def range(self, topic: str, key: Any, low: Any, high: Any) -> list[Any]:
        raise NotImplementedError

    def all(self, topic: str, check_time: Callable[[], None]) -> list[Any]:
        raise NotImplementedError

    def target(self, topic: str) -> WriteTarget:
        return self.topic(topic)

    def write(self, target: WriteTarget, records: Sequence[OutRecord]) -> WriteOutcome:
        self.is_writing.set()
        assert self.is_free.wait(30)
        self.written.append(target.name)
        return WriteOutcome(Position(f"id-of-{target.name}", {0: len(self.written) - 1}).token(), {})


class Scoped:
    """Notes the scopes that a request brings in a header, as the check of keys does."""

    async def process_request(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        if (held := req.get_header("Scopes")) is not None:
            req.context.actor, req.context.scopes = "tester", tuple(held.split())


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def client(shop: Shop) -> Iterator[TestClient]:
    executor = GatewayExecutor(parse_gateway_schema(SDL), shop, "shop", writer=shop)

    async def in_thread(work: Any) -> Any:
        return work()

    worker = cast("Worker", SimpleNamespace(in_thread=in_thread))
    positions = GatewayPositions(Mirrors(worker, cast("TopicAccesses", shop), shop), lambda _: executor)
    resource = GraphQLResource(lambda _: executor, positions=positions)
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App()
    app.add_middleware(Scoped())
    app.add_route("/gateway/{name}/graphql", resource)
    add_error_handlers(app)
    yield TestClient(app)
    resource.close()


def post(client: TestClient, query: str, scopes: str = "admin", *, more: Any = None, **headers: str) -> Result:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    body = {"query": query, **({} if more is None else {"extensions": more})}
    return client.simulate_post(
        URL, body=json.dumps(body), headers={"Content-Type": "application/json", "Scopes": scopes, **named}
    )


def token(topic: str, offset: int) -> str:
    return Position(f"id-of-{topic}", {0: offset}).token()


# What the request says.


@pytest.mark.parametrize(
    ("header", "extensions", "expected"),
    [
        (None, None, []),
        (None, {"other": 5}, []),
        (None, {"atLeast": None}, []),
        ("a", None, ["a"]),
        ("a, b,a", {"atLeast": "c"}, ["a", "b", "c"]),
        (None, {"atLeast": ["c", "d", "c"]}, ["c", "d"]),
        ("", None, [""]),
    ],
)
def test_positions_stand_in_the_header_or_in_the_extensions(
    header: str | None, extensions: dict[str, Any] | None, expected: list[str]
) -> None:
    assert expected == positions_in(header, extensions)


@pytest.mark.parametrize("given", [5, True, {"a": "b"}, ["a", 5], [["a"]], [None]])
def test_an_extension_that_is_no_position_is_refused(given: Any) -> None:
    with pytest.raises(InvalidInputError, match="atLeast in the extensions is"):
        positions_in(None, {"atLeast": given})


def test_too_many_positions_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="Send fewer"):
        positions_in(None, {"atLeast": [str(number) for number in range(MAX_POSITIONS + 1)]})


# Waiting.


def test_what_the_mirror_has_is_answered_at_once(client: TestClient, shop: Shop) -> None:
    shop.mirrors["one"].write("k", 5)

    for answer in (
        post(client, '{ one(key: "k") }', Quick_At_Least=token("one", 0)),
        post(client, '{ one(key: "k") }', more={"atLeast": token("one", 0)}),
        client.simulate_get(
            URL,
            params={"query": '{ one(key: "k") }', "extensions": json.dumps({"atLeast": [token("one", 0)]})},
        ),
    ):
        assert (200, {"data": {"one": 5}}) == (answer.status_code, answer.json)
    assert not shop.mirrors["one"].is_awaited


@pytest.mark.parametrize("way", ["header", "extensions"])
def test_a_query_waits_for_all_writes_that_it_has_to_include(client: TestClient, shop: Shop, way: str) -> None:
    tokens = [token("one", 0), token("two", 0)]
    asks: dict[str, Any] = (
        {
            "headers": {"Quick-At-Least": ",".join(tokens)},
            "body": json.dumps({"query": '{ one(key: "k") two(key: "k") }'}),
        }
        if way == "header"
        else {"body": json.dumps({"query": '{ one(key: "k") two(key: "k") }', "extensions": {"atLeast": tokens}})}
    )
    asks["headers"] = {"Content-Type": "application/json", **asks.get("headers", {})}

    async def until_awaited(topic: str) -> None:
        while not shop.mirrors[topic].is_awaited:
            await asyncio.sleep(0.001)

    async def scenario() -> Result:
        async with ASGIConductor(client.app) as conductor:
            asking = asyncio.create_task(conductor.simulate_post(URL, **asks))
            for topic in ("one", "two"):
                await asyncio.wait_for(until_awaited(topic), 30)
                assert not asking.done()
                shop.mirrors[topic].write("k", 5)
            return await asking

    assert {"data": {"one": 5, "two": 5}} == asyncio.run(scenario()).json


def test_a_position_that_does_not_come_is_503_and_the_answer_says_where_the_mirror_is(
    client: TestClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "AT_LEAST_TIMEOUT_S", 0.02)
    for number in range(3):
        shop.mirrors["two"].write("k", number)
    answer = post(client, '{ one(key: "k") }', Quick_At_Least=f"{token('two', 2)},{token('two', 7)}")

    assert 503 == answer.status_code
    assert "The mirror of topic two has not reached the position in Quick-At-Least" in answer.json["detail"]
    assert token("two", 2) == answer.headers["Quick-Position"]
    assert "1" == answer.headers["Retry-After"]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (Position("another-topic", {0: 0}).token(), "is not one of a topic of gateway shop as it is now"),
        ("nonsense!", "'nonsense!' is no position"),
        ("", "'' is no position"),
    ],
)
def test_a_position_of_no_topic_of_the_gateway_is_refused(client: TestClient, sent: str, message: str) -> None:
    answer = post(client, '{ one(key: "k") }', more={"atLeast": sent})

    assert 400 == answer.status_code
    assert message in answer.json["detail"]


def test_a_topic_whose_mirror_is_being_built_is_503(client: TestClient) -> None:
    answer = post(client, '{ one(key: "k") }', more={"atLeast": token("unseen", 0)})

    assert (503, "The mirror of topic unseen is being built. Try again.") == (answer.status_code, answer.json["detail"])


def test_only_topics_that_the_operation_reads_must_not_lag(client: TestClient, shop: Shop) -> None:
    shop.lags["two"] = Freshness(50, 2.0)

    assert 200 == post(client, '{ one(key: "k") }', Quick_Max_Lag="1s").status_code
    assert 200 == post(client, '{ two(key: "k") }', Quick_Max_Lag="2s, 50 records").status_code
    refused = post(client, '{ one(key: "k") two(key: "k") }', Quick_Max_Lag="1s")
    assert 503 == refused.status_code
    assert "The mirror of topic two lags behind more" in refused.json["detail"]
    assert "records=50; seconds=2" == refused.headers["Quick-Lag"]


def test_a_malformed_lag_is_400_and_a_missing_topic_an_error_of_its_field(client: TestClient) -> None:
    assert 400 == post(client, '{ one(key: "k") }', Quick_Max_Lag="soon").status_code
    answer = post(client, '{ missing(key: "k") }', Quick_Max_Lag="1s")
    assert (200, ["missing"]) == (answer.status_code, answer.json["errors"][0]["path"])


# Answers of writes.


def test_a_write_is_answered_with_its_position(client: TestClient) -> None:
    answer = post(client, 'mutation { setOne(key: "k", value: 1) }')

    assert {"data": {"setOne": 1}, "extensions": {"positions": {"one": token("one", 0)}}} == answer.json
    assert token("one", 0) == answer.headers["Quick-Position"]


def test_positions_of_several_topics_stand_in_one_header_that_can_be_sent_back(client: TestClient, shop: Shop) -> None:
    answer = post(client, 'mutation { setOne(key: "k", value: 1) setTwo(key: "k", value: 2) }')
    header = answer.headers["Quick-Position"]

    assert f"{token('one', 0)},{token('two', 1)}" == header
    for topic in ("one", "two"):
        for _ in range(2):
            shop.mirrors[topic].write("k", 9)
    assert {"data": {"one": 9}} == post(client, '{ one(key: "k") }', Quick_At_Least=header).json


def test_what_writes_nothing_has_no_position(client: TestClient) -> None:
    for answer in (post(client, "mutation { nothing }"), post(client, '{ one(key: "k") }')):
        assert "Quick-Position" not in answer.headers


# Who may write.


@pytest.mark.parametrize("scopes", ["read:shop", "read:* mirror:*", "ingest:two", "ingest:one-more", "manage"])
def test_a_key_that_may_not_write_to_the_topic_is_refused(client: TestClient, shop: Shop, scopes: str) -> None:
    answer = post(client, 'mutation { nothing setTwo: setOne(key: "k", value: 1) }', scopes)

    assert 403 == answer.status_code
    assert (
        "You are not allowed to access this resource. The key tester lacks the scope ingest:one."
        in (answer.json["detail"])
    )
    assert [] == shop.written


def test_every_topic_of_a_mutation_needs_its_scope(client: TestClient, shop: Shop) -> None:
    query = 'mutation { setOne(key: "k", value: 1) ...F } fragment F on Mutation { setTwo(key: "k", value: 2) }'

    assert 403 == post(client, query, "ingest:one").status_code
    assert [] == shop.written
    assert 200 == post(client, query, "ingest:one ingest:two").status_code
    assert ["one", "two"] == shop.written


def test_whoever_may_only_read_still_sends_queries_and_mutations_that_write_nothing(client: TestClient) -> None:
    assert 200 == post(client, '{ one(key: "k") }', "read:shop").status_code
    assert {"data": {"nothing": None}} == post(client, "mutation { nothing }", "read:shop").json


def test_without_a_checked_key_nothing_is_written(client: TestClient, shop: Shop) -> None:
    body = json.dumps({"query": 'mutation { setOne(key: "k", value: 1) }'})
    answer = client.simulate_post(URL, body=body, headers={"Content-Type": "application/json"})

    assert (403, []) == (answer.status_code, shop.written)


def test_mutations_that_wait_for_kafka_hold_up_no_queries(client: TestClient, shop: Shop) -> None:
    headers = {"Content-Type": "application/json", "Scopes": "admin"}

    async def until_writing() -> None:
        while not shop.is_writing.is_set():
            await asyncio.sleep(0.001)

    async def scenario() -> tuple[Result, list[Result]]:
        async with ASGIConductor(client.app) as conductor:
            send = partial(conductor.simulate_post, URL, headers=headers)
            body = json.dumps({"query": 'mutation { setOne(key: "k", value: 1) }'})
            held_up = [asyncio.create_task(send(body=body)) for _ in range(20)]
            await asyncio.wait_for(until_writing(), 30)
            answered = await send(body=json.dumps({"query": '{ one(key: "k") }'}))
            assert not any(task.done() for task in held_up)
            shop.is_free.set()
            return answered, await asyncio.gather(*held_up)

    shop.is_free.clear()
    answered, written = asyncio.run(scenario())
    assert {"data": {"one": None}} == answered.json
    assert [200] * 20 == [answer.status_code for answer in written]
    assert 20 == len(shop.written)
