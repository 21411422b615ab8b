from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.errors import UnavailableError
from core.gateway_settings import GatewaySettings, GraphQLLimits
from core.registered_schema import RegisteredSchema
from core.sdl import parse_gateway_schema
from core.types import TopicType, codec_for
from services.gateway import executor as executor_module
from services.gateway.executor import QUICK_KEYS, GatewayExecutor
from services.gateway.operations import RunningOperation
from services.gateway.planned_operations import MAX_PLANS
from services.gateway.resolvers import SourceResolver
from services.gateway.sources import Arguments, Operation
from services.local_mirrors import LocalMirrors
from services.row_cache import RowCache
from tests.services.memory_mirrors import MemoryMirrors
from tests.services.written_mirror import Topics, WrittenMirror

SHOP = """
type Query {
  product(id: Int): Product @topic(name: "products", keyArgument: "id")
  products(ids: [Int]): [Product] @topic(name: "products", keyArgument: "ids")
  all: [Product] @topic(name: "products")
  stock(id: Int): Stock
}
type Product {
  id: Int!
  name: String
  makerId: Int
  partIds: [Int]
  maker: Maker @topic(name: "makers", keyField: "makerId")
  parts: [Product] @topic(name: "products", keyField: "partIds")
  boxes: [Box]
}
type Box { makerId: Int  maker: Maker @topic(name: "makers", keyField: "makerId") }
type Maker { id: Int!  name: String }
type Stock { count: Int @topic(name: "counts", keyArgument: "id") }
"""


FRAGMENT = "fragment P on Product { id name }"


def product(n: int) -> dict[str, Any]:
    return {"id": n, "name": f"p{n}", "makerId": n % 10, "partIds": [n + 1, n + 2], "boxes": [{"makerId": 1}]}


def shop() -> MemoryMirrors:
    return MemoryMirrors(
        products=(TopicType.INTEGER, {n: product(n) for n in range(200)}),
        makers=(TopicType.INTEGER, {n: {"id": n, "name": f"m{n}"} for n in range(10)}),
        counts=(TopicType.INTEGER, {1: 5}),
    )


def executor(mirrors: Any) -> GatewayExecutor:
    return GatewayExecutor(parse_gateway_schema(SHOP), mirrors, "shop")


@pytest.fixture
def only_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("graphql-core was asked")

    monkeypatch.setattr(executor_module, "execute_sync", refuse)


@pytest.mark.usefixtures("only_plans")
def test_each_level_is_read_by_one_batch() -> None:
    mirrors = shop()
    query = "query ($ids: [Int]) { products(ids: $ids) { maker { name } parts { maker { id } parts { id } } } }"

    answer = executor(mirrors).execute(query, None, {"ids": list(range(100))})

    assert 100 == len(answer["data"]["products"])
    assert {"maker": {"name": "m5"}, "parts": answer["data"]["products"][5]["parts"]} == answer["data"]["products"][5]
    assert [{"id": 7}, {"id": 8}] == answer["data"]["products"][5]["parts"][0]["parts"]
    assert [("products", 100), ("makers", 100), ("products", 200), ("makers", 200), ("products", 400)] == [
        (topic, len(keys)) for topic, keys in mirrors.asked
    ]


@pytest.mark.usefixtures("only_plans")
@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ product(id: 3) { id name maker { name } boxes { maker { id } } __typename } }", {}),
        ("{ product(id: 999) { id } products(ids: [1, null, 999]) { id } }", {}),
        (
            "query ($i: Int) { a: product(id: $i) { ...P } b: product(id: 2) { ...P } } fragment P on Product { id }",
            {"i": 1},
        ),
        ("query ($y: Boolean!) { product(id: 1) { id @skip(if: $y) ... @include(if: $y) { name } } }", {"y": True}),
        ("{ stock(id: 1) { count } all { name } }", {}),
        ("query ($ids: [Int] = [1, 2]) { products(ids: $ids) { id } }", {}),
    ],
)
def test_operations_without_errors_are_executed_by_plans_alone(query: str, variables: Any) -> None:
    reference = GatewayExecutor(parse_gateway_schema(SHOP), shop(), uses_plans=False)
    answer = executor(shop()).execute(query, None, variables)
    assert ["data"] == list(answer)
    with pytest.raises(AssertionError, match="graphql-core was asked"):
        reference.execute(query, None, variables)


def test_what_was_fetched_is_not_fetched_again_when_graphql_core_takes_over() -> None:
    mirrors = shop()
    mirrors.topics["products"] = (TopicType.INTEGER, {1: product(1) | {"id": "no number"}, 2: product(2)})

    answer = executor(mirrors).execute("{ all { name maker { name } } products(ids: [1, 2]) { name id } }")

    assert ["products", 0, "id"] == answer["errors"][0]["path"]
    assert [None, {"name": "p2", "id": 2}] == answer["data"]["products"]
    assert [("products", [1, 2])] == [asked for asked in mirrors.asked if asked[0] == "products"]


class CountedSource:
    """Gives one value to all parents, and remembers who asked."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.asked: list[tuple[Sequence[Any], Arguments]] = []

    def fetch(self, operation: Operation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        self.asked.append((parents, arguments))
        if isinstance(self.value, RuntimeError):
            raise self.value
        return [self.value] * len(parents)


@pytest.mark.parametrize("value", [RuntimeError("unexpected"), UnavailableError("not now"), {"id": "no number"}])
def test_a_source_is_asked_once_also_where_its_answer_is_an_error(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrors = shop()
    shop_executor = executor(mirrors)
    source = CountedSource(value)
    fields = shop_executor.executable.type_map["Product"].fields  # type: ignore[union-attr]
    monkeypatch.setattr(fields["maker"], "resolve", SourceResolver(source))

    answer = shop_executor.execute("{ products(ids: [1, 2]) { maker { id } } }")

    assert 1 == len(source.asked)
    assert {"products": [{"maker": None}, {"maker": None}]} == answer["data"]
    assert [["products", n, "maker"] for n in (0, 1)] == [error["path"][:3] for error in answer["errors"]]


def test_fields_of_other_resolvers_and_the_schema_itself_are_left_to_graphql_core() -> None:
    mirrors = shop()
    shop_executor = executor(mirrors)
    fields = shop_executor.executable.type_map["Maker"].fields  # type: ignore[union-attr]
    fields["name"].resolve = lambda parent, info: f"made of {parent['id']}"

    query = '{ product(id: 1) { maker { name } } __type(name: "Box") { name } }'

    assert {"product": {"maker": {"name": "made of 1"}}, "__type": {"name": "Box"}} == shop_executor.execute(query)[
        "data"
    ]


def test_an_operation_has_few_plans_however_many_conditions_it_has() -> None:
    names = [f"c{n}" for n in range(6)]
    head = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: name @include(if: ${name})" for name in names)
    query = f"query ({head}) {{ product(id: 1) {{ id {fields} }} }}"
    shop_executor = executor(shop())

    for number in range(64):
        wanted = {name: bool(number >> n & 1) for n, name in enumerate(names)}
        shown = {name: "p1" for name in names if wanted[name]}
        assert {"product": {"id": 1, **shown}} == shop_executor.execute(query, None, wanted)["data"]

    operation = shop_executor._documents.operation(shop_executor._documents.checked(query), None)
    assert operation is not None
    assert MAX_PLANS == len(operation._plans)


@pytest.mark.parametrize(
    ("query", "variables", "is_quick"),
    [
        ("{ product(id: 1) { maker { name } } }", {}, True),
        ("query ($ids: [Int]) { products(ids: $ids) { id } }", {"ids": list(range(QUICK_KEYS))}, True),
        ("query ($ids: [Int]) { products(ids: $ids) { id } }", {"ids": list(range(QUICK_KEYS + 1))}, False),
        (
            "query ($ids: [Int]) { products(ids: $ids) { maker { id } } }",
            {"ids": list(range(QUICK_KEYS // 2 + 1))},
            False,
        ),
        ("{ product(id: 1) { parts { id } } }", {}, False),
        ("{ product(id: 1) { boxes { maker { id } } } }", {}, False),
        ("{ all { id } }", {}, False),
        ("{ stock(id: 1) { count } }", {}, True),
        ("{ __schema { types { name } } }", {}, False),
        ("{ product(id: ", {}, True),
        ("query ($i: Int!) { product(id: $i) { id } }", {}, True),
        ("{ unknown }", {}, True),
    ],
)
def test_an_operation_that_reads_few_keys_or_nothing_is_quick(query: str, variables: Any, *, is_quick: bool) -> None:
    assert is_quick is executor(shop()).prepare(query, None, variables).is_quick


def test_an_operation_whose_mirror_is_not_at_hand_is_not_quick() -> None:
    mirrors = shop()
    del mirrors.topics["makers"]
    assert not executor(mirrors).prepare("{ product(id: 1) { maker { name } } }").is_quick
    assert executor(mirrors).prepare("{ product(id: 1) { name } }").is_quick


@pytest.mark.usefixtures("only_plans")
def test_a_selection_may_be_wide_and_deep() -> None:
    wide = " ".join(f"f{n}: name" for n in range(1_500))
    deep = "maker { name }"
    for _ in range(8):
        deep = f"parts {{ id {deep} }}"
    limits = GraphQLLimits(max_breadth=2_000, max_aliases=2_000, max_cost=10**9)
    shop_executor = GatewayExecutor(parse_gateway_schema(SHOP), shop(), settings=GatewaySettings(limits=limits))
    assert 1_500 == len(shop_executor.execute(f"{{ product(id: 1) {{ {wide} }} }}")["data"]["product"])
    product_ = shop_executor.execute(f"{{ product(id: 1) {{ {deep} }} }}")["data"]["product"]
    assert [2, 3] == [part["id"] for part in product_["parts"]]


def test_only_a_document_that_was_seen_is_known() -> None:
    shop_executor = executor(shop())
    assert shop_executor.prepare_known("{ product(id: 1) { name } }") is None
    shop_executor.execute("{ product(id: 1) { name } }")
    known = shop_executor.prepare_known("{ product(id: 1) { name } }")
    assert known is not None
    assert {"data": {"product": {"name": "p1"}}} == known.execute()


def test_an_operation_ends_when_its_time_is_up() -> None:
    hurried = GatewayExecutor(parse_gateway_schema(SHOP), shop(), settings=GatewaySettings(timeout_s=-1))
    for query in ("{ product(id: 1) { name } }", "{ all { name } }"):
        answer = hurried.execute(query)
        assert "The operation was not done after -1 seconds and was ended." in answer["errors"][0]["message"]


@pytest.fixture
def mirrors(tmp_path: Path) -> Iterator[tuple[WrittenMirror, WrittenMirror]]:
    strings = codec_for(TopicType.STRING)
    schema = RegisteredSchema(schema_id=1, schema_type="AVRO", schema=AVRO)
    values = codec_for(TopicType.SCHEMA, schema=schema, schemas=lambda _: schema)
    nodes = WrittenMirror(tmp_path / "nodes", strings, values, topic="nodes")
    names = WrittenMirror(tmp_path / "names", strings, strings, topic="names")
    yield nodes, names
    nodes.close()
    names.close()


AVRO = """{"type": "record", "name": "Node", "fields": [
  {"name": "id", "type": "string"}, {"name": "next", "type": ["null", "string"]},
  {"name": "tags", "type": {"type": "array", "items": "string"}},
  {"name": "day", "type": {"type": "int", "logicalType": "date"}}
]}"""

NODES = """
type Query {
  node(id: String): Node @topic(name: "nodes", keyArgument: "id")
  nodes: [Node] @topic(name: "nodes")
}
type Node {
  id: String!
  next: String
  tags: [String]
  day: String
  following: Node @topic(name: "nodes", keyField: "next")
  name: String @topic(name: "names", keyField: "id")
}
"""


def node(id_: str, next_: str | None = None) -> dict[str, Any]:
    return {"id": id_, "next": next_, "tags": ["t"], "day": "2026-01-02"}


def test_all_of_one_operation_is_as_of_one_moment_and_the_transactions_end(
    mirrors: tuple[WrittenMirror, WrittenMirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes, names = mirrors
    nodes.write({"a": node("a", "b"), "b": node("b", "a")})
    names.write({"a": "Ann", "b": "Bob"})
    topics: Any = Topics(nodes, names)
    gateway = GatewayExecutor(parse_gateway_schema(NODES), LocalMirrors(topics, lambda *_: None))
    written: list[str] = []
    check_time = RunningOperation.check_time

    def write_meanwhile(operation: RunningOperation) -> None:
        if written:  # The first read comes after the first check.
            nodes.write({"a": node("a", None), "b": node("b", None)})
        written.append("once more")
        check_time(operation)

    monkeypatch.setattr(RunningOperation, "check_time", write_meanwhile)
    answer = gateway.execute('{ node(id: "a") { day following { id following { id } name } } nodes { next } }')

    assert {
        "node": {"day": "2026-01-02", "following": {"id": "b", "following": {"id": "a"}, "name": "Bob"}},
        "nodes": [{"next": "b"}, {"next": "a"}],
    } == answer["data"]
    assert (0, 0) == (nodes.readers(), names.readers())


def test_transactions_end_after_errors_too(mirrors: tuple[WrittenMirror, WrittenMirror]) -> None:
    nodes, names = mirrors
    nodes.write({"a": node("a", "b"), "b": b"broken"})
    topics: Any = Topics(nodes, names)
    gateway = GatewayExecutor(parse_gateway_schema(NODES), LocalMirrors(topics, lambda *_: None))

    answer = gateway.execute('{ node(id: "a") { id following { id } } nodes { id } }')

    assert {"node": {"id": "a", "following": None}, "nodes": [{"id": "a"}, None]} == answer["data"]
    assert {("node", "following"), ("nodes", 1)} == {tuple(error["path"]) for error in answer["errors"]}
    assert 0 == nodes.readers()


@pytest.mark.parametrize("uses_plans", [True, False])
def test_kept_rows_are_never_changed(mirrors: tuple[WrittenMirror, WrittenMirror], *, uses_plans: bool) -> None:
    nodes, names = mirrors
    nodes.write({"a": node("a", "b"), "b": node("b", "a")})
    topics: Any = Topics(nodes, names)
    cache = RowCache(1_000_000)
    local = LocalMirrors(topics, lambda *_: None, cache)
    gateway = GatewayExecutor(parse_gateway_schema(NODES), local, uses_plans=uses_plans)
    expected = {"node": {"id": "a", "tags": ["t"], "day": "2026-01-02", "following": {"id": "b", "tags": ["t"]}}}

    for _ in range(4):
        answer = gateway.execute('{ node(id: "a") { id tags day following { id tags } } }')
        assert expected == answer["data"]
        answer["data"]["node"]["tags"].append("changed")
        answer["data"]["node"].clear()
    assert 2 == len(cache)
