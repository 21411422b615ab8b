"""Fields with `@rest` from the query to the answer, with a service on a real socket."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from core.errors import RestServiceError, UnavailableError
from core.rest_settings import RestHosts, RestSettings
from core.sdl import parse_gateway_schema
from core.types import TopicType
from services.gateway.answers import Answer
from services.gateway.executor import GatewayExecutor
from services.gateway.rest import RestSource
from services.gateway.rest_client import RestClient
from tests.services.memory_mirrors import MemoryMirrors
from tests.services.rest_service import Reply, RestService, rest_service


class Shop:
    """A gateway beside a service; in a schema, `@rest(url: "/x")` is a path of the service."""

    def __init__(self, service: RestService, client: RestClient) -> None:
        self.service = service
        self.client = client
        self.mirrors = MemoryMirrors()

    def ask(self, sdl: str, query: str, **variables: Any) -> Answer:
        schema = parse_gateway_schema(self._here(sdl))
        return GatewayExecutor(schema, self.mirrors, "shop", rest=self.client).execute(query, None, variables)

    def data(self, sdl: str, query: str, **variables: Any) -> Any:
        answer = self.ask(sdl, query, **variables)
        assert "errors" not in answer
        return answer["data"]

    def error(self, sdl: str, query: str, **variables: Any) -> Mapping[str, Any]:
        (error,) = self.ask(sdl, query, **variables)["errors"]
        assert str(self.service.port) not in error["message"]
        return error

    def source(self, declaration: str) -> RestSource:
        schema = parse_gateway_schema(self._here(f"type Query {{ {declaration} }}"))
        assert schema.definition.query_type is not None
        return RestSource(schema.rest_fields["Query", "f"], schema.definition.query_type.fields["f"].type, self.client)

    def _here(self, sdl: str) -> str:
        return sdl.replace('url: "/', f'url: "{self.service.url}/')


class Operation:
    """An operation that counts how often its time is looked at."""

    def __init__(self, error: Exception | None = None) -> None:
        self.looks = 0
        self._error = error

    def check_time(self) -> None:
        self.looks += 1
        if self._error is not None:
            raise self._error

    def note_written(self, topic: str, position: str) -> None:
        raise AssertionError("nothing is written")


@pytest.fixture
def shop() -> Iterator[Shop]:
    client = RestClient(RestSettings(hosts=RestHosts.parse("127.0.0.1"), max_response_bytes=10_000))
    with rest_service() as service:
        yield Shop(service, client)
        client.close()


def replies(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())


USER = """
type Query { user(id: Int!, lang: String = "en"): User @rest(url: "/users") }
type User { name: String! tags: [String] home: Home }
type Home { city: String }
"""


def test_an_object_is_filled_by_the_service_with_everything_nested(shop: Shop) -> None:
    shop.service.answer = replies({"name": "Ann", "tags": ["a"], "home": {"city": "Berlin"}, "other": 1})

    data = shop.data(USER, "query ($id: Int!) { user(id: $id) { name tags home { city } } }", id=7)

    assert {"user": {"name": "Ann", "tags": ["a"], "home": {"city": "Berlin"}}} == data
    assert ["/users/7?lang=en"] == shop.service.targets()


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("[Int]", [1, None, 2]),
        ("[Int!]!", [1, 2]),
        ("[[Int]]", [[1], []]),
        ("Int", 5),
        ("Float!", 0.5),
        ("String", "text"),
        ("Boolean", False),
        ("Long", 2**62),
        ("E", "RED"),
        ("[E!]", ["RED"]),
        ("Int", None),
        ("[Int]", []),
    ],
)
def test_lists_scalars_and_enums_are_results_too(shop: Shop, type_: str, value: Any) -> None:
    shop.service.answer = replies(value)

    assert {"f": value} == shop.data(f'type Query {{ f: {type_} @rest(url: "/f") }} enum E {{ RED }}', "{ f }")


@pytest.mark.parametrize("status", [200, 201, 202, 203, 226])
def test_any_success_has_a_result(shop: Shop, status: int) -> None:
    shop.service.answer = replies(1, status)

    assert {"f": 1} == shop.data('type Query { f: Int @rest(url: "/f") }', "{ f }")


@pytest.mark.parametrize(("status", "body"), [(404, b"no such user"), (204, b"")])
def test_nothing_found_is_null_where_the_field_may_be(shop: Shop, status: int, body: bytes) -> None:
    shop.service.answer = Reply(status, body)

    assert {"user": None} == shop.data(USER, "{ user(id: 7) { name } }")


def test_nothing_found_is_an_error_where_the_field_is_non_null(shop: Shop) -> None:
    shop.service.answer = Reply(404, b"no such user")

    error = shop.error('type Query { f: Int! @rest(url: "/f") }', "{ f }")

    assert "Exception while fetching data (/f) : REST service responded with code 404" == error["message"]
    assert {"REST error message": "no such user", "classification": "DataFetchingException"} == error["extensions"]
    assert ["f"] == error["path"]


@pytest.mark.parametrize("status", [300, 302, 304, 400, 401, 429, 500, 503])
def test_another_code_is_an_error_that_tells_it(shop: Shop, status: int) -> None:
    shop.service.answer = Reply(status, b"" if status == 304 else b"why", {"Location": "/elsewhere"})

    error = shop.error(USER, "{ user(id: 7) { name } }")

    assert f"Exception while fetching data (/user) : REST service responded with code {status}" == error["message"]
    assert ("" if status == 304 else "why") == error["extensions"]["REST error message"]
    assert 1 == len(shop.service.asked)


def test_the_body_of_an_error_is_told_in_part_and_as_text(shop: Shop) -> None:
    shop.service.answer = Reply(500, b'{"classification": "\xff' + b"x" * 1_000_000)

    extensions = shop.error(USER, "{ user(id: 7) { name } }")["extensions"]

    assert "DataFetchingException" == extensions["classification"]
    assert extensions["REST error message"].startswith('{"classification": "\ufffdxx')
    assert len(extensions["REST error message"]) < 5000


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(200, b""), "The REST service didn't respond with a body"),
        (Reply(200, b"{"), "The REST service did not respond with JSON. "),
        (Reply(200, b'{"name": "\xff"}'), "The REST service did not respond with JSON. "),
        (Reply(200, b'{"name": "\\ud800"}'), "The REST service did not respond with JSON. "),
        (Reply(200, b"{} {}"), "The REST service did not respond with JSON. "),
        (
            Reply(200, b"<html>", {"Content-Type": "text/html"}),
            "The REST service did not respond with JSON but 'text/html'. ",
        ),
        (Reply(200, b'{"a":' * 1500 + b"1" + b"}" * 1500), "The REST service responded with JSON that is nested"),
        (Reply(200, b"[]"), "The REST service responded with a list, but the field is an object. "),
        (Reply(200, b'"x"'), "The REST service responded with a text, but the field is an object. "),
        (Reply(200, b"1.5"), "The REST service responded with a number, but the field is an object. "),
        (Reply(200, b"true"), "The REST service responded with true or false, but the field is an object. "),
        (Reply(200, b" " * 10_001), "The REST service answered with more than 10000 bytes. "),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_error(shop: Shop, reply: Reply, message: str) -> None:
    shop.service.answer = reply

    error = shop.error(USER, "{ user(id: 7) { name } }")

    assert error["message"].startswith(f"Exception while fetching data (/user) : {message}")
    assert {"classification": "DataFetchingException"} == error["extensions"]


def test_an_object_is_no_list(shop: Shop) -> None:
    shop.service.answer = Reply(200, b"{}")

    error = shop.error('type Query { f: [Int] @rest(url: "/f") }', "{ f }")

    assert "responded with an object, but the field is a list. " in error["message"]


def test_an_answer_may_begin_with_a_byte_order_mark(shop: Shop) -> None:
    shop.service.answer = Reply(200, b"\xef\xbb\xbf[1]")

    assert {"f": [1]} == shop.data('type Query { f: [Int] @rest(url: "/f") }', "{ f }")


def test_an_argument_of_the_path_that_is_missing_is_named(shop: Shop) -> None:
    error = shop.error('type Query { f(a: Int): Int @rest(url: "/f", pathParameter: "a") }', "{ f }")

    assert (
        "Exception while fetching data (/f) : a is used as a path parameter and is thus required. "
        "Either specify it in your query or remove it as a path parameter." == error["message"]
    )
    assert [] == shop.service.asked


def test_inputs_and_enums_travel_as_they_are_named(shop: Shop) -> None:
    sdl = """
    type Query { f(kind: Kind!, class: Order, many: [Kind!]): Int
      @rest(url: "/f", bodyParameter: "class", httpMethod: POST) }
    enum Kind { NEW mro }
    input Order { from: Int = 1 kind: Kind nested: Order }
    """
    shop.service.answer = replies(1)

    shop.data(sdl, "{ f(kind: mro, class: {kind: NEW, nested: {kind: null}}, many: [NEW, mro]) }")

    (asked,) = shop.service.asked
    assert ("POST", "/f/mro?many=%5B%22NEW%22%2C%22mro%22%5D") == (asked.method, asked.target)
    assert {"from": 1, "kind": "NEW", "nested": {"from": 1, "kind": None}} == json.loads(asked.body)


def test_mutations_call_in_the_order_of_the_document_and_each_for_itself(shop: Shop) -> None:
    sdl = 'type Query { q: Int } type Mutation { add(n: Int!): Int @rest(url: "/add", httpMethod: POST) }'
    shop.service.answer = Reply(204, b"")

    assert {"b": None, "a": None, "c": None} == shop.data(sdl, "mutation { b: add(n: 2) a: add(n: 1) c: add(n: 2) }")
    assert ["/add/2", "/add/1", "/add/2"] == shop.service.targets()


RECOMMENDATIONS = """
type Query {
  recommend(userId: Int!, count: Int = 2): Recommendations @rest(url: "/recommend")
  found(userId: Int!): [Recommendation!] @rest(url: "/found")
  product(id: Int!): Product @topic(name: "products", keyArgument: "id")
  products: [Product!] @topic(name: "products")
  about(id: Int!): About
}
type Recommendations {
  productIds: [Int!]
  products: [Product] @topic(name: "products", keyField: "productIds")
  user: String @topic(name: "users", keyArgument: "userId")
}
type Recommendation { id: Int! product: Product @topic(name: "products", keyField: "id") }
type Product { id: Int! name: String stock(where: String = "all"): Int @rest(url: "/stock") }
type About { weather(city: String!): String @rest(url: "/weather") }
"""


@pytest.fixture
def joined(shop: Shop) -> Shop:
    shop.mirrors = MemoryMirrors(
        products=(TopicType.INTEGER, {1: {"id": 1, "name": "Shoes"}, 2: {"id": 2, "name": "Shirt"}}),
        users=(TopicType.INTEGER, {7: "Ann"}),
    )
    return shop


def test_topics_are_joined_to_what_the_service_answers(joined: Shop) -> None:
    joined.service.answer = replies({"productIds": [2, 3, 1]})

    data = joined.data(RECOMMENDATIONS, "{ recommend(userId: 7) { productIds products { name } } }")

    assert {"recommend": {"productIds": [2, 3, 1], "products": [{"name": "Shirt"}, None, {"name": "Shoes"}]}} == data
    assert ["/recommend/7?count=2"] == joined.service.targets()


def test_topics_are_joined_to_each_element_of_a_list(joined: Shop) -> None:
    joined.service.answer = replies([{"id": 2}, {"id": 1}])

    data = joined.data(RECOMMENDATIONS, "{ found(userId: 7) { product { name } } }")

    assert {"found": [{"product": {"name": "Shirt"}}, {"product": {"name": "Shoes"}}]} == data


def test_the_arguments_of_the_field_reach_the_topics_below_it(joined: Shop) -> None:
    joined.service.answer = replies({})

    assert {"recommend": {"user": "Ann"}} == joined.data(RECOMMENDATIONS, "{ recommend(userId: 7) { user } }")


def test_the_service_is_called_once_for_all_parents(joined: Shop) -> None:
    joined.service.answer = replies(5)

    data = joined.data(RECOMMENDATIONS, '{ products { all: stock name here: stock(where: "here") } }')

    assert {"products": [{"all": 5, "name": name, "here": 5} for name in ("Shoes", "Shirt")]} == data
    assert ["/stock?where=all", "/stock?where=here"] == sorted(joined.service.targets())


def test_an_error_of_the_service_is_told_at_every_place(joined: Shop) -> None:
    joined.service.answer = Reply(500, b"")

    answer = joined.ask(RECOMMENDATIONS, "{ products { stock name } }")

    assert {"products": [{"stock": None, "name": "Shoes"}, {"stock": None, "name": "Shirt"}]} == answer["data"]
    assert [["products", 0, "stock"], ["products", 1, "stock"]] == [error["path"] for error in answer["errors"]]
    assert 1 == len(joined.service.asked)


def test_a_type_needs_no_value_to_have_fields_of_services(joined: Shop) -> None:
    joined.service.answer = replies("sunny")

    assert {"about": {"weather": "sunny"}} == joined.data(
        RECOMMENDATIONS, '{ about(id: 1) { weather(city: "Berlin") } }'
    )
    assert ["/weather/Berlin"] == joined.service.targets()


def test_a_source_has_one_value_for_all_parents_and_looks_at_the_time_first(shop: Shop) -> None:
    shop.service.answer = replies([1])
    operation = Operation()

    assert [[1], [1], [1]] == shop.source('f: [Int] @rest(url: "/f")').fetch(operation, [{}, {}, {}], {})
    assert (1, 1) == (operation.looks, len(shop.service.asked))


def test_a_source_has_its_error_for_all_parents(shop: Shop) -> None:
    shop.service.answer = Reply(500, b"why")

    first, second = shop.source('f: Int @rest(url: "/f")').fetch(Operation(), [{}, {}], {})

    assert isinstance(first, RestServiceError)
    assert first is second
    assert {"REST error message": "why"} == first.extensions


def test_a_source_calls_nobody_for_no_parents_or_after_the_time(shop: Shop) -> None:
    source = shop.source('f: Int @rest(url: "/f")')

    assert [] == source.fetch(Operation(), [], {})
    with pytest.raises(UnavailableError, match="over"):
        source.fetch(Operation(UnavailableError("over")), [{}], {})
    assert [] == shop.service.asked


def test_a_host_that_may_not_be_called_is_an_error_of_the_field(shop: Shop) -> None:
    shop.client = RestClient(RestSettings())

    error = shop.error(USER, "{ user(id: 7) { name } }")

    assert "QUICK_REST_HOSTS" in error["message"]
    assert [] == shop.service.asked
