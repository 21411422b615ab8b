"""Mutations of a gateway through its executor: what is written, what comes back, what is refused and how."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import BusyError, KafkaRefusedError, QuickError, StandsStillError, UnavailableError, ViewBehindError
from core.position import Position
from core.sdl import parse_gateway_schema
from core.types import TopicType
from services.gateway import operations
from services.gateway.answers import Answer
from services.gateway.executor import GatewayExecutor
from services.gateway.writing import UnknownOutcomeError
from tests.services.memory_topics import MemoryTopic, MemoryTopics, avro, avro_text, plain, protobuf

TYPES = """
type Product { productId: Int!  name: String  price: Price  kind: Kind  tags: [String!]  maker: ID }
type Price { total: Float!  currency: String }
enum Kind { GOOD BAD }
"""

SHOP = """
type Query { product(id: Long): FullProduct @topic(name: "products", keyArgument: "id") }
type Mutation {
  setProduct(id: Long, product: ProductInput): FullProduct @topic(name: "products")
  setProducts(ids: [Long], products: [ProductInput]): [FullProduct] @topic(name: "products")
  setEachProduct(ids: [Long!]!, products: [ProductInput]!): [FullProduct!]! @topic(name: "products")
  needProduct(id: Long, product: ProductInput): FullProduct! @topic(name: "products")
  setCount(key: String, value: Long = 7): Long @topic(name: "counts")
  sign(key: ID!, text: String): String @topic(name: "signs")
  signAll(keys: [ID], texts: [String]): [String] @topic(name: "signs")
  rate(product: Int!, stars: Int!): Float @topic(name: "ratings")
  write(from: String, class: Kind): Kind @topic(name: "names")
  lost(key: String, value: String): String @topic(name: "nowhere")
}
input ProductInput { productId: Int!  name: String  price: PriceInput  kind: Kind  tags: [String!]  maker: ID }
input PriceInput { total: Float!  currency: String = "EUR" }
type FullProduct {
  productId: Int  name: String  price: Price  kind: Kind  tags: [String!]  maker: ID
  count: Long @topic(name: "counts", keyField: "name")
}
type Price { total: Float!  currency: String }
enum Kind { GOOD BAD }
"""

SHOES = {"productId": 1, "name": "Shoes", "price": {"total": 9.5}, "kind": "BAD", "tags": ["a"], "maker": "m"}
ALL = "{ productId name price { total currency } kind tags maker }"
SET = "mutation ($id: Long, $product: ProductInput) { setProduct(id: $id, product: $product) " + ALL + " }"


def made(products: MemoryTopic | None = None) -> MemoryTopics:
    return MemoryTopics(
        products or avro("products", TopicType.LONG, TYPES, "Product"),
        plain("counts", TopicType.STRING, TopicType.LONG),
        plain("signs", TopicType.STRING, TopicType.STRING, is_immutable=True),
        plain("ratings", TopicType.DOUBLE, TopicType.DOUBLE),
        plain("names", TopicType.STRING, TopicType.STRING),
    )


@pytest.fixture
def topics() -> MemoryTopics:
    return made()


def send(topics: MemoryTopics, query: str, **variables: Any) -> Answer:
    executor = GatewayExecutor(parse_gateway_schema(SHOP), topics, "shop", writer=topics)
    answer = executor.execute(query, None, variables)
    json.dumps(answer)  # What goes back must be JSON.
    return answer


def data_of(topics: MemoryTopics, query: str, **variables: Any) -> Any:
    answer = send(topics, query, **variables)
    assert "errors" not in answer, answer
    return answer["data"]


def errors_of(topics: MemoryTopics, query: str, **variables: Any) -> list[tuple[list[str | int], str | None, str]]:
    """Return path, code and message of each error."""
    return [
        (error["path"], error["extensions"].get("code"), error["message"])
        for error in send(topics, query, **variables)["errors"]
    ]


# What is written and what comes back.


@pytest.mark.parametrize("make", [avro, protobuf])
def test_a_record_is_written_and_comes_back_as_it_is_read(make: Callable[..., MemoryTopic]) -> None:
    topics = made(make("products", TopicType.LONG, TYPES, "Product"))
    expected = {**SHOES, "price": {"total": 9.5, "currency": "EUR"}}

    assert {"setProduct": expected} == data_of(topics, SET, id=2**40, product=SHOES)
    assert {"product": expected} == data_of(topics, "{ product(id: 1099511627776) " + ALL + " }")


def test_a_value_may_stand_in_the_query() -> None:
    topics = made()
    query = "mutation { setProduct(id: 1, product: {productId: 5, kind: GOOD, maker: 7}) { productId kind maker } }"

    assert {"setProduct": {"productId": 5, "kind": "GOOD", "maker": "7"}} == data_of(topics, query)


@pytest.mark.parametrize("left_out", [{}, dict.fromkeys(("name", "price", "kind", "tags", "maker"))])
@pytest.mark.parametrize("make", [avro, protobuf])
def test_optional_fields_may_be_left_out_or_null(make: Callable[..., MemoryTopic], left_out: dict[str, None]) -> None:
    topics = made(make("products", TopicType.LONG, TYPES, "Product"))
    answer = data_of(topics, SET, id=1, product={"productId": 3, **left_out})["setProduct"]

    assert 3 == answer["productId"]
    assert [None] * 4 == [answer[name] for name in ("name", "price", "kind", "maker")]
    assert not answer["tags"]  # Protobuf knows no null list.


def test_optional_fields_may_be_left_out_where_the_schema_has_no_defaults() -> None:
    schema = {
        "type": "record",
        "name": "Product",
        "fields": [
            {"name": "productId", "type": "int"},
            {"name": "name", "type": ["null", "string"]},
            {"name": "maker", "type": "string", "default": "unknown"},
        ],
    }
    topics = made(avro_text("products", TopicType.LONG, json.dumps(schema)))

    answer = data_of(topics, SET, id=1, product={"productId": 3})["setProduct"]
    assert (3, None, "unknown") == (answer["productId"], answer["name"], answer["maker"])


def test_fields_of_the_result_are_joined_with_other_topics(topics: MemoryTopics) -> None:
    query = 'mutation { setCount(key: "Shoes", value: 4)  setProduct(id: 1, product: {productId: 1, name: "Shoes"}) '

    assert {"setCount": 4, "setProduct": {"name": "Shoes", "count": 4}} == data_of(topics, query + "{ name count } }")


def test_keys_and_values_of_primitive_types(topics: MemoryTopics) -> None:
    assert {"setCount": 2**62} == data_of(topics, 'mutation { setCount(key: "k", value: "4611686018427387904") }')
    assert {"rate": 5.0} == data_of(topics, "mutation { rate(product: 3, stars: 5) }")
    assert {"sign": ""} == data_of(topics, 'mutation { sign(key: 12, text: "") }')
    assert {"write": "GOOD"} == data_of(topics, 'mutation { write(from: "", class: GOOD) }')

    assert [{"k": 2**62}, {3.0: 5.0}, {"12": ""}, {"": "GOOD"}] == [
        topics.topic(name).current() for name in ("counts", "ratings", "signs", "names")
    ]


def test_a_default_of_the_value_is_written(topics: MemoryTopics) -> None:
    assert {"setCount": 7} == data_of(topics, 'mutation { setCount(key: "k") }')


def test_null_deletes_the_key(topics: MemoryTopics) -> None:
    data_of(topics, SET, id=1, product=SHOES)

    assert {"setProduct": None} == data_of(topics, SET, id=1, product=None)
    assert {} == topics.topic("products").current()
    assert 2 == len(topics.topic("products").log)


def test_fields_write_one_after_the_other_and_go_on_after_a_failure(topics: MemoryTopics) -> None:
    query = """mutation {
      a: setCount(key: "k", value: 1)
      b: setCount(key: null, value: 2)
      c: setCount(key: "k", value: 3)
      d: lost(key: "k", value: "v")
      e: setCount(key: "l", value: 4)
    }"""
    answer = send(topics, query)

    assert {"a": 1, "b": None, "c": 3, "d": None, "e": 4} == answer["data"]
    assert [["b"], ["d"]] == [error["path"] for error in answer["errors"]]
    assert {"k": 3, "l": 4} == topics.topic("counts").current()


# Lists.


def test_lists_are_written_together_and_come_back_in_order(topics: MemoryTopics) -> None:
    query = "mutation ($p: [ProductInput]) { setProducts(ids: [3, 1, 2], products: $p) { productId } }"
    products = [{"productId": number} for number in (30, 10, 20)]

    assert {"setProducts": products} == data_of(topics, query, p=products)
    assert [3] == topics.batches
    assert [3, 1, 2] == list(topics.topic("products").current())


def test_a_null_in_a_list_deletes_its_key(topics: MemoryTopics) -> None:
    data_of(topics, SET, id=2, product=SHOES)
    query = "mutation { setProducts(ids: [1, 2], products: [{productId: 1}, null]) { productId } }"

    assert {"setProducts": [{"productId": 1}, None]} == data_of(topics, query)
    assert [1] == list(topics.topic("products").current())


def test_empty_lists_write_nothing(topics: MemoryTopics) -> None:
    assert {"setProducts": []} == data_of(topics, "mutation { setProducts(ids: [], products: []) { productId } }")
    assert [] == topics.topic("products").log


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("ids: [1, 2], products: [{productId: 1}]", "The list ids has 2 elements and the list products has 1."),
        ("ids: [1], products: null", "The list products is null."),
        ("ids: [1], products: []", "The list ids has 1 elements and the list products has 0."),
        ("ids: [1, null], products: [null, null]", "key input in the mutation field should not be empty (record 2 of"),
    ],
)
def test_lists_that_do_not_fit_each_other_write_nothing(topics: MemoryTopics, arguments: str, message: str) -> None:
    ((path, code, told),) = errors_of(topics, f"mutation {{ setProducts({arguments}) {{ name }} }}")

    assert (["setProducts"], "INVALID") == (path, code)
    assert message in told
    assert [] == topics.topic("products").log


def test_a_list_without_nulls_deletes_nothing(topics: MemoryTopics) -> None:
    query = "mutation { setEachProduct(ids: [1, 2], products: [{productId: 1}, null]) { productId } }"
    ((path, code, told),) = errors_of(topics, query)

    assert (["setEachProduct"], "INVALID") == (path, code)
    assert "declares what the mutation returns as non-null" in told
    assert "(record 2 of 2; nothing was written)" in told
    assert [] == topics.topic("products").log


# Immutable topics.


def test_an_existing_key_of_an_immutable_topic_is_a_conflict(topics: MemoryTopics) -> None:
    assert {"sign": "first"} == data_of(topics, 'mutation { sign(key: "k", text: "first") }')
    answer = send(topics, 'mutation { sign(key: "k", text: "second") }')

    assert {"sign": None} == answer["data"]
    assert {"classification": "DataFetchingException", "code": "CONFLICT"} == answer["errors"][0]["extensions"]
    assert "The key k already exists for this immutable topic." in answer["errors"][0]["message"]
    assert "extensions" not in answer
    assert {"k": "first"} == topics.topic("signs").current()


def test_in_a_list_only_the_existing_keys_are_errors(topics: MemoryTopics) -> None:
    answer = send(topics, 'mutation { signAll(keys: ["a", "b", "a"], texts: ["1", "2", "3"]) }')

    assert {"signAll": ["1", "2", None]} == answer["data"]
    assert [(["signAll", 2], "CONFLICT")] == [(e["path"], e["extensions"]["code"]) for e in answer["errors"]]
    assert ["signs"] == list(answer["extensions"]["positions"])


def test_nothing_of_an_immutable_topic_is_deleted(topics: MemoryTopics) -> None:
    ((_, code, told),) = errors_of(topics, 'mutation { sign(key: "k", text: null) }')

    assert "INVALID" == code
    assert "topic signs is immutable: nothing of it is deleted" in told
    assert [] == topics.topic("signs").log


# What is refused before anything is written.


@pytest.mark.parametrize("query", ["mutation { setCount(value: 1) }", "mutation { setCount(key: null, value: 1) }"])
def test_a_missing_key_is_told_in_the_words_of_quick(topics: MemoryTopics, query: str) -> None:
    assert [
        (
            ["setCount"],
            "INVALID",
            "Exception while fetching data (/setCount) : key input in the mutation field should not be empty",
        )
    ] == errors_of(topics, query)


def test_a_missing_value_deletes_nothing(topics: MemoryTopics) -> None:
    query = "mutation ($product: ProductInput) { setProduct(id: 1, product: $product) { name } }"
    ((_, code, told),) = errors_of(topics, query)

    assert "INVALID" == code
    assert "The argument product is missing. Give a value; null deletes the key." in told
    assert [] == topics.topic("products").log


def test_a_field_that_is_never_null_deletes_nothing(topics: MemoryTopics) -> None:
    answer = send(topics, "mutation { needProduct(id: 1, product: null) { name } }")

    assert answer["data"] is None
    assert "let the field be nullable in the schema" in answer["errors"][0]["message"]
    assert [] == topics.topic("products").log


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ('mutation { lost(key: "k", value: "v") }', "NOT_FOUND", "Topic nowhere not found"),
        ('mutation { sign(key: "k", text: "' + "x" * 2_000 + '") }', "TOO_LARGE", "Send a smaller one"),
    ],
)
def test_each_refusal_has_a_code(topics: MemoryTopics, query: str, code: str, message: str) -> None:
    ((_, told_code, told),) = errors_of(topics, query)

    assert code == told_code
    assert message in told


def test_what_does_not_fit_the_topic_is_told_with_its_place() -> None:
    stored = "type Product { productId: Int!  price: Price! } type Price { total: Float!  currency: Int! }"
    topics = made(avro("products", TopicType.LONG, stored, "Product"))
    ((_, code, told),) = errors_of(topics, SET, id=1, product=SHOES)

    assert "INVALID" == code
    assert "Field price.currency is expected to be type" in told
    assert [] == topics.topic("products").log


def test_a_key_of_another_type_is_refused() -> None:
    topics = made(avro("products", TopicType.INTEGER, TYPES, "Product"))
    ((_, code, told),) = errors_of(topics, SET, id=2**40, product=SHOES)

    assert "INVALID" == code
    assert "1099511627776 cannot be a key of topic" in told


# Failures of the write.


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (UnknownOutcomeError("counts", "Kafka did not answer."), "OUTCOME_UNKNOWN"),
        (ViewBehindError("The mirror has not reached the records."), "OUTCOME_UNKNOWN"),
        (KafkaRefusedError("Kafka says no."), "REFUSED"),
        (StandsStillError("The topic is unsafe."), "STANDS_STILL"),
        (BusyError("Come again."), "BUSY"),
        (UnavailableError("It is being created."), "UNAVAILABLE"),
        (QuickError("Something else."), "INTERNAL"),
    ],
)
def test_a_failed_write_is_never_told_as_a_success(topics: MemoryTopics, failure: QuickError, code: str) -> None:
    topics.failure = failure
    answer = send(topics, 'mutation { setCount(key: "k", value: 1) }')

    assert {"setCount": None} == answer["data"]
    assert code == answer["errors"][0]["extensions"]["code"]
    assert str(failure) in answer["errors"][0]["message"]
    assert "extensions" not in answer


def test_what_an_unexpected_failure_says_stays_inside(topics: MemoryTopics) -> None:
    topics.failure = RuntimeError("a secret")  # type: ignore[assignment]  # what nobody foresees
    answer = send(topics, 'mutation { setCount(key: "k", value: 1) }')

    assert "a secret" not in json.dumps(answer)
    assert "Internal error" in answer["errors"][0]["message"]


def test_nothing_is_written_after_the_time_is_up(topics: MemoryTopics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations.time, "monotonic", iter([0.0, 10.0, 31.0]).__next__)
    answer = send(topics, 'mutation { a: setCount(key: "k", value: 1) b: setCount(key: "k", value: 2) }')

    assert {"a": 1, "b": None} == answer["data"]
    assert "UNAVAILABLE" == answer["errors"][0]["extensions"]["code"]
    assert {"k": 1} == topics.topic("counts").current()


def test_a_query_that_reaches_the_mutations_writes_nothing() -> None:
    topics = made()
    sdl = """type Query { way: Mutation }
      type Mutation { set(key: String, value: Long): Long @topic(name: "counts") }"""
    executor = GatewayExecutor(parse_gateway_schema(sdl), topics, "shop", writer=topics)
    answer = executor.execute('{ way { set(key: "k", value: 1) } }')
    assert "at the top of a mutation only" in answer["errors"][0]["message"]
    assert [] == topics.topic("counts").log


def test_a_gateway_that_cannot_write_says_so(topics: MemoryTopics) -> None:
    answer = GatewayExecutor(parse_gateway_schema(SHOP), topics).execute('mutation { setCount(key: "k") }')

    assert "NOT_AVAILABLE" == answer["errors"][0]["extensions"]["code"]


# Positions.


def test_the_answer_tells_up_to_where_each_topic_is_written(topics: MemoryTopics) -> None:
    query = """mutation {
      a: setCount(key: "k", value: 1)  b: setCount(key: "l", value: 2)  sign(key: "k", text: "t")
    }"""

    assert {
        "counts": Position("counts", {0: 1}).token(),
        "signs": Position("signs", {0: 0}).token(),
    } == send(topics, query)["extensions"]["positions"]


def test_positions_of_what_was_written_before_a_failure_are_told(topics: MemoryTopics) -> None:
    query = 'mutation { setCount(key: "k", value: 1)  needProduct(id: 1, product: null) { name } }'
    answer = send(topics, query)

    assert answer["data"] is None
    assert {"counts": Position("counts", {0: 0}).token()} == answer["extensions"]["positions"]


def test_a_query_tells_no_positions(topics: MemoryTopics) -> None:
    assert {"data": {"product": None}} == send(topics, "{ product(id: 1) { name } }")


def test_positions_of_several_writes_to_one_topic_are_joined() -> None:
    written = operations.RunningOperation(MemoryTopics())
    for offsets in ({0: 5, 1: 2}, {1: 4}, {0: 3, 2: 0}):
        written.note_written("t", Position("id", offsets).token())

    assert Position("id", {0: 5, 1: 4, 2: 0}) == Position.parse(written.positions["t"])
