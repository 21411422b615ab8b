import logging
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.errors import UnavailableError
from core.sdl import parse_gateway_schema
from core.types import TopicType
from services.gateway.answers import Answer
from services.gateway.executor import GatewayExecutor
from tests.services.memory_mirrors import MemoryMirrors

SHOES = {"productId": 123, "name": "Shoes", "price": {"total": 9.5, "currency": "EUR"}, "metadata": None}
SHIRT = {
    "productId": 456,
    "name": "T-Shirt",
    "price": {"total": 20.0, "currency": "USD"},
    "metadata": {"created_at": 7},
}

SHOP = """
type Query {
  findProduct(productId: Int): Product @topic(name: "products", keyArgument: "productId")
  findProducts(productId: [Int]): [Product] @topic(name: "products", keyArgument: "productId")
  needProducts(productId: [Int]): [Product]! @topic(name: "products", keyArgument: "productId")
  needEachProduct(productId: [Int]): [Product!] @topic(name: "products", keyArgument: "productId")
  needProduct(productId: Int = 123): Product! @topic(name: "products", keyArgument: "productId")
  allProducts: [Product] @topic(name: "products")
  findPurchase(purchaseId: ID!): Purchase @topic(name: "purchases", keyArgument: "purchaseId")
  noDirective: Product
  noDirectives: [Product]
}
type Product { productId: Int!  name: String  price: Price  metadata: Metadata }
type Price { total: Float  currency: Currency }
enum Currency { EUR USD }
type Metadata { created_at: Int  source: String }
type Purchase {
  productId: Int
  productIds: [Int]
  product: Product @topic(name: "products", keyField: "productId")
  products: [Product] @topic(name: "products", keyField: "productIds")
  allProducts: [Product]! @topic(name: "products", keyField: "productIds")
}
"""


def shop(**purchases: Any) -> MemoryMirrors:
    return MemoryMirrors(
        products=(TopicType.INTEGER, {123: SHOES, 456: SHIRT}), purchases=(TopicType.STRING, purchases)
    )


def ask(sdl: str, mirrors: MemoryMirrors, query: str, **variables: Any) -> Answer:
    """Return the answer of the plan, which is that of graphql-core too."""
    schema = parse_gateway_schema(sdl)
    reference = GatewayExecutor(schema, mirrors, "shop", uses_plans=False).execute(query, None, variables)
    mirrors.asked.clear()
    answer = GatewayExecutor(schema, mirrors, "shop").execute(query, None, variables)
    assert mirrors.begun == mirrors.closed
    assert without_ids(reference) == without_ids(answer)
    return answer


def without_ids(answer: Answer) -> str:
    return re.sub("[0-9a-f]{32}", "…", str(answer))


def data_of(sdl: str, mirrors: MemoryMirrors, query: str, **variables: Any) -> Any:
    answer = ask(sdl, mirrors, query, **variables)
    assert "errors" not in answer
    return answer["data"]


def errors_of(sdl: str, mirrors: MemoryMirrors, query: str, **variables: Any) -> list[str]:
    return [error["message"] for error in ask(sdl, mirrors, query, **variables)["errors"]]


def test_one_value_is_found_by_its_key_with_everything_nested() -> None:
    query = "query ($id: Int) { findProduct(productId: $id) { name price { total currency } metadata { source } } }"

    assert {
        "findProduct": {"name": "T-Shirt", "price": {"total": 20.0, "currency": "USD"}, "metadata": {"source": None}}
    } == data_of(SHOP, shop(), query, id=456)


def test_a_missing_key_is_null() -> None:
    assert {"findProduct": None} == data_of(SHOP, shop(), "{ findProduct(productId: 7) { name } }")


def test_a_scalar_topic_needs_no_object_type() -> None:
    sdl = 'type Query { findProduct(productId: Long): String @topic(name: "t", keyArgument: "productId") }'
    mirrors = MemoryMirrors(t=(TopicType.LONG, {2**40: "T-Shirt"}))

    assert {"findProduct": "T-Shirt"} == data_of(sdl, mirrors, "{ findProduct(productId: 1099511627776) }")
    assert {"findProduct": "T-Shirt"} == data_of(sdl, mirrors, '{ findProduct(productId: "1099511627776") }')


def test_lists_come_in_the_requested_order_with_null_where_a_key_is_missing() -> None:
    query = "{ findProducts(productId: [456, 7, 123, null, 456]) { name } }"

    assert {"findProducts": [{"name": "T-Shirt"}, None, {"name": "Shoes"}, None, {"name": "T-Shirt"}]} == data_of(
        SHOP, shop(), query
    )


def test_a_list_is_read_at_once() -> None:
    mirrors = shop()

    data_of(SHOP, mirrors, "{ findProducts(productId: [456, 123]) { name } }")

    assert [("products", [456, 123])] == mirrors.asked


def test_a_list_may_be_non_null_outside() -> None:
    assert {"needProducts": [{"name": "Shoes"}, None]} == data_of(
        SHOP, shop(), "{ needProducts(productId: [123, 7]) { name } }"
    )


def test_a_missing_element_of_a_non_null_list_is_an_error_at_its_place_that_names_the_key() -> None:
    answer = ask(SHOP, shop(), "{ needEachProduct(productId: [123, 7]) { name } }")

    assert {"needEachProduct": None} == answer["data"]
    assert ["needEachProduct", 1] == answer["errors"][0]["path"]
    assert (
        'Exception while fetching data (/needEachProduct[1]) : Topic "products" has no value under the key 7, '
        "and the schema declares it non-null. Write the value, or let the field be nullable."
        == answer["errors"][0]["message"]
    )


def test_a_missing_non_null_value_is_an_error_that_names_topic_and_key() -> None:
    answer = ask(SHOP, shop(), "{ needProduct(productId: 7) { name } }")

    assert answer["data"] is None
    assert 'Topic "products" has no value under the key 7' in answer["errors"][0]["message"]
    assert {"classification": "DataFetchingException"} == answer["errors"][0]["extensions"]
    assert [{"line": 1, "column": 3}] == answer["errors"][0]["locations"]


def test_defaults_of_arguments_count() -> None:
    assert {"needProduct": {"name": "Shoes"}} == data_of(SHOP, shop(), "{ needProduct { name } }")


@pytest.mark.parametrize("arguments", ["", "(productId: null)"])
def test_an_absent_key_argument_is_an_error(arguments: str) -> None:
    assert ["Exception while fetching data (/findProduct) : Could not find argument productId"] == errors_of(
        SHOP, shop(), f"{{ findProduct{arguments} {{ name }} }}"
    )


def test_all_values_are_listed() -> None:
    assert {"allProducts": [{"name": "Shoes"}, {"name": "T-Shirt"}]} == data_of(
        SHOP, shop(), "{ allProducts { name } }"
    )


def test_a_key_field_joins_each_parent() -> None:
    mirrors = shop(abc={"productId": 123, "productIds": [456, 7, 123]})
    query = '{ findPurchase(purchaseId: "abc") { product { name } products { name } allProducts { name } } }'

    listed = [{"name": "T-Shirt"}, None, {"name": "Shoes"}]
    assert {"findPurchase": {"product": {"name": "Shoes"}, "products": listed, "allProducts": listed}} == data_of(
        SHOP, mirrors, query
    )


@pytest.mark.parametrize("purchase", [{"productId": None, "productIds": None}, {}])
def test_a_null_or_absent_key_field_gives_null_or_an_empty_non_null_list(purchase: Any) -> None:
    mirrors = shop(abc=purchase)
    query = '{ findPurchase(purchaseId: "abc") { product { name } products { name } allProducts { name } } }'

    assert {"findPurchase": {"product": None, "products": None, "allProducts": []}} == data_of(SHOP, mirrors, query)
    assert [("purchases", ["abc"])] == mirrors.asked


def test_only_the_key_field_of_the_parent_itself_counts() -> None:
    sdl = """
    type Query { a(k: ID): Outer @topic(name: "outer", keyArgument: "k") }
    type Outer { inner: Inner  id: Int  name: String @topic(name: "names", keyField: "id") }
    type Inner { id: Int }
    """
    mirrors = MemoryMirrors(
        outer=(TopicType.STRING, {"x": {"inner": {"id": 1}, "id": 2}}), names=(TopicType.INTEGER, {1: "one", 2: "two"})
    )

    assert {"a": {"name": "two"}} == data_of(sdl, mirrors, '{ a(k: "x") { name } }')


@pytest.mark.parametrize(
    ("argument", "literal", "key_type", "key"),
    [
        ("Int", "5", TopicType.LONG, 5),
        ("Int", "5", TopicType.DOUBLE, 5.0),
        ("Long", "5", TopicType.LONG, 5),
        ("Float", "1.5", TopicType.DOUBLE, 1.5),
        ("ID", "5", TopicType.STRING, "5"),
        ("String", '"5"', TopicType.STRING, "5"),
        ("E", "mro", TopicType.STRING, "mro"),
    ],
)
def test_keys_are_widened(argument: str, literal: str, key_type: TopicType, key: Any) -> None:
    sdl = f'type Query {{ a(k: {argument}): String @topic(name: "t", keyArgument: "k") }} enum E {{ mro }}'
    mirrors = MemoryMirrors(t=(key_type, {key: "found"}))

    assert {"a": "found"} == data_of(sdl, mirrors, f"{{ a(k: {literal}) }}")
    assert [[type(key)]] == [[type(asked) for asked in keys] for _, keys in mirrors.asked]


def test_a_record_key_is_a_plain_dict_with_the_names_of_the_schema() -> None:
    sdl = """
    type Query { a(k: K): String @topic(name: "t", keyArgument: "k") }
    input K { from: Int  class: [K!]  kind: E = GONE }
    enum E { GONE }
    """
    asked: list[Any] = []

    class RecordMirrors(MemoryMirrors):
        def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any]:
            asked.append(keys[0])
            return ["found"]

    assert {"a": "found"} == data_of(
        sdl, RecordMirrors(t=(TopicType.SCHEMA, {})), "{ a(k: { from: 1, class: [{ from: 2 }] }) }"
    )
    assert [{"from": 1, "class": [{"from": 2, "kind": "GONE"}], "kind": "GONE"}] * 2 == asked


def test_a_key_of_the_wrong_type_is_an_error_with_the_way_out() -> None:
    sdl = 'type Query { a(k: String): String @topic(name: "t", keyArgument: "k") }'

    (message,) = errors_of(sdl, MemoryMirrors(t=(TopicType.LONG, {})), '{ a(k: "x") }')
    assert "'x' cannot be a key of topic \"t\", whose keys are of type long." in message


def test_a_key_field_that_is_no_list_is_an_error_where_a_list_is_declared() -> None:
    (message,) = errors_of(
        SHOP, shop(abc={"productIds": 5}), '{ findPurchase(purchaseId: "abc") { products { name } } }'
    )

    assert '5 is no list of keys of topic "products".' in message


def test_a_topic_that_does_not_exist_is_an_error_of_its_field_only() -> None:
    sdl = 'type Query { a: [String] @topic(name: "gone")  b: [String] @topic(name: "t") }'
    answer = ask(sdl, MemoryMirrors(t=(TopicType.STRING, {"k": "v"})), "{ a b }")

    assert {"a": None, "b": ["v"]} == answer["data"]
    assert ["Exception while fetching data (/a) : Topic gone not found in topic registry"] == [
        error["message"] for error in answer["errors"]
    ]


def test_a_topic_may_come_after_the_schema_and_change_its_key_type() -> None:
    sdl = 'type Query { a(k: Int): String @topic(name: "t", keyArgument: "k") }'
    mirrors = MemoryMirrors()
    executor = GatewayExecutor(parse_gateway_schema(sdl), mirrors)
    assert "errors" in executor.execute("{ a(k: 1) }")

    mirrors.topics["t"] = (TopicType.INTEGER, {1: "whole"})
    assert {"data": {"a": "whole"}} == executor.execute("{ a(k: 1) }")
    mirrors.topics["t"] = (TopicType.DOUBLE, {1.0: "double"})
    assert {"data": {"a": "double"}} == executor.execute("{ a(k: 1) }")


def test_fields_without_directive_are_null_at_the_root() -> None:
    assert {"noDirective": None, "noDirectives": None} == data_of(
        SHOP, shop(), "{ noDirective { name } noDirectives { name } }"
    )


def test_the_placeholder_answers() -> None:
    assert {"dummy": None, "__typename": "Empty"} == data_of("", MemoryMirrors(), "{ dummy __typename }")


def test_a_value_that_is_no_record_is_an_error_of_the_field_below() -> None:
    (message,) = errors_of(
        SHOP, MemoryMirrors(products=(TopicType.INTEGER, {1: "text"})), "{ findProduct(productId: 1) { name } }"
    )

    assert "The field name belongs to a record, but the value above it is a str." in message


def test_an_enum_value_that_the_schema_lacks_is_an_error_of_its_field() -> None:
    mirrors = MemoryMirrors(products=(TopicType.INTEGER, {1: {"price": {"currency": "XXX"}}}))

    answer = ask(SHOP, mirrors, "{ findProduct(productId: 1) { price { currency } } }")

    assert {"findProduct": {"price": {"currency": None}}} == answer["data"]
    assert "cannot represent value: 'XXX'" in answer["errors"][0]["message"]


TINY_URL = """
type Query {
  fetchCountOfToken(token: String): TinyUrlCount
  twice(token: String): Wrapper!
  fetch(token: String): Named @topic(name: "names", keyArgument: "token")
}
type Wrapper { inner: TinyUrlCount!  more: Wrapper }
type TinyUrlCount {
  tinyUrl: TinyUrl @topic(name: "tiny-url", keyArgument: "token")
  count: Long @topic(name: "count-fetch", keyArgument: "token")
  everything: [Long] @topic(name: "count-fetch")
}
type TinyUrl { token: String  url: String  count: Long @topic(name: "count-fetch", keyArgument: "token") }
type Named { name: String  count: Long @topic(name: "count-fetch", keyArgument: "token") }
"""


def tiny_url() -> MemoryMirrors:
    topics: dict[str, tuple[TopicType, Mapping[Any, Any]]] = {
        "tiny-url": (TopicType.STRING, {"d9p": {"token": "d9p", "url": "https://x"}}),
        "count-fetch": (TopicType.STRING, {"d9p": 2, "abc": 5}),
        "names": (TopicType.STRING, {"abc": {"name": "n"}}),
    }
    return MemoryMirrors(**topics)


def test_arguments_of_a_query_field_reach_all_fields_below() -> None:
    query = '{ fetchCountOfToken(token: "d9p") { tinyUrl { url count } count everything } }'

    assert {
        "fetchCountOfToken": {"tinyUrl": {"url": "https://x", "count": 2}, "count": 2, "everything": [2, 5]}
    } == data_of(TINY_URL, tiny_url(), query)


def test_forwarded_arguments_pass_through_objects_without_a_value() -> None:
    query = '{ twice(token: "d9p") { inner { count } more { more { inner { count } } } } }'

    assert {"twice": {"inner": {"count": 2}, "more": {"more": {"inner": {"count": 2}}}}} == data_of(
        TINY_URL, tiny_url(), query
    )


def test_a_field_with_its_own_topic_forwards_too() -> None:
    assert {"fetch": {"name": "n", "count": 5}} == data_of(
        TINY_URL, tiny_url(), '{ fetch(token: "abc") { name count } }'
    )


def test_aliases_of_one_field_forward_their_own_arguments() -> None:
    query = '{ a: fetchCountOfToken(token: "d9p") { count } b: fetchCountOfToken(token: "abc") { count } }'

    assert {"a": {"count": 2}, "b": {"count": 5}} == data_of(TINY_URL, tiny_url(), query)


def test_an_argument_that_was_not_forwarded_is_an_error() -> None:
    assert ["Exception while fetching data (/fetchCountOfToken/count) : Could not find argument token"] == errors_of(
        TINY_URL, tiny_url(), "{ fetchCountOfToken { count } }"
    )


def test_own_arguments_come_before_forwarded_ones() -> None:
    sdl = """
    type Query { a(k: String): A }
    type A { own(k: String): Long @topic(name: "t", keyArgument: "k")  above: Long @topic(name: "t", keyArgument: "k") }
    """
    mirrors = MemoryMirrors(t=(TopicType.STRING, {"x": 1, "y": 2}))

    assert {"a": {"own": 2, "above": 1}} == data_of(sdl, mirrors, '{ a(k: "x") { own(k: "y") above } }')


def test_arguments_may_have_the_names_of_our_parameters() -> None:
    sdl = """
    type Query {
      a(self: Int, info: Int, parent: Int, _info: Int, _parent: Int, arguments: Int, resolver: Int, k: Int): A
    }
    type A { b(self: Int, parent: Int, info: Int): Int  c: Int @topic(name: "t", keyArgument: "k") }
    """
    mirrors = MemoryMirrors(t=(TopicType.INTEGER, {1: 10}))

    assert {"a": {"c": 10, "b": None}} == data_of(
        sdl,
        mirrors,
        "{ a(self: 1, info: 2, parent: 3, _info: 4, _parent: 5, arguments: 6, resolver: 7, k: 1) "
        "{ c b(self: 1, parent: 2, info: 3) } }",
    )


def test_an_unexpected_error_tells_nothing_but_an_id_that_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class BrokenMirrors(MemoryMirrors):
        def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any]:
            raise RuntimeError("password=secret")

    with caplog.at_level(logging.ERROR):
        answer = ask(SHOP, BrokenMirrors(products=(TopicType.INTEGER, {})), "{ findProduct(productId: 1) { name } }")

    message = answer["errors"][0]["message"]
    assert "secret" not in str(answer)
    assert message.startswith("Exception while fetching data (/findProduct) : Internal error.")
    assert message.rpartition(" ")[2] in caplog.text
    assert "Gateway shop failed at /findProduct" in caplog.text
    assert "password=secret" in caplog.text


def test_our_own_errors_are_told() -> None:
    class AbsentMirrors(MemoryMirrors):
        def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any]:
            raise UnavailableError("The mirror of products is being built. Try again.")

    assert [
        "Exception while fetching data (/findProduct) : The mirror of products is being built. Try again."
    ] == errors_of(SHOP, AbsentMirrors(products=(TopicType.INTEGER, {})), "{ findProduct(productId: 1) { name } }")


def test_null_in_a_non_null_property_is_told_as_such() -> None:
    mirrors = MemoryMirrors(products=(TopicType.INTEGER, {1: {"name": "x"}}))

    answer = ask(SHOP, mirrors, "{ findProduct(productId: 1) { productId } }")

    assert {"findProduct": None} == answer["data"]
    assert {"classification": "NullValueInNonNullableField"} == answer["errors"][0]["extensions"]
    assert ["findProduct", "productId"] == answer["errors"][0]["path"]


@pytest.mark.parametrize(
    ("query", "classification"),
    [
        ("{ findProduct(", "InvalidSyntax"),
        ("", "InvalidSyntax"),
        ("{ unknown }", "ValidationError"),
        ("query ($k: Int!) { findProduct(productId: $k) { name } }", "ValidationError"),
        ("query A { allProducts { name } } query B { allProducts { name } }", "ValidationError"),
        ("subscription { a }", "ValidationError"),
        ("type A { a: Int }", "ValidationError"),
    ],
)
def test_a_request_that_cannot_be_executed_has_errors_and_no_data(query: str, classification: str) -> None:
    answer = ask(SHOP, shop(), query)

    assert "data" not in answer
    assert {"classification": classification} == answer["errors"][0]["extensions"]


def test_variables_of_the_wrong_type_are_told() -> None:
    answer = ask(SHOP, shop(), "query ($k: Int) { findProduct(productId: $k) { name } }", k="x")

    assert "data" not in answer
    assert "Variable '$k' got invalid value 'x'" in answer["errors"][0]["message"]


def test_an_operation_is_chosen_by_its_name() -> None:
    executor = GatewayExecutor(parse_gateway_schema(SHOP), shop())
    document = "query A { findProduct(productId: 123) { name } } query B { __typename }"

    assert {"data": {"findProduct": {"name": "Shoes"}}} == executor.execute(document, "A")
    assert {"data": {"__typename": "Query"}} == executor.execute(document, "B")
    assert ["Unknown operation named 'C'."] == [error["message"] for error in executor.execute(document, "C")["errors"]]


def test_mutations_are_told_from_queries() -> None:
    sdl = 'type Query { a: Int } type Mutation { b(k: Int, v: Int): Int @topic(name: "t") }'
    executor = GatewayExecutor(parse_gateway_schema(sdl), MemoryMirrors())
    document = "query A { a } mutation B { b }"

    assert not executor.is_mutation(document, "A")
    assert executor.is_mutation(document, "B")
    assert executor.is_mutation("mutation { b }")
    assert not executor.is_mutation(document)
    assert not executor.is_mutation("{ unknown }")


def test_introspection_is_always_on() -> None:
    assert {"__type": {"fields": [{"name": "total"}, {"name": "currency"}]}} == data_of(
        SHOP, shop(), '{ __type(name: "Price") { fields { name } } }'
    )


def test_many_threads_share_one_executor() -> None:
    executor = GatewayExecutor(parse_gateway_schema(TINY_URL), tiny_url())
    query = "query ($t: String) { fetchCountOfToken(token: $t) { count } }"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: executor.execute(query, None, {"t": ("d9p", "abc")[n % 2]}), range(200)))

    assert [(2, 5)[n % 2] for n in range(200)] == [answer["data"]["fetchCountOfToken"]["count"] for answer in answers]


RANGES = """
type Query {
  seen(plane: String!, from: Int = 2, to: Int): [Sight] @topic(
    name: "sights", keyArgument: "plane", rangeFrom: "from", rangeTo: "to"
  )
  seenAll(plane: String, from: Int!, to: Int!): [Sight!]! @topic(
    name: "sights", keyArgument: "plane", rangeFrom: "from", rangeTo: "to"
  )
}
type Sight { at: Int  type: PlaneType @topic(name: "types", keyField: "type") }
type PlaneType { name: String }
"""


def sights() -> MemoryMirrors:
    return MemoryMirrors(
        sights=(TopicType.STRING, {"d1": [{"at": at, "type": "A"} for at in (1, 2, 3)]}),
        types=(TopicType.STRING, {"A": {"name": "Airbus"}}),
    )


def test_a_range_is_answered_and_joined_like_any_list() -> None:
    mirrors = sights()
    executor = GatewayExecutor(parse_gateway_schema(RANGES), mirrors)
    joined = executor.execute('{ seen(plane: "d1", to: 4) { at type { name } } }')
    assert {"data": {"seen": [{"at": at, "type": {"name": "Airbus"}} for at in (2, 3)]}} == joined
    assert ("sights", ("d1", 2, 4)) == mirrors.asked[0]
    assert {"data": {"seenAll": []}} == executor.execute('{ seenAll(plane: "x", from: 1, to: 9) { at } }')


@pytest.mark.parametrize(
    ("query", "name"), [('{ seen(plane: "d1") { at } }', "to"), ("{ seenAll(from: 1, to: 2) { at } }", "plane")]
)
def test_a_range_without_a_bound_or_a_key_is_an_error_that_names_it(query: str, name: str) -> None:
    answer = GatewayExecutor(parse_gateway_schema(RANGES), sights()).execute(query)
    assert f"Could not find argument {name}" in answer["errors"][0]["message"]
