"""Quick in pods: each role is a process of its own, as Kubernetes starts it."""

from __future__ import annotations

import signal
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from cli.local_kafka import LocalKafka
from core.settings import registry_topic_beside
from tests.load import Load
from tests.pods import Pod
from tests.running import until

SHOP = """
type Product {
  productId: Int!  name: String!  price: Int  goesWithId: Int
  goesWith: Product @topic(name: "product", keyField: "goesWithId")
}
type Query {
  products(ids: [Int]): [Product] @topic(name: "product", keyArgument: "ids")
  everything: [Product] @topic(name: "product")
  history(id: Int, low: Int, high: Int): [Product]
    @topic(name: "product", keyArgument: "id", rangeFrom: "low", rangeTo: "high")
}
type Mutation { book(seat: String, who: String): String @topic(name: "booking") }
"""

MIRROR = {"rangeField": "price", "indexes": ["price", "name"]}

PRODUCTS = {1: ("tea", 3, 2), 2: ("pot", 30, None), 3: ("cup", 7, 9)}

NewPod = Callable[..., Pod]


class Cluster:
    """The pods that the tests share. All but the manager are started before there is anything to serve."""

    def __init__(self, new: NewPod) -> None:
        self.manager = new("manager").start()
        self.ingest = new("ingest").start()
        self.registry = new("schema-registry").start()
        self.gateway = new("gateway", "shop").start()
        self.mirrors = [new("mirror", "product").start(), new("mirror", "product").start()]

    @property
    def pods(self) -> list[Pod]:
        return [self.manager, self.ingest, self.registry, self.gateway, *self.mirrors]

    def declare(self) -> None:
        self.manager.post("/manager/gateway", {"name": "shop", "schema": SHOP})
        product = {"valueSchema": {"gateway": "shop", "type": "Product"}, "mirrorArguments": MIRROR}
        self.manager.post("/manager/topic/product?keyType=int&valueType=schema", product)
        booking = {"writeType": "IMMUTABLE"}
        self.manager.post("/manager/topic/booking?keyType=string&valueType=string", booking)

    def fill(self) -> None:
        products = [
            {"key": key, "value": {"productId": key, "name": name, "price": price, "goesWithId": other}}
            for key, (name, price, other) in PRODUCTS.items()
        ]
        position = self.ingested("product", products)
        for mirror in self.mirrors:
            mirror.include("product", position)

    def ingested(self, topic: str, body: object) -> str:
        """Write, and return the position."""
        position: str = self.ingest.post(f"/ingest/{topic}", body).json()["position"]
        return position

    def data(self, query: str, headers: Mapping[str, str] | None = None, **variables: Any) -> Any:
        asked = {"query": query, "variables": variables}
        body = self.gateway.ask("POST", "/graphql", json=asked, headers=headers or {}).json()
        assert "errors" not in body, body
        return body["data"]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return a broker for this module alone: its topics have the names that the schema has."""
    with LocalKafka(tmp_path_factory.mktemp("kafka-of-roles")) as broker:
        yield broker.bootstrap


@pytest.fixture(scope="module")
def new_pod(kafka: str, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[NewPod]:
    """Return a function that makes pods of one Quick, which are not started yet."""
    log_topic, made = f"log-{uuid.uuid4().hex}", []

    def new(role: str, thing: str | None = None, *, bootstrap: str = kafka) -> Pod:
        folder = tmp_path_factory.mktemp(role)
        made.append(Pod(bootstrap, log_topic, folder, role, free_port(), free_port(), thing))
        return made[-1]

    yield new
    for pod in made:
        pod.tell_to_end()
    for pod in made:
        pod.close()


@pytest.fixture(scope="module")
def cluster(new_pod: NewPod) -> Cluster:
    """Return the pods, with everything declared and some products in their topic."""
    cluster = Cluster(new_pod)
    cluster.manager.await_ready()
    for pod, reason in (
        (cluster.gateway, "Could not find resource shop"),
        (cluster.mirrors[0], "Topic product not found in topic registry"),
    ):
        until(lambda pod=pod: pod.health("health/started") == 200)  # type: ignore[misc]
        until(lambda pod=pod, reason=reason: reason in pod.reason())  # type: ignore[misc]
        assert (503, 200) == (pod.health("health/readiness"), pod.health("health/liveness"))
    cluster.declare()
    for pod in cluster.pods:
        pod.await_ready()
    cluster.fill()
    return cluster


def test_a_role_answers_its_own_paths_and_no_others(cluster: Cluster) -> None:
    own = {
        "manager": "/manager/topics",
        "ingest": "/ingest/product",
        "schema-registry": "/subjects",
        "gateway": "/graphql?query={__typename}",
        "mirror": "/mirror/product/mirror/1",
    }
    whole = {"gateway": "/gateway/shop/graphql?query={__typename}", "schema-registry": "/schema-registry/subjects"}
    for pod in (cluster.manager, cluster.ingest, cluster.registry, cluster.gateway, cluster.mirrors[0]):
        for role, path in own.items():
            is_own = role == pod.role
            # What is only written to has no GET, but is there.
            expected = 404 if not is_own else 405 if role == "ingest" else 200
            assert (pod.role, path, expected) == (pod.role, path, pod.ask("GET", path).status_code)
        if pod.role in whole:
            assert 200 == pod.ask("GET", whole[pod.role]).status_code
        assert [404, 404] == [pod.ask("GET", path).status_code for path in ("/health", "/metrics")]
        assert 401 == httpx.get(f"{pod.url}{own[pod.role]}", timeout=60).status_code
    assert 404 == cluster.gateway.ask("GET", "/gateway/other/graphql?query={__typename}").status_code


def test_the_management_port_answers_without_a_key(cluster: Cluster) -> None:
    for pod in cluster.pods:
        probes = [f"health/{what}" for what in ("started", "readiness", "liveness")]
        assert [200, 200, 200, 200, 404] == [pod.health(path) for path in (*probes, "health", "manager/topics")]
        figures = pod.managed("metrics").text
        assert "\nquick_ready 1\n" in figures
        assert "\nquick_log_position " in figures


def test_a_gateway_reads_the_mirrors_of_other_processes(cluster: Cluster) -> None:
    joined = [{"goesWith": {"name": "pot"}}, {"goesWith": None}, {"goesWith": None}]
    assert {"products": joined} == cluster.data("{products(ids: [1, 2, 3]) {goesWith {name}}}")
    found = cluster.data("{products(ids: [3, 9, 1]) {name}}")
    assert {"products": [{"name": "cup"}, None, {"name": "tea"}]} == found
    assert [3, 7, 30] == sorted(each["price"] for each in cluster.data("{everything {price}}")["everything"])
    assert {"history": [{"price": 3}]} == cluster.data("{history(id: 1, low: 0, high: 4) {price}}")
    assert {"history": []} == cluster.data("{history(id: 1, low: 4, high: 9) {price}}")


PAGE = """query ($first: Int, $last: Int, $after: String, $before: String, $where: ProductWhere) {
  everythingConnection(first: $first, last: $last, after: $after, before: $before, where: $where) {
    edges { cursor node { name } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


@pytest.mark.parametrize("where", [None, {"price": {"gte": 3, "lt": 31}}, {"name": {"in": ["cup", "pot", "tea"]}}])
def test_lists_are_paged_and_filtered_over_the_mirrors_of_other_processes(cluster: Cluster, where: Any) -> None:
    whole = cluster.data("query ($w: ProductWhere) {everything(where: $w) {name}}", w=where)["everything"]
    names = [each["name"] for each in whole]
    assert {"tea", "pot", "cup"} <= set(names)
    for size, place, end, more in (
        ("first", "after", "endCursor", "hasNextPage"),
        ("last", "before", "startCursor", "hasPreviousPage"),
    ):
        walked: list[str] = []
        at, has_more = None, True
        while has_more:  # Each page is asked of whichever replica has its turn.
            page = cluster.data(PAGE, where=where, **{size: 1, place: at})["everythingConnection"]
            found = [edge["node"]["name"] for edge in page["edges"]]
            walked = walked + found if size == "first" else found + walked
            at, has_more = page["pageInfo"][end], page["pageInfo"][more]
        assert names == walked
    made_up = {"query": PAGE, "variables": {"after": "bWFkZSB1cA"}}
    answer = cluster.gateway.ask("POST", "/graphql", json=made_up).json()
    assert "which is no cursor of Query.everything" in answer["errors"][0]["message"]


def test_a_mirror_answers_at_the_root_too(cluster: Cluster) -> None:
    mirror = cluster.mirrors[0]
    value = {"value": {"productId": 1, "name": "tea", "price": 3, "goesWithId": 2}}
    assert [value, value] == [mirror.ask("GET", path).json() for path in ("/mirror/1", "/mirror/product/mirror/1")]
    assert {"value": [value["value"]]} == mirror.ask("GET", "/mirror/keys?ids=1").json()
    assert {"value": [value["value"]]} == mirror.ask("GET", "/mirror/range/1?from=3&to=4").json()


def test_the_published_registry_has_a_mirror_of_its_own_and_needs_no_declaration(
    cluster: Cluster, new_pod: NewPod
) -> None:
    topic = registry_topic_beside(cluster.manager.log_topic)
    pod = new_pod("mirror", topic).start().await_ready()
    until(lambda: pod.ask("GET", f"/mirror/{topic}/mirror/product").status_code == 200)
    told = pod.ask("GET", f"/mirror/{topic}/mirror/product").json()["value"]
    assert ("product", "SCHEMA") == (told["name"], told["valueType"])
    pod.stop()


def test_an_operation_includes_what_its_client_has_written(cluster: Cluster) -> None:
    for price in range(100, 110):
        written = {"key": 50, "value": {"productId": 50, "name": "new", "price": price}}
        position = cluster.ingested("product", written)
        found = cluster.data("{products(ids: [50]) {price}}", {"Quick-At-Least": position})
        assert {"products": [{"price": price}]} == found
    assert "products" in cluster.data("{products(ids: [50]) {price}}", {"Quick-Max-Lag": "60s"})


def test_of_two_writers_of_an_immutable_topic_one_wins(cluster: Cluster) -> None:
    seat = f"seat-{uuid.uuid4().hex}"
    cluster.ingested("booking", {"key": seat, "value": "by ingest"})
    again = cluster.ingest.ask("POST", "/ingest/booking", json={"key": seat, "value": "again"})
    assert 400 == again.status_code, again.text
    mutation = f'mutation {{book(seat: "{seat}", who: "by the gateway")}}'
    refused = cluster.gateway.ask("POST", "/graphql", json={"query": mutation}).json()
    assert seat in refused["errors"][0]["message"]
    other = f'mutation {{book(seat: "{seat}-2", who: "by the gateway")}}'
    assert {"book": "by the gateway"} == cluster.data(other)


def test_replicas_tell_who_holds_which_partition(cluster: Cluster) -> None:
    mirror = cluster.mirrors[0]
    both = {f"127.0.0.1:{pod.port}" for pod in cluster.mirrors}
    path = "/mirror/product/streams/partitions"
    until(lambda: set(mirror.ask("GET", path).json().values()) == both)
    answer = mirror.ask("GET", path)
    assert ["0", "1", "2"] == sorted(answer.json())
    mark = {"Quick-Partition-Map": answer.headers["Quick-Partition-Map"]}
    assert "X-Cache-Update" not in mirror.ask("GET", "/mirror/1", headers=mark).headers
    old = {"Quick-Partition-Map": "00000000"}
    assert "?1" == mirror.ask("GET", "/mirror/1", headers=old).headers["X-Cache-Update"]


QUERY = """{
  products(ids: [1, 2]) {name}
  everything {price}
  everythingConnection(first: 1, where: {price: {gt: 3}}) {edges {node {name}} pageInfo {hasNextPage}}
}"""


def test_queries_go_on_while_each_mirror_is_restarted(cluster: Cluster) -> None:
    def ask() -> None:
        found = cluster.data(QUERY)
        assert [{"name": "tea"}, {"name": "pot"}] == found["products"]
        assert len(found["everything"]) >= len(PRODUCTS)
        assert [{"node": {"name": "cup"}}] == found["everythingConnection"]["edges"]

    with Load(ask) as load:
        load.await_more(5)
        for mirror, number in zip(cluster.mirrors, (signal.SIGTERM, signal.SIGKILL), strict=True):
            mirror.stop(number)
            load.await_more(10)
            mirror.start().await_ready()
            load.await_more(5)
    assert [] == load.failed


def test_a_killed_holder_is_not_asked_after_its_lease_and_cleaned_up(cluster: Cluster) -> None:
    killed, other = cluster.mirrors
    killed.stop(signal.SIGKILL)
    holders = {f"127.0.0.1:{other.port}"}
    until(lambda: set(other.ask("GET", "/mirror/product/streams/partitions").json().values()) == holders)
    with socket.create_server(("127.0.0.1", killed.port)) as listener:
        listener.settimeout(0)

        def is_left_alone() -> bool:
            for _ in range(10):
                assert {"products": [{"name": "tea"}]} == cluster.data("{products(ids: [1]) {name}}")
            return accepted(listener) == 0

        until(is_left_alone)  # The gateway may have heard of the mirror later than the other mirror has.
    data = killed.folder / "data"
    assert any(data.iterdir())
    done = killed.clean_up()
    assert (0, "") == (done.returncode, done.stderr)
    assert f"What the mirror of product kept in {data} is removed, and 1 announcements are taken back.\n" == done.stdout
    assert not data.exists()
    killed.start().await_ready()


def accepted(listener: socket.socket) -> int:
    """Return how many connections have come in since the last call, and close them."""
    count = 0
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return count
        connection.close()
        count += 1


def test_a_clean_up_of_a_replica_that_runs_is_refused(cluster: Cluster) -> None:
    done = cluster.mirrors[0].clean_up()
    assert 1 == done.returncode
    assert "is in use by a running quick" in done.stderr
    assert 200 == cluster.mirrors[0].ask("GET", "/mirror/1").status_code


def test_kafka_that_is_away_is_waited_for_and_no_reason_to_end(
    new_pod: NewPod, broker: Callable[..., LocalKafka], free_port: Callable[[], int]
) -> None:
    alone = new_pod("mirror", "t", bootstrap=f"127.0.0.1:{free_port()}").start()
    own = broker()
    manager = new_pod("manager", bootstrap=own.bootstrap).start().await_ready()
    own.kill()
    path = "/manager/topic/t?keyType=string&valueType=string"
    assert 503 == manager.ask("POST", path, json={}).status_code
    assert [200, 200, 200] == [manager.health(f"health/{what}") for what in ("started", "readiness", "liveness")]
    until(lambda: alone.health("health/liveness") == 200)
    assert [503, 503] == [alone.health("health/started"), alone.health("health/readiness")]
    assert alone.process is not None
    assert alone.process.poll() is None
