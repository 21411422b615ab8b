from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from core.sdl import parse_gateway_schema
from core.types import TopicType
from services.gateway.executor import GatewayExecutor
from services.gateway.topic_threads import Reading, TopicThreads
from tests.services.memory_mirrors import MemoryMirrors

SDL = """
type Query {
  order(id: Int): Order @topic(name: "orders", keyArgument: "id")
}
type Order {
  id: Int!
  productId: Int
  customerId: Int
  product: Product @topic(name: "products", keyField: "productId")
  again: Product @topic(name: "products", keyField: "productId")
  customer: Customer @topic(name: "customers", keyField: "customerId")
}
type Product { id: Int!  name: String! }
type Customer { id: Int!  name: String }
"""

QUERY = "{ order(id: 1) { product { name } again { id } customer { name } } }"
ANSWER = {"order": {"product": {"name": "pot"}, "again": {"id": 2}, "customer": {"name": "Ann"}}}


class MeetingMirrors(MemoryMirrors):
    """Answers about products and customers when both are being asked for."""

    def __init__(self, product: Mapping[str, Any]) -> None:
        super().__init__(
            orders=(TopicType.INTEGER, {1: {"id": 1, "productId": 2, "customerId": 3}}),
            products=(TopicType.INTEGER, {2: product}),
            customers=(TopicType.INTEGER, {3: {"id": 3, "name": "Ann"}}),
        )
        self.meeting = threading.Barrier(2, timeout=60)
        self.busy: set[str] = set()
        self.met: set[str] = set()

    def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any]:
        assert topic not in self.busy, "a topic is asked by one thread at a time"
        self.busy.add(topic)
        if topic in {"products", "customers"} - self.met:
            self.met.add(topic)
            self.meeting.wait()
        found = super().get_many(topic, keys)
        self.busy.discard(topic)
        return found


@pytest.fixture
def threads() -> Iterator[TopicThreads]:
    threads = TopicThreads(4)
    yield threads
    threads.close()


def test_topics_of_one_level_are_read_at_the_same_time(threads: TopicThreads) -> None:
    mirrors = MeetingMirrors({"id": 2, "name": "pot"})
    executor = GatewayExecutor(parse_gateway_schema(SDL), mirrors, threads=threads)
    assert {"data": ANSWER} == executor.execute(QUERY)
    assert [("orders", [1]), ("customers", [3]), ("products", [2]), ("products", [2])] == [
        mirrors.asked[0],
        *sorted(mirrors.asked[1:]),
    ]


def test_what_was_read_is_not_read_again_where_the_plan_gives_up(threads: TopicThreads) -> None:
    mirrors = MeetingMirrors({"id": 2, "name": None})
    executor = GatewayExecutor(parse_gateway_schema(SDL), mirrors, threads=threads)
    answer = executor.execute(QUERY)
    assert {"order": {"product": None, "again": {"id": 2}, "customer": {"name": "Ann"}}} == answer["data"]
    assert 1 == len(answer["errors"])
    assert 4 == len(mirrors.asked)


def test_readings_give_what_they_read_in_their_order(threads: TopicThreads) -> None:
    names = ["a", "b", None, "a", "c", None, "d", "e", "f", "b"]
    readings = [Reading(name, lambda at=at: at) for at, name in enumerate(names)]  # type: ignore[misc]
    assert list(range(len(names))) == threads.read(readings)
    assert [] == threads.read([])


@pytest.mark.parametrize("failing", ["a", "b", None])
def test_an_error_ends_all_after_what_has_begun(threads: TopicThreads, failing: str | None) -> None:
    done = []

    def read(name: str | None) -> None:
        if name == failing:
            raise ZeroDivisionError
        done.append(name)

    names = ["a", "b", "c", None]
    with pytest.raises(ZeroDivisionError):
        threads.read([Reading(name, lambda name=name: read(name)) for name in names])  # type: ignore[misc]
    assert "c" in done
