"""What gateways are measured with: records, the schema over them, the queries and what these must answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from string import Template
from typing import Any, Final

import httpx
import msgspec

PRODUCTS: Final = 100_000
ORDERS: Final = 20_000
CATALOGUE: Final = 10_000

LISTED: Final = 100
"""Objects in one answer of the lists."""

ASKED_OFTEN: Final = 5_000
"""Products and orders that lists ask for, so few that a cache of rows can hold them."""

Record = dict[str, Any]
Data = dict[str, Any]

SDL: Final = Template("""
type Query {
  product(id: Int!): Product @topic(name: "$products", keyArgument: "id")
  products(ids: [Int!]!): [Product] @topic(name: "$products", keyArgument: "ids")
  orders(ids: [Int!]!): [Order] @topic(name: "$orders", keyArgument: "ids")
  catalogue: [Product] @topic(name: "$catalogue")
}
type Product {
  id: Int!
  name: String!
  price: Float!
  stock: Int!
  category: String!
  description: String!
  maker: Maker!
}
type Maker {
  name: String!
  country: String!
  city: String!
}
type Order {
  id: Int!
  quantity: Int!
  total: Float!
  note: String!
  productId: Int!
  customer: Customer!
  product: Product @topic(name: "$products", keyField: "productId")
}
type Customer {
  name: String!
  country: String!
}
""")

_TOPIC_DIRECTIVE: Final = re.compile(r" @topic\([^)]*\)")
_PRODUCT_FIELDS: Final = "{ id name price stock maker { name country } }"
_ORDER_FIELDS: Final = f"{{ id quantity total note customer {{ name country }} product {_PRODUCT_FIELDS} }}"
_COUNTRIES: Final = ("Norway", "Chile", "Japan", "Kenya")
_TEXT: Final = "Made to last, and tried by people who use one every day; spare parts are kept for ten years."


@dataclass(frozen=True)
class Topics:
    """The names of the topics of one run."""

    products: str
    orders: str
    catalogue: str

    def named(self) -> dict[str, str]:
        """Return the topics by what is in them."""
        return {"products": self.products, "orders": self.orders, "catalogue": self.catalogue}


@dataclass(frozen=True)
class Workload:
    """One query with the variables that it is asked with."""

    name: str
    query: str
    variables: list[dict[str, Any]]
    expected: Callable[[Mapping[str, Any]], Data]
    """From variables to the data of the answer."""
    connections: int = 32
    is_served_by_all: bool = True
    """Whether it is asked of every peer, and not only of the bare limit."""

    def bodies(self) -> list[bytes]:
        """Return the requests as JSON."""
        return [msgspec.json.encode({"query": self.query, "variables": chosen}) for chosen in self.variables]


def product(number: int) -> Record:
    """Return a product, some 200 bytes as Avro."""
    return {
        "id": number,
        "name": f"Product {number} of the long list",
        "price": number % 1000 + 0.99,
        "stock": number * 7 % 500,
        "category": f"category {number % 50}",
        "description": f"{_TEXT} Number {number}.",
        "maker": {"name": f"Maker {number % 300}", "country": _COUNTRIES[number % 4], "city": f"City {number % 80}"},
    }


def order(number: int) -> Record:
    """Return an order of one product."""
    return {
        "id": number,
        "quantity": number % 9 + 1,
        "total": number % 5000 + 0.49,
        "note": f"Leave order {number} at the door",
        "productId": number * 7919 % PRODUCTS,
        "customer": {"name": f"Customer {number % 4000}", "country": _COUNTRIES[number % 4]},
    }


def records(kind: str) -> Iterator[Record]:
    """Yield all records of one of the topics."""
    make, count = {"products": (product, PRODUCTS), "orders": (order, ORDERS), "catalogue": (product, CATALOGUE)}[kind]
    return map(make, range(count))


def sdl(topics: Topics) -> str:
    """Return the schema of the gateway."""
    return SDL.substitute(topics.named())


def plain_sdl() -> str:
    """Return the same schema for those that do not know our directives."""
    return _TOPIC_DIRECTIVE.sub("", SDL.template)


def declare(http: httpx.Client, gateway: str, topics: Topics) -> None:
    """Create topics and gateway. The types are given by a gateway of their own, since the schema names the topics."""
    types = f"{gateway}-types"
    http.post("/manager/gateway", json={"name": types, "schema": plain_sdl()}).raise_for_status()
    for kind, topic in topics.named().items():
        body = {"valueSchema": {"gateway": types, "type": "Order" if kind == "orders" else "Product"}}
        params = {"keyType": "int", "valueType": "schema"}
        http.post(f"/manager/topic/{topic}", params=params, json=body).raise_for_status()
    http.post("/manager/gateway", json={"name": gateway, "schema": sdl(topics)}).raise_for_status()


def workloads() -> tuple[Workload, ...]:
    """Return what is measured: a point query, a list, a join and everything of a topic."""
    random = Random(1)
    points = [{"id": random.randrange(PRODUCTS)} for _ in range(20_000)]
    lists = [{"ids": random.sample(range(ASKED_OFTEN), LISTED)} for _ in range(200)]
    by_id, by_ids = "query ($id: Int!) ", "query ($ids: [Int!]!) "
    return (
        Workload("point", f"{by_id}{{ product(id: $id) {_PRODUCT_FIELDS} }}", points, _expected_point),
        Workload("list", f"{by_ids}{{ products(ids: $ids) {_PRODUCT_FIELDS} }}", lists, _expected_list),
        Workload("join", f"{by_ids}{{ orders(ids: $ids) {_ORDER_FIELDS} }}", lists, _expected_join),
        Workload(
            "all", f"{{ catalogue {_PRODUCT_FIELDS} }}", [{}], _expected_all, connections=2, is_served_by_all=False
        ),
    )


def distinct_documents(round_number: int, count: int) -> Iterator[bytes]:
    """Yield requests whose documents all differ, from each other and from those of other rounds."""
    for number in range(count):
        query = f"query Q{round_number}x{number}($id: Int!) {{ a{number}: product(id: $id) {_PRODUCT_FIELDS} }}"
        yield msgspec.json.encode({"query": query, "variables": {"id": number}})


def many_types(topics: Topics, count: int) -> str:
    """Return a schema of *count* object types, each reached by a query and from the type before it."""
    lines = ["type Query {"]
    lines += [f'  t{n}(id: Int!): T{n} @topic(name: "{topics.products}", keyArgument: "id")' for n in range(count)]
    for n in range(count):
        follower = f'next: T{(n + 1) % count} @topic(name: "{topics.products}", keyField: "id")'
        lines.append(f"}} type T{n} {{ id: Int! name: String! price: Float! stock: Int! category: String {follower}")
    return "\n".join([*lines, "}"])


def _expected_point(variables: Mapping[str, Any]) -> Data:
    return {"product": _shown_product(product(variables["id"]))}


def _expected_list(variables: Mapping[str, Any]) -> Data:
    return {"products": [_shown_product(product(number)) for number in variables["ids"]]}


def _expected_join(variables: Mapping[str, Any]) -> Data:
    return {"orders": [_shown_order(order(number)) for number in variables["ids"]]}


def _expected_all(_: Mapping[str, Any]) -> Data:
    return {"catalogue": [_shown_product(record) for record in records("catalogue")]}


def _shown_product(record: Record) -> Record:
    return _picked(record, "id", "name", "price", "stock") | {"maker": _picked(record["maker"], "name", "country")}


def _shown_order(record: Record) -> Record:
    shown = _picked(record, "id", "quantity", "total", "note")
    shown["customer"] = record["customer"]
    return shown | {"product": _shown_product(product(record["productId"]))}


def _picked(record: Record, *names: str) -> Record:
    return {name: record[name] for name in names}
