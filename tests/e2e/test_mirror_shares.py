"""Mirrors whose keys are shared out among replicas: each is a process of its own, as Kubernetes starts it."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from core.position import Position
from tests.pods import Pod
from tests.running import until

TOPIC = f"product-{uuid.uuid4().hex[:8]}"
SHOP = """
type Product { id: Int!  name: String!  price: Int }
type Query {
  products(ids: [Int]): [Product] @topic(name: "TOPIC", keyArgument: "ids")
  everything: [Product] @topic(name: "TOPIC")
  history(id: Int, low: Int, high: Int): [Product]
    @topic(name: "TOPIC", keyArgument: "id", rangeFrom: "low", rangeTo: "high")
}
""".replace("TOPIC", TOPIC)
PAGE = """query ($after: String, $where: ProductWhere) {
  everythingConnection(first: 7, after: $after, where: $where) {
    edges { node { id } }
    pageInfo { hasNextPage endCursor }
  }
}"""
COUNT = 60
GONE = 17
REPLICAS = 3


class Shared:
    """A mirror with three replicas, two of which hold each key, and a gateway before it."""

    def __init__(self, new: Callable[..., Pod]) -> None:
        self.manager = new("manager").start()
        self.ingest = new("ingest").start()
        self.gateway = new("gateway", "shop").start()
        self.mirrors = [new("mirror", TOPIC, **shared(number)).start() for number in range(REPLICAS)]

    def fill(self, kafka: str) -> None:
        """Declare a topic and write it; some keys with a partitioner of somebody else."""
        self.manager.await_ready()
        self.manager.post("/manager/gateway", {"name": "shop", "schema": SHOP})
        arguments = {"rangeField": "price", "indexes": ["price"]}
        topic = {"valueSchema": {"gateway": "shop", "type": "Product"}, "mirrorArguments": arguments}
        self.manager.post(f"/manager/topic/{TOPIC}?keyType=int&valueType=schema", topic)
        for pod in (self.ingest, self.gateway, *self.mirrors):
            pod.await_ready()
        self.ingest.post(f"/ingest/{TOPIC}", [record(key) for key in range(COUNT)])
        gone = self.ingest.ask("DELETE", f"/ingest/{TOPIC}/{GONE}")
        assert 200 == gone.status_code, gone.text
        producer = Producer({"bootstrap.servers": kafka})
        for partition in range(3):  # Two of these are not where the default partitioner puts the key.
            producer.produce(TOPIC, None, (GONE + 1).to_bytes(4), partition=partition)
        assert 0 == producer.flush(60)
        # The last ones, in all partitions: who includes them includes all.
        last = self.ingest.post(f"/ingest/{TOPIC}", [record(key) for key in range(COUNT, COUNT + 9)])
        position = last.json()["position"]
        assert 3 == len(Position.parse(position).offsets)
        for mirror in self.mirrors:
            mirror.include(TOPIC, position)

    def data(self, query: str, **variables: Any) -> Any:
        body = self.gateway.ask("POST", "/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in body, body
        return body["data"]


def shared(number: int) -> dict[str, str]:
    share = {"QUICK_MIRROR_REPLICAS": f"{REPLICAS}", "QUICK_MIRROR_COPIES": "2"}
    return {**share, "POD_NAME": f"quick-mirror-product-{number}"}


def record(key: int) -> dict[str, Any]:
    return {"key": key, "value": {"id": key, "name": f"n{key}", "price": key % 10}}


THERE = [key for key in range(COUNT + 9) if key not in {GONE, GONE + 1}]


@pytest.fixture(scope="module")
def cluster(kafka: str, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Shared]:
    log_topic, made = f"log-{uuid.uuid4().hex}", []

    def new(role: str, thing: str | None = None, **settings: str) -> Pod:
        folder = tmp_path_factory.mktemp(role)
        made.append(Pod(kafka, log_topic, folder, role, free_port(), free_port(), thing, settings))
        return made[-1]

    try:
        cluster = Shared(new)
        cluster.fill(kafka)
        yield cluster
    finally:
        for pod in made:
            pod.tell_to_end()
        for pod in made:
            pod.close()


def status(pod: Pod) -> int:
    entries: int = pod.ask("GET", f"/mirror/{TOPIC}/status").json()["entries"]
    return entries


def test_each_replica_holds_a_share_and_all_of_them_each_key_twice(cluster: Shared) -> None:
    held = [status(pod) for pod in cluster.mirrors]
    assert all(20 < each < 66 for each in held), held
    # The two that were deleted are entries too, and one of them is so in three partitions.
    assert 2 * (COUNT + 9 + 2) == sum(held)


def test_a_gateway_reads_keys_lists_pages_and_conditions_as_of_one_mirror(cluster: Shared) -> None:
    found = cluster.data("query ($ids: [Int]) {products(ids: $ids) {id}}", ids=list(range(COUNT + 9)))["products"]
    assert [{"id": key} if key in THERE else None for key in range(COUNT + 9)] == found
    assert THERE == sorted(each["id"] for each in cluster.data("{everything {id}}")["everything"])
    whole = cluster.data("{everything(where: {price: {gte: 3, lt: 6}}) {id price}}")["everything"]
    assert sorted(key for key in THERE if 3 <= key % 10 < 6) == sorted(each["id"] for each in whole)
    assert sorted(each["price"] for each in whole) == [each["price"] for each in whole]
    assert {"history": [{"id": 33}]} == cluster.data("{history(id: 33, low: 0, high: 9) {id}}")
    for where, expected in ((None, len(THERE)), ({"price": {"gte": 3, "lt": 6}}, len(whole))):
        walked: list[int] = []
        after, has_more = None, True
        while has_more:
            page = cluster.data(PAGE, after=after, where=where)["everythingConnection"]
            walked += [edge["node"]["id"] for edge in page["edges"]]
            after, has_more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        assert expected == len(walked) == len(set(walked))


def test_a_replica_asks_others_for_what_it_does_not_hold_and_tells_that(cluster: Shared) -> None:
    for pod in cluster.mirrors:
        answers = [pod.ask("GET", f"/mirror/{TOPIC}/mirror/{key}") for key in range(COUNT)]
        assert [200 if key in THERE else 404 for key in range(COUNT)] == [each.status_code for each in answers]
        assert {None, "?1"} == {each.headers.get("X-Cache-Update") for each in answers}
        keys = pod.ask("GET", f"/mirror/{TOPIC}/mirror/keys?ids=1,2,3,4,17")
        assert [1, 2, 3, 4, None] == [value and value["id"] for value in keys.json()["value"]]
        whole = pod.ask("GET", f"/mirror/{TOPIC}/mirror").json()["value"]
        assert THERE == sorted(value["id"] for value in whole)
        assert [33] == [
            value["id"] for value in pod.ask("GET", f"/mirror/{TOPIC}/mirror/range/33?from=0&to=9").json()["value"]
        ]
        found: list[int] = []
        after: str | None = ""
        while after is not None:
            more = f"&after={after}" if after else ""
            body = pod.ask("GET", f"/mirror/{TOPIC}/mirror/index/price?gte=3&lt=6&limit=5{more}").json()
            found, after = found + [value["id"] for value in body["value"]], body["next"]
        assert sorted(key for key in THERE if 3 <= key % 10 < 6) == sorted(found)


def test_a_part_is_answered_from_what_is_held_and_goes_no_further(cluster: Shared) -> None:
    statuses = [
        [
            pod.ask("POST", f"/mirror/{TOPIC}/rows", json={"window": {}}, headers={"Quick-Part": part}).status_code
            for part in ("0/3", "1/3", "2/3", "0/4", "5")
        ]
        for pod in cluster.mirrors
    ]
    assert [[200, 503, 200, 503, 400], [200, 200, 503, 503, 400], [503, 200, 200, 503, 400]] == statuses
    assert 503 == cluster.mirrors[0].ask("POST", f"/mirror/{TOPIC}/rows", json={"window": {}}).status_code


def test_one_replica_may_be_gone_and_of_two_nothing_is_told_wrong(cluster: Shared) -> None:
    query = "query ($ids: [Int]) {products(ids: $ids) {id}}"
    cluster.mirrors[0].stop(signal.SIGKILL)
    for _ in range(3):
        found = cluster.data(query, ids=THERE)["products"]
        assert [{"id": key} for key in THERE] == found
        assert len(THERE) == len(cluster.data("{everything {id}}")["everything"])
    cluster.mirrors[1].stop(signal.SIGKILL)
    body = cluster.gateway.ask("POST", "/graphql", json={"query": query, "variables": {"ids": THERE}}).json()
    assert f"The mirror of topic {TOPIC} cannot be read now" in body["errors"][0]["message"]
    for pod in cluster.mirrors[:2]:
        pod.start()
    for pod in cluster.mirrors[:2]:
        pod.await_ready()
    asked = {"query": query, "variables": {"ids": THERE}}
    until(lambda: "errors" not in cluster.gateway.ask("POST", "/graphql", json=asked).json())
    assert [{"id": key} for key in THERE] == cluster.data(query, ids=THERE)["products"]


def test_a_replica_that_is_to_hold_everything_builds_it_and_answers_meanwhile(cluster: Shared) -> None:
    pod = cluster.mirrors[2]
    pod.stop(signal.SIGTERM)
    pod.settings = {}
    pod.start().await_ready()
    until(lambda: status(pod) >= COUNT + 9)
    assert THERE == sorted(value["id"] for value in pod.ask("GET", f"/mirror/{TOPIC}/mirror").json()["value"])
    until(lambda: "X-Cache-Update" not in pod.ask("GET", f"/mirror/{TOPIC}/mirror").headers)
    assert THERE == sorted(each["id"] for each in cluster.data("{everything {id}}")["everything"])
