"""Mutations on a real broker: what is in Kafka then, and what is read right after with the position of the answer."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from core.keys import digest_of, new_secret
from tests.altering import alter_in_force
from tests.ingesting import content, make_topic, texts
from tests.running import Running, until

SDL = """
type Query {
  item(id: Long): Item @topic(name: "ITEMS", keyArgument: "id")
  items(ids: [Long]): [Item] @topic(name: "ITEMS", keyArgument: "ids")
  note(key: String): String @topic(name: "NOTES", keyArgument: "key")
}
type Mutation {
  setItem(id: Long, item: ItemInput): Item @topic(name: "ITEMS")
  setItems(ids: [Long], items: [ItemInput]): [Item] @topic(name: "ITEMS")
  setNote(key: String, text: String): String @topic(name: "NOTES")
  sign(key: String, text: String): String @topic(name: "SIGNS")
  signAll(keys: [String], texts: [String]): [String] @topic(name: "SIGNS")
}
type Item { id: Int!  name: String  price: Float  kind: Kind  parts: [Part!]  big: Long }
type Part { code: String! }
enum Kind { GOOD BAD }
input ItemInput { id: Int!  name: String  price: Float  kind: Kind  parts: [PartInput!]  big: Long }
input PartInput { code: String! }
"""

FULL = {"id": 1, "name": "n", "price": 1.5, "kind": "GOOD", "parts": [{"code": "c"}], "big": 2**62}
ALL = "{ id name price kind parts { code } big }"
SET = "mutation ($id: Long, $item: ItemInput) { setItem(id: $id, item: $item) " + ALL + " }"


class Shop:
    """A gateway with a topic of records, one of texts and an immutable one."""

    def __init__(self, running: Running) -> None:
        mark = uuid.uuid4().hex[:8]
        self.running = running
        self.name = f"writes-{mark}"
        self.items, self.notes, self.signs = (f"{kind}-{mark}" for kind in ("items", "notes", "signs"))
        sdl = SDL.replace("ITEMS", self.items).replace("NOTES", self.notes).replace("SIGNS", self.signs)
        with running.http() as http:
            http.post("/manager/gateway", json={"name": self.name, "schema": sdl}).raise_for_status()
        make_topic(running, self.items, key="long", value="schema", valueSchema={"gateway": self.name, "type": "Item"})
        make_topic(running, self.notes)
        make_topic(running, self.signs, writeType="immutable")

    def post(self, query: str, *, more: Any = None, headers: dict[str, str] | None = None, **variables: Any) -> Any:
        body = {"query": query, "variables": variables, **({} if more is None else {"extensions": more})}
        with self.running.http() as http:
            return http.post(f"/gateway/{self.name}/graphql", json=body, headers=headers or {})

    def written(self, query: str, **variables: Any) -> tuple[Any, str]:
        """Return the data of a mutation, and the position of its one topic."""
        answer = self.post(query, **variables)
        body = answer.json()
        assert "errors" not in body, body
        (position,) = body["extensions"]["positions"].values()
        assert position == answer.headers["Quick-Position"]
        return body["data"], position

    def read(self, query: str, at_least: Any, **variables: Any) -> Any:
        """Return the data of a query that includes some positions."""
        answer = self.post(query, more={"atLeast": at_least}, **variables)
        assert 200 == answer.status_code, answer.text
        assert "errors" not in answer.json(), answer.text
        return answer.json()["data"]

    def mirrored(self, topic: str, key: object, at_least: str) -> httpx.Response:
        with self.running.http() as http:
            return http.get(f"/mirror/{topic}/mirror/{key}", headers={"Quick-At-Least": at_least})


@pytest.fixture(scope="module")
def shop(running: Running) -> Shop:
    return Shop(running)


def test_what_was_written_is_read_by_each_way_that_takes_its_position(shop: Shop) -> None:
    for number in range(10):  # Each time anew, so that a read which does not wait is found out.
        data, position = shop.written(SET, id=1, item={**FULL, "id": number})

        expected = {**FULL, "id": number}
        assert {"setItem": expected} == data
        assert {"item": expected} == shop.read("{ item(id: 1) " + ALL + " }", position)
        with_header = shop.post("{ item(id: 1) { id } }", headers={"Quick-At-Least": position})
        assert {"data": {"item": {"id": number}}} == with_header.json()
        assert {"value": expected} == shop.mirrored(shop.items, 1, position).json()


def test_the_position_of_an_ingest_is_taken_too(shop: Shop) -> None:
    for number in range(10):
        position = shop.running.ingest(shop.notes, {"key": "ingested", "value": f"{number}"})
        assert {"note": f"{number}"} == shop.read('{ note(key: "ingested") }', [position])


def test_positions_of_two_topics_are_waited_for_together(shop: Shop) -> None:
    query = 'mutation ($n: Int!, $t: String) { setItem(id: 2, item: {id: $n}) { id } setNote(key: "both", text: $t) }'
    for number in range(10):
        answer = shop.post(query, n=number, t=f"{number}")
        assert {shop.items, shop.notes} == set(answer.json()["extensions"]["positions"])
        read = shop.post(
            '{ item(id: 2) { id } note(key: "both") }', headers={"Quick-At-Least": answer.headers["Quick-Position"]}
        )
        assert {"data": {"item": {"id": number}, "note": f"{number}"}} == read.json()


def test_null_deletes(shop: Shop) -> None:
    shop.written(SET, id=3, item=FULL)
    data, position = shop.written(SET, id=3, item=None)

    assert {"setItem": None} == data
    assert {"item": None} == shop.read("{ item(id: 3) { id } }", position)
    assert 404 == shop.mirrored(shop.items, 3, position).status_code


def test_optional_fields_may_be_left_out(shop: Shop) -> None:
    expected = {**dict.fromkeys(FULL), "id": 7}
    data, position = shop.written(SET, id=4, item={"id": 7})

    assert {"setItem": expected} == data
    assert {"item": expected} == shop.read("{ item(id: 4) " + ALL + " }", position)


def test_a_list_is_written_in_order(shop: Shop) -> None:
    ids = list(range(100, 150))
    query = "mutation ($ids: [Long], $items: [ItemInput]) { setItems(ids: $ids, items: $items) { id } }"
    data, position = shop.written(query, ids=ids, items=[{"id": number} for number in ids])

    assert {"setItems": [{"id": number} for number in ids]} == data
    read = shop.read("query ($ids: [Long]) { items(ids: $ids) { id } }", position, ids=ids)
    assert {"items": [{"id": number} for number in ids]} == read
    by_partition: dict[int, list[int]] = {}
    for record in content(shop.running.kafka, shop.items):
        if (key := int.from_bytes(record.key(), "big")) in ids:
            by_partition.setdefault(record.partition(), []).append(key)
    assert sorted(ids) == sorted(key for keys in by_partition.values() for key in keys)
    assert all(sorted(keys) == keys for keys in by_partition.values())


def test_what_cannot_be_used_writes_nothing(shop: Shop) -> None:
    before = texts(shop.running.kafka, shop.notes)
    answer = shop.post('mutation { setNote(text: "t") }').json()

    assert "key input in the mutation field should not be empty" in answer["errors"][0]["message"]
    assert before == texts(shop.running.kafka, shop.notes)


def test_a_record_beyond_the_topics_own_limit_is_not_written(running: Running) -> None:
    limited = Shop(running)
    alter_in_force(running.kafka, limited.notes, "max.message.bytes", "2000")
    query = 'mutation ($t: String) { setNote(key: "k", text: $t) }'

    assert {"setNote": "x" * 1_000} == limited.written(query, t="x" * 1_000)[0]
    refused = limited.post(query, t="x" * 3_000).json()
    assert ({"setNote": None}, "TOO_LARGE") == (refused["data"], refused["errors"][0]["extensions"]["code"])
    assert 1 == len(texts(running.kafka, limited.notes))


# Immutable topics.


def test_the_first_record_of_a_key_stays(shop: Shop) -> None:
    sign = 'mutation ($t: String) { sign(key: "k", text: $t) }'
    assert {"sign": "first"} == shop.written(sign, t="first")[0]
    answer = shop.post(sign, t="second").json()

    assert {"sign": None} == answer["data"]
    assert "CONFLICT" == answer["errors"][0]["extensions"]["code"]
    assert [("k", "first")] == [pair for pair in texts(shop.running.kafka, shop.signs) if pair[0] == "k"]


def test_of_a_list_the_new_keys_are_written(shop: Shop) -> None:
    assert {"sign": "1"} == shop.written('mutation { sign(key: "l1", text: "1") }')[0]
    query = 'mutation { signAll(keys: ["l0", "l1", "l2"], texts: ["0", "other", "2"]) }'
    answer = shop.post(query).json()

    assert {"signAll": ["0", None, "2"]} == answer["data"]
    assert [(["signAll", 1], "CONFLICT")] == [
        (error["path"], error["extensions"]["code"]) for error in answer["errors"]
    ]
    position = answer["extensions"]["positions"][shop.signs]
    assert {"value": "2"} == shop.mirrored(shop.signs, "l2", position).json()
    assert {"value": "1"} == shop.mirrored(shop.signs, "l1", position).json()


def test_of_two_who_write_a_key_at_the_same_time_exactly_one_is_told_yes(shop: Shop) -> None:
    query = "mutation ($k: String, $t: String) { sign(key: $k, text: $t) }"
    for number in range(20):
        key, together = f"race-{number}", threading.Barrier(2)

        def attempt(text: str, key: str = key, together: threading.Barrier = together) -> Any:
            together.wait(30)
            return shop.post(query, k=key, t=text).json()

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(attempt, ("one", "two")))
        winners = [answer for answer in answers if "errors" not in answer]
        losers = [answer for answer in answers if "errors" in answer]
        assert (1, 1) == (len(winners), len(losers)), answers
        assert "CONFLICT" == losers[0]["errors"][0]["extensions"]["code"]
        position = winners[0]["extensions"]["positions"][shop.signs]
        assert {"value": winners[0]["data"]["sign"]} == shop.mirrored(shop.signs, key, position).json()


def test_rest_and_graphql_see_each_others_keys(shop: Shop) -> None:
    shop.running.ingest(shop.signs, {"key": "by-rest", "value": "1"})
    answer = shop.post('mutation { sign(key: "by-rest", text: "2") }').json()
    assert "CONFLICT" == answer["errors"][0]["extensions"]["code"]

    shop.written('mutation { sign(key: "by-graphql", text: "1") }')
    with shop.running.http() as http:
        refused = http.post(f"/ingest/{shop.signs}", json={"key": "by-graphql", "value": "2"})
    assert 400 == refused.status_code


# Positions of other topics.


def test_a_position_of_a_topic_that_was_made_again_is_refused_as_by_its_mirror(shop: Shop) -> None:
    again = Shop(shop.running)
    _, position = again.written('mutation { setNote(key: "k", text: "t") }')
    with again.running.http() as http:
        http.delete(f"/manager/topic/{again.notes}").raise_for_status()
    make_topic(again.running, again.notes)
    until(lambda: again.post('{ note(key: "k") }').json() == {"data": {"note": None}})

    answers = [again.post('{ note(key: "k") }', more={"atLeast": position}), again.mirrored(again.notes, "k", position)]
    assert [400, 400] == [answer.status_code for answer in answers]
    assert all("as it is now" in answer.json()["detail"] for answer in answers)


# Who may write.


@pytest.fixture(scope="module")
def key(running: Running) -> Callable[..., str]:
    """Return a function that makes a key with scopes."""

    def key(*scopes: str) -> str:
        name = f"k-{uuid.uuid4().hex[:8]}"
        secret = new_secret(name)
        with running.http() as http:
            body = {"scopes": list(scopes), "digest": digest_of(secret)}
            http.post(f"/manager/key/{name}", json=body).raise_for_status()
        return secret

    return key


def test_a_key_that_may_only_read_does_not_write(shop: Shop, key: Callable[..., str]) -> None:
    write, read = 'mutation { setNote(key: "scoped", text: "t") }', '{ note(key: "scoped") }'
    reader = {"X-API-Key": key(f"read:{shop.name}", f"ingest:{shop.items}")}
    refused = shop.post(write, headers=reader)

    assert 403 == refused.status_code
    assert "You are not allowed to access this resource." in refused.json()["detail"]
    assert f"lacks the scope ingest:{shop.notes}" in refused.json()["detail"]
    assert {"data": {"note": None}} == shop.post(read, headers=reader).json()
    writer = {"X-API-Key": key(f"read:{shop.name}", f"ingest:{shop.notes}")}
    assert {"setNote": "t"} == shop.post(write, headers=writer).json()["data"]


def test_a_key_that_may_only_write_does_not_reach_the_gateway(shop: Shop, key: Callable[..., str]) -> None:
    headers = {"X-API-Key": key(f"ingest:{shop.notes}")}

    assert 403 == shop.post('mutation { setNote(key: "k", text: "t") }', headers=headers).status_code
