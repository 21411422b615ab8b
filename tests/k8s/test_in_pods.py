"""Quick in a cluster, end to end: installed by its chart, and everything else by itself."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.e2e.test_scenarios import PRODUCT_SDL, PRODUCTS, PURCHASE_SDL, PURCHASES
from tests.k8s.control_plane import ControlPlane
from tests.k8s.installed import Installed, installed
from tests.load import Load

pytestmark = pytest.mark.timeout(1200)

E1_SDL = 'type Query { findProduct(productId: Long): String @topic(name: "e1-product", keyArgument: "productId") }'

GATEWAY = "quick-gateway-e1-gateway"
MIRROR = "quick-mirror-e1-product"

PAUSE_S = 0.02
"""Between two requests of a client, which leaves the machine's cores to the pods."""


@pytest.fixture(scope="module")
def quick(control_plane: ControlPlane, kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Return a release in which mirrors have two replicas."""
    log_topic = f"log-{uuid.uuid4().hex}"
    settings = {"QUICK_DEFAULT_REPLICAS": 2, "QUICK_LOG_TOPIC": log_topic, "QUICK_STATUS_TOPIC": f"{log_topic}-status"}
    values = {
        "kafka": {"bootstrapServer": kafka},
        "schemaRegistry": {"enabled": False},
        "quickConfig": settings,
    }
    with installed(control_plane, tmp_path_factory.mktemp("pods"), values) as release:
        yield release


@pytest.fixture(scope="module")
def shop(quick: Installed) -> Iterator[Installed]:
    """Declare what E1 declares; at the end, nothing of it is left."""
    created = quick.quick("topic", "create", "e1-product", "--key", "long", "--value", "string")
    assert "Created new topic e1-product\n" == created
    created = quick.quick("gateway", "create", "e1-gateway", "--replicas", "1")
    assert "Create gateway e1-gateway (this may take a few seconds)\n" == created
    applied = quick.quick("gateway", "apply", "e1-gateway", "-f", "-", stdin=E1_SDL)
    assert "Applied schema to gateway e1-gateway\n" == applied
    quick.await_pods(GATEWAY, 1)
    quick.await_pods(MIRROR, 2)
    yield quick
    assert "Deleted gateway e1-gateway\n" == quick.quick("gateway", "delete", "e1-gateway")
    assert "Deleted topic e1-product\n" == quick.quick("topic", "delete", "e1-product")
    quick.until(lambda: [] == [name for name in quick.workloads() if "e1" in name])


def find(quick: Installed, key: int, at_least: str) -> object:
    found = quick.data("e1-gateway", f"{{ findProduct(productId: {key}) }}", **{"Quick-At-Least": at_least})
    return found["findProduct"]


def test_e1_crud(shop: Installed) -> None:
    assert "T-Shirt" == find(shop, 123, shop.ingest("e1-product", {"key": 123, "value": "T-Shirt"}))
    batch = [{"key": 123, "value": "T-Shirt (black)"}, {"key": 456, "value": "Jeans"}, {"key": 789, "value": "Shoes"}]
    position = shop.ingest("e1-product", batch)
    assert ["T-Shirt (black)", "Jeans"] == [find(shop, key, position) for key in (123, 456)]
    answer = shop.ask("quick-ingest", "DELETE", "/ingest/e1-product/123")
    assert 200 == answer.status_code
    assert find(shop, 123, answer.json()["position"]) is None


@pytest.mark.parametrize("grace_s", [None, 0], ids=["told to end", "killed"])
def test_reads_go_on_while_a_mirror_pod_is_deleted_and_made_again(shop: Installed, grace_s: int | None) -> None:
    position = shop.ingest("e1-product", {"key": 1, "value": "Hat"})
    deleted, kept = shop.pods(MIRROR)
    with reading(shop, position) as load:
        load.await_more(5)
        shop.delete_pod(deleted["metadata"]["name"], grace_s)
        shop.until(lambda: deleted["metadata"]["uid"] not in uids(shop, MIRROR))
        load.await_more(5)
        shop.await_pods(MIRROR, 2)
        load.await_more(5)
    assert [] == load.failed
    again, same = shop.pods(MIRROR)
    assert deleted["metadata"]["name"] == again["metadata"]["name"]
    assert deleted["metadata"]["uid"] != again["metadata"]["uid"]
    assert kept["metadata"]["uid"] == same["metadata"]["uid"]


def test_a_setting_that_changes_reaches_every_pod_while_reads_and_writes_go_on(shop: Installed) -> None:
    position = shop.ingest("e1-product", {"key": 1, "value": "Hat"})
    replicas = {"quick-manager": 1, "quick-ingest": 1, GATEWAY: 1, MIRROR: 2}
    before = {uid for name in replicas for uid in uids(shop, name)}
    with reading(shop, position) as load, writing(shop) as writes:
        shop.upgrade(QUICK_GZIP_LEVEL="2")
        shop.until(lambda: all(before.isdisjoint(uids(shop, name)) for name in replicas))
        for name, count in replicas.items():
            shop.await_pods(name, count)
        load.await_more(5)
    assert [] == load.failed + writes.failed
    assert "mirror    e1-product   ok      2/2" in shop.quick("status")


def test_e3_multi_stream(quick: Installed) -> None:
    quick.quick("gateway", "create", "e3-gateway", "--replicas", "1")
    sdl = PURCHASE_SDL + PRODUCT_SDL % {"topic": "e3-product"}
    quick.quick("gateway", "apply", "e3-gateway", "--file", "-", stdin=sdl)
    for name, key, type_name in (("e3-product", "int", "Product"), ("e3-purchase", "string", "Purchase")):
        schema = f"e3-gateway.{type_name}"
        created = quick.quick("topic", "create", name, "-k", key, "-v", "schema", "--schema", schema)
        assert f"Created new topic {name}\n" == created
    quick.ingest("e3-product", PRODUCTS)
    position = quick.ingest("e3-purchase", PURCHASES)
    for name, count in (("gateway-e3-gateway", 1), ("mirror-e3-product", 2), ("mirror-e3-purchase", 2)):
        quick.await_pods(f"quick-{name}", count)
    query = """{ findPurchase(purchaseId: "abc") {
        productId amount price { total currency } product { name price { total } } } }"""
    expected = {
        "productId": 123,
        "amount": 1,
        "price": {"total": 19.99, "currency": "DOLLAR"},
        "product": {"name": "T-Shirt", "price": {"total": 14.99}},
    }
    assert {"findPurchase": expected} == quick.data("e3-gateway", query, **{"Quick-At-Least": position})
    for name in ("e3-product", "e3-purchase"):
        assert f"Deleted topic {name}\n" == quick.quick("topic", "delete", name)
    assert "Deleted gateway e3-gateway\n" == quick.quick("gateway", "delete", "e3-gateway")


def reading(quick: Installed, position: str) -> Load:
    """Return a load of one client that reads."""

    def ask() -> None:
        assert "Hat" == find(quick, 1, position)

    return Load(ask, threads=1, pause_s=PAUSE_S)


def writing(quick: Installed) -> Load:
    """Return a load of one client that writes."""

    def ask() -> None:
        quick.ingest("e1-product", {"key": 2, "value": "Cap"})

    return Load(ask, threads=1, pause_s=PAUSE_S)


def uids(quick: Installed, workload: str) -> set[str]:
    """Return which pods of a workload are ready."""
    return {pod["metadata"]["uid"] for pod in quick.ready(workload)}
