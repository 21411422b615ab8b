"""Lists of a gateway on a real broker: pages, and conditions that appear with an index."""

from __future__ import annotations

from typing import Any

from tests.running import Running, until

SDL = """
type Query { items: [Item] @topic(name: "list-item") }
type Item { id: Int!  price: Float  kind: String }
"""
WALK = """query ($after: String) {
  itemsConnection(first: 70, after: $after) { edges { node { id } } pageInfo { hasNextPage endCursor } }
}"""
CHEAP = "{ items(where: {price: {gte: 2, lt: 4}}) { id price } }"


def test_conditions_appear_with_an_index_while_the_gateway_answers(running: Running) -> None:
    running.quick("gateway", "create", "lists")
    running.quick("gateway", "apply", "lists", "-f", "-", stdin=SDL)
    running.quick("topic", "create", "list-item", "-k", "int", "-v", "schema", "-s", "lists.Item")
    items = [{"key": key, "value": {"id": key, "price": (key % 50) / 10, "kind": "a"}} for key in range(200)]
    running.include("list-item", running.ingest("list-item", items))

    walked: list[int] = []
    after, has_more = None, True
    while has_more:
        data: Any = running.data("lists", WALK, after=after)
        page = data["itemsConnection"]
        walked += [edge["node"]["id"] for edge in page["edges"]]
        after, has_more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert list(range(200)) == sorted(walked)
    assert "Unknown argument 'where'" in str(running.ask("lists", CHEAP)["errors"])

    running.quick("mirror", "alter", "list-item", "--index", "price")
    seen: set[str] = set()

    found: dict[str, Any] = {}

    def is_found() -> bool:
        answer: Any = running.ask("lists", CHEAP)
        seen.update(error["message"] for error in answer.get("errors", ()))
        found.update(answer.get("data") or {})
        return "errors" not in answer

    until(is_found)
    assert all("declared, but not built yet" in message for message in seen), seen
    prices = [item["price"] for item in found["items"]]
    assert sorted(prices) == prices
    assert {item["value"]["id"] for item in items if 2 <= item["value"]["price"] < 4} == {
        item["id"] for item in found["items"]
    }
    assert SDL.strip() == running.quick("gateway", "schema", "lists").strip()
