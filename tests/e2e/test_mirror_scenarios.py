"""Mirrors as their users meet them: ranges through gateways, indexes added to live mirrors, rebuilds, retention."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import httpx
import pytest

from tests.running import API_KEY, Running, until

PRODUCT_SDL = """
type Query {
  products(id: Int, from: Int, to: Int): [Product]
    @topic(name: "%(topic)s", keyArgument: "id", rangeFrom: "from", rangeTo: "to")
}
type Product { id: Int! name: String timestamp: Int }
"""

PURCHASE_SDL = """
type Query {
  purchases(user: Int, from: Int, to: Int): [Purchase]
    @topic(name: "%(topic)s", keyArgument: "user", rangeFrom: "from", rangeTo: "to")
}
type Purchase { purchaseId: String! userId: Int! timestamp: Int! }
"""


@pytest.fixture
def gateway(running: Running, tmp_path: Path) -> Running:
    running.quick("context", "create", "--host", running.url, "--key", API_KEY)
    return running


def apply(running: Running, name: str, sdl: str, tmp_path: Path) -> None:
    schema = tmp_path / "schema.gql"
    schema.write_text(sdl)
    running.quick("gateway", "create", name)
    running.quick("gateway", "apply", name, "-f", str(schema))


def test_e4_range(gateway: Running, tmp_path: Path) -> None:
    running = gateway
    apply(running, "e4", PRODUCT_SDL % {"topic": "e4-product"}, tmp_path)
    created = running.quick(
        "topic", "create", "e4-product", "--key", "int", "--value", "schema", "-s", "e4.Product", "--range-field",
        "timestamp",
    )  # fmt: skip
    assert "Created new topic e4-product\n" == created
    products = [{"key": 123, "value": {"id": 123, "name": f"v{at}", "timestamp": at}} for at in (2, 1, 4, 3)]
    products += [{"key": key, "value": {"id": key, "timestamp": -key}} for key in (456, 789, 12)]
    running.include("e4-product", running.ingest("e4-product", products))
    query = "{ products(id: 123, from: 1, to: 4) { timestamp name } }"
    expected = [{"timestamp": at, "name": f"v{at}"} for at in (1, 2, 3)]
    assert {"products": expected} == running.data("e4", query)
    answer = running.quick("range", "e4-product", "123", "--from", "1", "--to", "4")
    assert [1, 2, 3] == [json.loads(line)["timestamp"] for line in answer.splitlines()]
    with running.http() as http:
        found = http.get("/mirror/e4-product/mirror/range/123", params={"gt": 1, "lte": 4, "reverse": "true"})
    assert [4, 3, 2] == [value["timestamp"] for value in found.json()["value"]]
    deleted = running.quick("delete", "e4-product", "123")
    assert deleted
    position = running.ingest("e4-product", {"key": 1, "value": {"id": 1}})
    running.include("e4-product", position)
    until(lambda: {"products": []} == running.data("e4", query))


def test_e5_range_key(gateway: Running, tmp_path: Path) -> None:
    running = gateway
    apply(running, "e5", PURCHASE_SDL % {"topic": "e5-purchase"}, tmp_path)
    running.quick(
        "topic", "create", "e5-purchase", "--key", "string", "--value", "schema", "-s", "e5.Purchase",
        "--range-key", "userId", "--range-field", "timestamp",
    )  # fmt: skip
    purchases = [
        {"key": key, "value": {"purchaseId": key, "userId": user, "timestamp": at}}
        for key, user, at in (("abc", 1, 1), ("def", 2, 2), ("ghi", 2, 3), ("jkl", 2, 4))
    ]
    running.include("e5-purchase", running.ingest("e5-purchase", purchases))
    query = "{ purchases(user: 2, from: 1, to: 4) { purchaseId timestamp } }"
    expected = [{"purchaseId": "def", "timestamp": 2}, {"purchaseId": "ghi", "timestamp": 3}]
    assert {"purchases": expected} == running.data("e5", query)
    assert {"purchaseId": "jkl", "userId": 2, "timestamp": 4} == json.loads(running.quick("get", "e5-purchase", "jkl"))


def test_an_index_is_added_to_a_mirror_that_answers_all_the_time(gateway: Running, tmp_path: Path) -> None:
    running = gateway
    apply(running, "live", PRODUCT_SDL % {"topic": "live-product"}, tmp_path)
    running.quick("topic", "create", "live-product", "-k", "int", "-v", "schema", "-s", "live.Product")
    products = [{"key": key, "value": {"id": key, "timestamp": key % 100}} for key in range(5_000)]
    running.include("live-product", running.ingest("live-product", products))
    unlike: list[httpx.Response] = []
    is_over = threading.Event()

    def read() -> None:
        with running.http() as http:
            while not is_over.is_set():
                answer = http.get("/mirror/live-product/mirror/4711")
                if answer.status_code != 200 or answer.json()["value"]["id"] != 4711:
                    unlike.append(answer)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with running.http() as http:
            refused = http.get("/mirror/live-product/mirror/index/timestamp", params={"gte": 5, "lt": 6})
            assert 404 == refused.status_code
            running.quick("mirror", "alter", "live-product", "--index", "timestamp", "--range-field", "id")

            def is_indexed() -> bool:
                answer = http.get("/mirror/live-product/mirror/index/timestamp", params={"gte": 5, "lt": 6})
                assert answer.status_code in (200, 503), answer.text
                return answer.status_code == 200

            until(is_indexed)
            found = http.get("/mirror/live-product/mirror/index/timestamp", params={"gte": 5, "lt": 6, "limit": 20})
            assert 20 == len(found.json()["value"])
            more = {"gte": 5, "lt": 6, "limit": 100, "after": found.json()["next"]}
            rest = http.get("/mirror/live-product/mirror/index/timestamp", params=more)
            keys = [value["id"] for value in [*found.json()["value"], *rest.json()["value"]]]
            assert set(range(5, 5_000, 100)) == set(keys)
            assert 50 == len(keys)
            before = http.get("/mirror/live-product/status").json()
            running.quick("mirror", "rebuild", "live-product")
            running.include(
                "live-product", running.ingest("live-product", {"key": 1, "value": {"id": 1, "timestamp": 7}})
            )
            assert before["entries"] == 5_000
            until(lambda: is_whole(http.get("/mirror/live-product/status")))
            until(lambda: "State: ready\n" in running.quick("mirror", "describe", "live-product"))
    finally:
        is_over.set()
        reader.join()
    assert [] == unlike


def test_what_is_past_its_retention_time_is_gone(gateway: Running) -> None:
    running = gateway
    running.quick("topic", "create", "short-lived", "-k", "string", "-v", "string", "--retention-time", "3s")
    running.include("short-lived", running.ingest("short-lived", [{"key": "a", "value": "1"}]))
    with running.http() as http:
        until(lambda: http.get("/mirror/short-lived/mirror/a").status_code == 404)
        until(lambda: http.get("/mirror/short-lived/status").json()["entries"] == 0)


def test_a_mirror_is_deleted_and_created_again(gateway: Running) -> None:
    running = gateway
    running.quick("topic", "create", "unmirrored", "-k", "string", "-v", "string")
    running.include("unmirrored", running.ingest("unmirrored", {"key": "a", "value": "1"}))
    running.quick("mirror", "delete", "unmirrored")
    running.ingest("unmirrored", {"key": "a", "value": "2"})
    with running.http() as http:
        missing = http.get("/mirror/unmirrored/mirror/a")
        assert (404, True) == (missing.status_code, "quick mirror create unmirrored" in missing.text)
    running.quick("mirror", "create", "unmirrored")
    with running.http() as http:
        until(lambda: http.get("/mirror/unmirrored/mirror/a").status_code == 200)
    assert '"2"\n' == running.quick("get", "unmirrored", "a")


def is_whole(answer: httpx.Response) -> bool:
    """Return whether a status tells of a mirror that is ready, holds all products and is not behind."""
    assert answer.status_code == 200, (answer.status_code, answer.text)
    status = answer.json()
    return (status["state"], status["entries"], status["lag"]["records"]) == ("ready", 5_000, 0)
