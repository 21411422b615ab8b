"""Lists of gateways: pages, conditions and connections, by both executors, over mirrors in LMDB and held by others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from core.mirrors import MirrorDefinition
from core.protobuf_schema import to_protobuf
from core.registered_schema import RegisteredSchema
from core.sdl import parse_gateway_schema
from core.sdl_lists import with_lists
from core.types import TopicType, codec_for
from services.gateway.executor import GatewayExecutor
from services.local_mirrors import LocalMirrors
from services.mirrors.cursors import cursor
from services.mirrors.ranges import DeclaredIndexes
from tests.services.network import remote_mirrors
from tests.services.written_mirror import Topics, WrittenMirror

SDL = """
type Query {
  products: [Product] @topic(name: "products")
  others: [Product] @topic(name: "products")
  visits(user: String, low: Int, high: Int): [Visit]
    @topic(name: "visits", keyArgument: "user", rangeFrom: "low", rangeTo: "high")
  shelf: Shelf
}
type Shelf { all: [Product!]! @topic(name: "products") }
type Product {
  name: String
  price: Float
  stock: Int
  kind: Kind
  same: Product @topic(name: "products", keyField: "name")
}
type Visit { at: Int  page: String }
enum Kind { LARGE SMALL }
"""

PRODUCT = RegisteredSchema(
    schema_id=1,
    schema_type="AVRO",
    schema=json.dumps(
        {
            "type": "record",
            "name": "Product",
            "fields": [
                {"name": "name", "type": "string"},
                {"name": "price", "type": ["null", "double"], "default": None},
                {"name": "stock", "type": "int"},
                {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["LARGE", "SMALL"]}},
            ],
        }
    ),
)
VISIT = RegisteredSchema(
    schema_id=2,
    schema_type="AVRO",
    schema=json.dumps(
        {
            "type": "record",
            "name": "Visit",
            "fields": [{"name": "at", "type": "int"}, {"name": "page", "type": "string"}],
        }
    ),
)
SCHEMAS = {1: PRODUCT, 2: VISIT}
STRINGS = codec_for(TopicType.STRING)
INDEXES = ("price", "stock", "kind")

Ask = Callable[..., Any]


def product(name: str, price: float | None, stock: int, kind: str = "LARGE") -> dict[str, Any]:
    return {"name": name, "price": price, "stock": stock, "kind": kind}


PRODUCTS = [
    product("a", 5.0, 1),
    product("b", None, 2, "SMALL"),
    product("c", -1.5, 3),
    product("d", 5.0, 4, "SMALL"),
    product("e", 20.0, 5),
]


@pytest.fixture
def products(tmp_path: Path) -> Iterator[WrittenMirror]:
    values = codec_for(TopicType.SCHEMA, schema=PRODUCT, schemas=SCHEMAS.__getitem__)
    definition = MirrorDefinition(indexes=INDEXES)
    mirror = WrittenMirror(
        tmp_path / "products", STRINGS, values, topic="products", definition=definition, schema=PRODUCT, partitions=3
    )
    for number, one in enumerate(PRODUCTS):
        mirror.write({one["name"]: one}, partition=number % 3)
    yield mirror
    mirror.close()


@pytest.fixture
def visits(tmp_path: Path) -> Iterator[WrittenMirror]:
    values = codec_for(TopicType.SCHEMA, schema=VISIT, schemas=SCHEMAS.__getitem__)
    definition = MirrorDefinition(range_field="at")
    mirror = WrittenMirror(
        tmp_path / "visits", STRINGS, values, topic="visits", definition=definition, schema=VISIT, partitions=2
    )
    for at in (3, -1, 7, 5, 9):
        mirror.write({"ann": {"at": at, "page": f"p{at}"}}, partition=1)
    yield mirror
    mirror.close()


@pytest.fixture(params=[Topics, remote_mirrors])
def source(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return what makes the source of mirrors of written ones: beside the gateway, or in other processes."""
    source: Callable[..., Any] = request.param
    return source


@pytest.fixture
def ask(source: Callable[..., Any], products: WrittenMirror, visits: WrittenMirror) -> Ask:
    """Return what executes a query in both ways, checks that they agree, and returns the answer."""
    return asking(LocalMirrors(source(products, visits), DeclaredIndexes()))


def asking(mirrors: LocalMirrors, indexes: tuple[str, ...] = INDEXES) -> Ask:
    schema = with_lists(parse_gateway_schema(SDL), {"products": indexes})
    planned, generic = (GatewayExecutor(schema, mirrors, uses_plans=uses_plans) for uses_plans in (True, False))

    def ask(query: str, **variables: Any) -> Any:
        expected, answer = generic.execute(query, None, variables), planned.execute(query, None, variables)
        assert json.dumps(expected) == json.dumps(answer)
        return answer

    return ask


def names(answer: Any, field: str = "products") -> str:
    assert "errors" not in answer, answer
    return "".join(value["name"] for value in answer["data"][field])


def page_of(answer: Any, field: str = "productsConnection") -> tuple[str, dict[str, Any]]:
    """Return the names on a page, and what is around it."""
    assert "errors" not in answer, answer
    page = answer["data"][field]
    return "".join(edge["node"]["name"] for edge in page["edges"]), page["pageInfo"]


def error_of(answer: Any) -> str:
    (error,) = answer["errors"]
    message: str = error["message"]
    return message.partition(" : ")[2] or message


PAGE = "{ edges { cursor node { name } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "abcde"),
        ("(first: 2)", "ab"),
        ("(last: 2)", "de"),
        ("(first: 0)", ""),
        ("(last: 0)", ""),
        ("(first: 99)", "abcde"),
        ("(last: 99)", "abcde"),
        ("(first: null, last: null, after: null, where: null)", "abcde"),
        ("(where: {})", "abcde"),
        ("(where: {price: {}})", "cade"),
        ("(where: {price: {gte: 5}})", "ade"),
        ("(where: {price: {gt: 5}})", "e"),
        ("(where: {price: {lt: 5}})", "c"),
        ("(where: {price: {lte: 5}})", "cad"),
        ("(where: {price: {eq: 5}})", "ad"),
        ("(where: {price: {eq: 5, gt: 5}})", ""),
        ("(where: {price: {in: [20, -1.5, 4, 20]}})", "ce"),
        ("(where: {price: {in: [20, -1.5], gt: 0}})", "e"),
        ("(where: {price: {in: [20, 5], eq: 5}})", "ad"),
        ("(where: {price: {in: []}})", ""),
        ("(where: {price: {in: [20, -1.5]}}, last: 1)", "e"),
        ("(where: {price: {gte: 5}}, first: 2)", "ad"),
        ("(where: {price: {gte: 5}}, last: 2)", "de"),
        ("(where: {price: {gte: 5}, stock: {lt: 5}})", "ad"),
        ("(where: {price: {gte: 5}, stock: {eq: 4}})", "d"),
        ("(where: {price: {gte: 5}, stock: {in: [5, 1]}})", "ae"),
        ("(where: {kind: {eq: SMALL}})", "db"),
        ("(where: {kind: {in: [SMALL, LARGE]}})", "aecdb"),
        ("(where: {kind: {eq: SMALL}, price: {}})", "d"),
        ("(where: {price: {in: [5, -1.5, 20]}, kind: {eq: LARGE}})", "aec"),
        ("(where: {kind: {eq: LARGE}, stock: {gte: 2}}, last: 1)", "c"),
    ],
)
def test_a_list_gives_what_its_arguments_ask_for(ask: Ask, arguments: str, expected: str) -> None:
    assert expected == names(ask(f"{{ products{arguments} {{ name }} }}"))


def test_arguments_may_be_variables(ask: Ask) -> None:
    query = "query ($n: Int, $where: ProductWhere, $min: Float) {"
    query += " products(first: $n, where: $where) { name } others(where: {price: {gt: $min}}) { name } }"
    assert "abcde" == names(ask(query))
    answer = ask(query, n=1, where={"price": {"gte": 5}}, min=5)
    assert ("a", "e") == (names(answer), names(answer, "others"))


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ("first: 1, last: 1", "first is 1 and last is 1: one list has both ends. Give one of them."),
        ("first: -1", "first is -1. Give the number of values, 0 or more."),
        ("last: -2", "last is -2. Give the number"),
        ("where: {price: null}", "where.price is null, and no index holds null. Leave it out, or give a value."),
        ("where: {price: {eq: null}}", "where.price.eq is null"),
        ("where: {price: {in: null}}", "where.price.in is null"),
        ("where: {price: {gt: 1, gte: 1}}", "The bounds gte and gt are both of one end"),
        ("where: {price: {gt: 2, lt: 1}}", "Nothing of field price lies from 2.0 to 1.0"),
        (f"where: {{stock: {{in: {list(range(1001))}}}}}", "The condition in of stock has 1001 values, and 1000 are"),
        ('after: ""', "after is '', which is no cursor of Query.products with these conditions."),
        ('before: "über"', "before is 'über', which is no cursor"),
        ('after: "AAAA"', "after is 'AAAA', which is no cursor"),
        (f'after: "{"A" * 9999}"', "which is no cursor"),
    ],
)
@pytest.mark.parametrize("field", ["products", "productsConnection"])
def test_arguments_that_cannot_be_are_refused(ask: Ask, field: str, arguments: str, part: str) -> None:
    below = "{ name }" if field == "products" else PAGE
    answer = ask(f"{{ {field}({arguments}) {below} }}")
    assert part in error_of(answer)
    assert answer["data"] in (None, {"products": None})


def test_a_connection_walks_forward_and_says_what_is_around_a_page(ask: Ask) -> None:
    query = f"query ($after: String) {{ productsConnection(first: 2, after: $after) {PAGE} }}"
    pages, after = [], None
    for _ in range(3):
        found, info = page_of(ask(query, after=after))
        pages.append((found, info["hasPreviousPage"], info["hasNextPage"]))
        after = info["endCursor"]
    assert [("ab", False, True), ("cd", True, True), ("e", True, False)] == pages
    found, info = page_of(ask(query, after=after))
    assert "" == found
    assert {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None} == info


def test_a_connection_walks_backward_in_the_order_of_the_list(ask: Ask) -> None:
    query = f"query ($before: String) {{ productsConnection(last: 2, before: $before) {PAGE} }}"
    pages, before = [], None
    for _ in range(3):
        found, info = page_of(ask(query, before=before))
        pages.append((found, info["hasPreviousPage"], info["hasNextPage"]))
        before = info["startCursor"]
    assert [("de", True, False), ("bc", True, True), ("a", False, True)] == pages


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("first: 1", ("b", True, True)),
        ("first: 2", ("bc", False, True)),
        ("last: 1", ("c", True, True)),
        ("last: 2", ("bc", True, False)),
        ("last: 0", ("", True, True)),
        ("", ("bc", False, True)),
    ],
)
def test_a_page_lies_between_two_cursors(ask: Ask, arguments: str, expected: tuple[str, bool, bool]) -> None:
    edges = ask(f"{{ productsConnection {PAGE} }}")["data"]["productsConnection"]["edges"]
    between = f'after: "{edges[0]["cursor"]}", before: "{edges[3]["cursor"]}"'
    found, info = page_of(ask(f"{{ productsConnection({between}, {arguments}) {PAGE} }}"))
    assert expected == (found, info["hasNextPage"], info["hasPreviousPage"])
    assert "bc" == names(ask(f"{{ products({between}) {{ name }} }}"))


@pytest.mark.parametrize("where", ["{price: {}}", "{price: {in: [20, 5, -1.5]}}"])
def test_a_page_of_an_index_lies_between_two_cursors_too(ask: Ask, where: str) -> None:
    first, *_, last = cursors(ask, f"(where: {where})")
    between = f'after: "{first}", before: "{last}", where: {where}'
    assert "ad" == names(ask(f"{{ products({between}) {{ name }} }}"))
    for arguments, expected in (("first: 1", ("a", True, True)), ("last: 1", ("d", True, True))):
        found, info = page_of(ask(f"{{ productsConnection({between}, {arguments}) {PAGE} }}"))
        assert expected == (found, info["hasNextPage"], info["hasPreviousPage"])


@pytest.mark.parametrize(
    ("where", "order"),
    [
        ("{price: {}}", "cade"),
        ("{price: {in: [20, 5, -1.5]}}", "cade"),
        ("{price: {gte: -5}, stock: {in: [1, 3, 4, 5]}}", "acde"),
        ("{price: {gte: -5}, stock: {lt: 5}}", "cad"),
    ],
)
def test_conditions_keep_their_order_over_pages_in_both_directions(ask: Ask, where: str, order: str) -> None:
    forward = f"query ($c: String) {{ productsConnection(first: 1, after: $c, where: {where}) {PAGE} }}"
    backward = f"query ($c: String) {{ productsConnection(last: 1, before: $c, where: {where}) {PAGE} }}"
    for query, end, more in ((forward, "endCursor", "hasNextPage"), (backward, "startCursor", "hasPreviousPage")):
        walked, place, has_more = "", None, True
        while has_more:
            found, info = page_of(ask(query, c=place))
            walked += found
            place, has_more = info[end], info[more]
        assert (order if query is forward else order[::-1]) == walked


def test_a_page_has_as_many_edges_as_it_should_and_at_most_a_thousand(ask: Ask, products: WrittenMirror) -> None:
    products.write({f"x{number:05}": product("x", 1.0, number) for number in range(1_500)})
    count = "{ edges { cursor } pageInfo { hasNextPage } }"
    for arguments, expected in (("", 100), ("(first: 1000)", 1_000), ("(last: 1000)", 1_000)):
        page = ask(f"{{ productsConnection{arguments} {count} }}")["data"]["productsConnection"]
        assert expected == len(page["edges"])
    for name in ("first", "last"):
        answer = ask(f"{{ productsConnection({name}: 1001) {count} }}")
        assert f"{name} is 1001, and a page has 1000 edges at most." in error_of(answer)
    assert 1_505 == len(ask("{ products(first: 2000) { name } }")["data"]["products"])


def test_a_range_has_pages_and_a_connection(ask: Ask) -> None:
    bounds = 'user: "ann", low: -1, high: 9'
    visits = "{ visits(%s) { at } }"

    def ats(answer: Any) -> list[int]:
        return [visit["at"] for visit in answer["data"]["visits"]]

    assert [-1, 3, 5, 7] == ats(ask(visits % bounds))
    assert [-1, 3] == ats(ask(visits % f"{bounds}, first: 2"))
    assert [5, 7] == ats(ask(visits % f"{bounds}, last: 2"))
    page = "{ edges { cursor node { at } } pageInfo { hasNextPage hasPreviousPage endCursor } }"
    walked, after, has_more = [], None, True
    while has_more:
        query = f"query ($c: String) {{ visitsConnection({bounds}, first: 3, after: $c) {page} }}"
        found = ask(query, c=after)["data"]["visitsConnection"]
        walked += [edge["node"]["at"] for edge in found["edges"]]
        after, has_more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
    assert [-1, 3, 5, 7] == walked
    query = f'{{ visitsConnection({bounds}, last: 9, before: "{after}") {page} }}'
    found = ask(query)["data"]["visitsConnection"]
    assert [-1, 3, 5] == [edge["node"]["at"] for edge in found["edges"]]
    assert found["pageInfo"]["hasNextPage"] is True
    other = ask(f'{{ visits(user: "ann", low: 0, high: 9, after: "{after}") {{ at }} }}')
    assert "is no cursor of Query.visits" in error_of(other)
    assert "Could not find argument low" in error_of(ask('{ visits(user: "ann", first: 1) { at } }'))


def test_a_list_below_an_object_has_pages_too(ask: Ask) -> None:
    dear = "allConnection(first: 1, where: {price: {gt: 5}}) { edges { node { name } } }"
    query = f"{{ shelf {{ all(last: 2) {{ name }} {dear} }} }}"
    expected = {"all": [{"name": "d"}, {"name": "e"}], "allConnection": {"edges": [{"node": {"name": "e"}}]}}
    assert {"shelf": expected} == ask(query)["data"]


def test_what_stands_below_a_node_is_joined(ask: Ask) -> None:
    answer = ask("{ productsConnection(first: 2) { edges { node { same { price } } __typename } __typename } }")
    edge = [{"node": {"same": {"price": price}}, "__typename": "ProductEdge"} for price in (5.0, None)]
    assert {"edges": edge, "__typename": "ProductConnection"} == answer["data"]["productsConnection"]


def test_a_value_that_cannot_be_read_is_the_error_of_its_node(ask: Ask, products: WrittenMirror) -> None:
    products.write({"b": b"\0\0\0\0\1\1"}, partition=1)
    answer = ask("{ productsConnection(first: 3) { edges { cursor node { name } } } }")
    nodes = [edge["node"] for edge in answer["data"]["productsConnection"]["edges"]]
    assert [{"name": "a"}, None, {"name": "c"}] == nodes
    assert ["productsConnection", "edges", 1, "node"] == answer["errors"][0]["path"]
    assert "acde" == names(ask("{ products(where: {stock: {}}) { name } }"))
    assert 5 == len(ask("{ productsConnection(first: 9) { edges { cursor } } }")["data"]["productsConnection"]["edges"])


def cursors(ask: Ask, arguments: str = "", field: str = "productsConnection") -> list[str]:
    answer = ask(f"{{ {field}{arguments} {{ edges {{ cursor }} }} }}")
    return [edge["cursor"] for edge in answer["data"][field]["edges"]]


def test_a_cursor_is_good_for_its_field_and_conditions_only(ask: Ask, products: WrittenMirror) -> None:
    plain = cursors(ask)[0]
    priced = cursors(ask, "(where: {price: {gte: 5}})")[0]
    assert "bcde" == names(ask(f'{{ products(after: "{plain}") {{ name }} }}'))
    assert "de" == names(ask(f'{{ products(after: "{priced}", where: {{price: {{gte: 5}}}}) {{ name }} }}'))
    for query in (
        f'{{ others(after: "{plain}") {{ name }} }}',
        f'{{ products(after: "{priced}") {{ name }} }}',
        f'{{ products(after: "{plain}", where: {{price: {{gte: 5}}}}) {{ name }} }}',
        f'{{ products(after: "{priced}", where: {{price: {{gte: 6}}}}) {{ name }} }}',
        f'{{ products(after: "{priced}", where: {{price: {{gt: 5}}}}) {{ name }} }}',
        f'{{ products(after: "{plain[:-2]}") {{ name }} }}',
    ):
        assert "which is no cursor of Query." in error_of(ask(query))
    products.access.topic_id = "created again"
    assert "which is no cursor of Query." in error_of(ask(f'{{ products(after: "{plain}") {{ name }} }}'))


@pytest.mark.parametrize("place", [b"\x07abc", b"\x00" + b"x" * 600, b"r\xff", b"\x00"])
def test_a_cursor_with_a_right_checksum_may_still_be_made_up(ask: Ask, place: bytes) -> None:
    key = cursor("list 1 Query.products id of products [null, {}, null]", place)
    index = cursor('list 1 Query.products id of products ["price", {"price": {}}, null]', place)
    span = cursor('list 1 Query.visits id of visits [null, {}, ["ann", 0, 9]]', place)
    answers = [
        ask(f'{{ products(after: "{key}") {{ name }} }}'),
        ask(f'{{ products(before: "{key}", last: 3) {{ name }} }}'),
        ask(f'{{ products(after: "{index}", where: {{price: {{}}}}) {{ name }} }}'),
        ask(f'{{ visits(user: "ann", low: 0, high: 9, after: "{span}") {{ at }} }}'),
    ]
    is_key, is_span = place == b"\x00", place.startswith(b"r")
    assert [is_key, is_key, False, is_span] == ["errors" not in answer for answer in answers]
    assert all("cursor" in error_of(answer) for answer in answers if "errors" in answer)


def test_a_key_longer_than_a_key_of_the_store_has_its_place(ask: Ask, products: WrittenMirror) -> None:
    long_keys = ["x" * 499, "x" * 500, "x" * 501, "x" * 900]
    for key in long_keys:
        products.write({key: product(f"<{len(key)}>", 1.0, 9)})
    query = "query ($c: String) { productsConnection(first: 1, after: $c, where: {stock: {gte: 9}}) " + PAGE + "}"
    for text in (query, query.replace(", where: {stock: {gte: 9}}", "")):
        walked, after, has_more = [], None, True
        while has_more:
            found, info = page_of(ask(text, c=after))
            walked.append(found)
            after, has_more = info["endCursor"], info["hasNextPage"]
        assert sorted(walked[-4:]) == ["<499>", "<500>", "<501>", "<900>"]


def test_an_index_that_is_declared_and_not_built_is_told_and_the_rest_answers(
    ask: Ask, source: Callable[..., Any], products: WrittenMirror
) -> None:
    products.access.mirror = MirrorDefinition(indexes=(*INDEXES, "name"))
    asked = asking(LocalMirrors(source(products), DeclaredIndexes()), (*INDEXES, "name"))
    answer = asked('{ products(where: {name: {eq: "a"}}) { name } others(first: 1) { name } }')
    assert "The index of the field name is declared, but not built yet. Try again later." in error_of(answer)
    assert {"products": None, "others": [{"name": "a"}]} == answer["data"]
    products.access.mirror = MirrorDefinition()
    assert "has no index of field price any more. There are: none." in error_of(
        ask("{ products(where: {price: {}}) { name } }")
    )


def test_what_is_not_selected_is_not_made(ask: Ask, products: WrittenMirror, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr("services.gateway.list_cursors.cursor", lambda *_: made.append("cursor") or "c")
    decode = products.access.values.decode

    def counted(raw: bytes) -> Any:
        made.append("value")
        return decode(raw)

    products.access.values = _Counting(products.access.values, counted)
    ask("{ productsConnection(first: 2) { edges { __typename } pageInfo { hasNextPage } } }")
    assert [] == made
    ask("{ productsConnection(first: 2) { edges { cursor } } }")
    assert ["cursor"] * 4 == made
    made.clear()
    ask("{ productsConnection(first: 2) { edges { node { name } } pageInfo { hasNextPage } } }")
    assert ["value"] * 4 == made


class _Counting:
    """A codec that tells when it decodes."""

    def __init__(self, codec: Any, decode: Callable[[bytes], Any]) -> None:
        self.type = codec.type
        self.decode = decode


def test_a_connection_reads_within_the_moment_of_its_operation(ask: Ask, products: WrittenMirror) -> None:
    ask(f"{{ productsConnection {PAGE} products(where: {{price: {{}}}}, first: 1) {{ name }} }}")
    assert 0 == products.readers()


def test_introspection_shows_what_was_generated(ask: Ask) -> None:
    answer = ask(
        '{ __type(name: "Query") { fields { name args { name type { name } } } } __schema { types { name } } }'
    )
    fields: Mapping[str, Any] = {field["name"]: field["args"] for field in answer["data"]["__type"]["fields"]}
    assert {"name": "where", "type": {"name": "ProductWhere"}} in fields["productsConnection"]
    assert fields["products"] == fields["productsConnection"]
    types = {type_["name"] for type_ in answer["data"]["__schema"]["types"]}
    assert {"ProductConnection", "ProductEdge", "PageInfo", "FloatFilter", "IntFilter", "KindFilter"} <= types


ANIMALS = """
type Query { animals: [Animal] @topic(name: "animals") }
interface Animal { name: String  legs: Int }
type Cat implements Animal { name: String  legs: Int }
type Bird implements Animal { name: String  legs: Int  wings: Int }
"""


def test_nodes_may_be_of_an_interface(tmp_path: Path) -> None:
    fields = [{"name": "name", "type": "string"}, {"name": "legs", "type": "int"}]
    cat = RegisteredSchema(
        schema_id=1, schema_type="AVRO", schema=json.dumps({"type": "record", "name": "Cat", "fields": fields})
    )
    values = codec_for(TopicType.SCHEMA, schema=cat, schemas=lambda _: cat)
    definition = MirrorDefinition(indexes=("name", "legs"))
    mirror = WrittenMirror(tmp_path / "a", STRINGS, values, topic="animals", definition=definition, schema=cat)
    mirror.write({name: {"name": name, "legs": len(name)} for name in ("tom", "felix", "kit")})
    topics: Any = Topics(mirror)
    schema = with_lists(parse_gateway_schema(ANIMALS), {"animals": ("name", "legs")})
    query = """{ animalsConnection(where: {legs: {eq: 3}, name: {gt: "l"}}) { edges { node { __typename name } } } }"""
    for uses_plans in (True, False):
        executor = GatewayExecutor(schema, LocalMirrors(topics, DeclaredIndexes()), uses_plans=uses_plans)
        edges = [{"node": {"__typename": "Cat", "name": "tom"}}]
        assert {"data": {"animalsConnection": {"edges": edges}}} == executor.execute(query)
    mirror.close()


ITEMS = """
type Query { items: [Item] @topic(name: "items") }
type Item { itemId: Int  amount: Long  kind: Kind }
enum Kind { LARGE SMALL }
"""


def test_conditions_work_on_protobuf_as_on_avro(tmp_path: Path) -> None:
    schema = RegisteredSchema(schema_id=1, schema_type="PROTOBUF", schema=to_protobuf(ITEMS, "Item", "shop"))
    values = codec_for(TopicType.SCHEMA, schema=schema, schemas=lambda _: schema)
    definition = MirrorDefinition(indexes=("itemId", "amount", "kind"))
    mirror = WrittenMirror(tmp_path / "i", STRINGS, values, topic="items", definition=definition, schema=schema)
    mirror.write({"a": {"itemId": 1, "amount": 5, "kind": "SMALL"}, "b": {"itemId": 2, "kind": "SMALL"}})
    mirror.write({"c": {"itemId": 3, "amount": -7, "kind": "LARGE"}})
    topics: Any = Topics(mirror)
    served = with_lists(parse_gateway_schema(ITEMS), {"items": definition.indexes})
    executor = GatewayExecutor(served, LocalMirrors(topics, DeclaredIndexes()))
    for where, expected in (
        ("{itemId: {gte: 2}}", [2, 3]),
        ("{itemId: {gte: 1}, kind: {eq: SMALL}, amount: {gt: 1}}", [1]),
        ("{amount: {lt: 9}, itemId: {in: [1, 3]}}", [1, 3]),
        ("{kind: {eq: LARGE}, amount: {lte: -7}}", [3]),
    ):
        answer = executor.execute(f"{{ items(where: {where}) {{ itemId }} }}")
        assert {"data": {"items": [{"itemId": number} for number in expected]}} == answer
    mirror.close()
