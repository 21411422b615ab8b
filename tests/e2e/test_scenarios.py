"""The functional suites of Quick, E1 to E3, through the installed CLI and HTTP: outputs compared exactly."""

from __future__ import annotations

import json
from pathlib import Path

from tests.running import Running

PRODUCT_SDL = """
type Query {
  findProduct(productId: Int): Product @topic(name: "%(topic)s", keyArgument: "productId")
}

type Product {
  productId: Int!
  name: String
  description: String
  price: Price
  metadata: Metadata
}

type Price {
  total: Float
  currency: String
}

type Metadata {
  created_at: Int
  source: String
}
"""

PURCHASE_SDL = """
extend type Query {
  findPurchase(purchaseId: String): Purchase @topic(name: "e3-purchase", keyArgument: "purchaseId")
}

type Purchase {
  purchaseId: ID!
  productId: Int!
  userId: Int!
  amount: Int
  price: Price
  product: Product @topic(name: "e3-product", keyField: "productId")
}
"""

PRODUCTS = [
    {
        "key": number,
        "value": {
            "productId": number,
            "name": name,
            "description": f"A {name}",
            "price": {"total": total, "currency": "EUR"},
            "metadata": {"created_at": 1600000000 + number, "source": "shop"},
        },
    }
    for number, name, total in ((123, "T-Shirt", 14.99), (456, "Jeans", 79.99), (789, "Shoes", 99.99))
]

PURCHASES = [
    {
        "key": key,
        "value": {
            "purchaseId": key,
            "productId": product,
            "userId": user,
            "amount": 1,
            "price": {"total": 19.99, "currency": "DOLLAR"},
        },
    }
    for key, product, user in (("abc", 123, 1), ("def", 123, 2), ("ghi", 456, 2), ("jkl", 789, 2))
]


def context(running: Running) -> None:
    assert "" == running.quick("context", "create", "--host", running.url, "--key", "e2e-key", "--context", "e2e")
    assert "" == running.quick("context", "activate", "e2e")


def test_e1_crud(running: Running, tmp_path: Path) -> None:
    context(running)
    schema = tmp_path / "schema.gql"
    schema.write_text(
        'type Query { findProduct(productId: Long): String @topic(name: "e1-product", keyArgument: "productId") }'
    )
    created = running.quick("topic", "create", "e1-product", "--key", "long", "--value", "string")
    assert "Created new topic e1-product\n" == created
    assert "Create gateway e1-gateway (this may take a few seconds)\n" == running.quick(
        "gateway", "create", "e1-gateway"
    )
    assert "Applied schema to gateway e1-gateway\n" == running.quick(
        "gateway", "apply", "e1-gateway", "-f", str(schema)
    )

    def find(key: int) -> object:
        return running.data("e1-gateway", "query ($id: Long) { findProduct(productId: $id) }", id=key)

    running.include("e1-product", running.ingest("e1-product", {"key": 123, "value": "T-Shirt"}))
    assert {"findProduct": "T-Shirt"} == find(123)
    batch = [{"key": 123, "value": "T-Shirt (black)"}, {"key": 456, "value": "Jeans"}, {"key": 789, "value": "Shoes"}]
    running.include("e1-product", running.ingest("e1-product", batch))
    assert {"findProduct": "T-Shirt (black)"} == find(123)
    assert {"findProduct": "Jeans"} == find(456)
    with running.http() as http:
        answer = http.delete("/ingest/e1-product/123")
    assert 200 == answer.status_code
    running.include("e1-product", answer.json()["position"])
    assert {"findProduct": None} == find(123)
    assert "Deleted gateway e1-gateway\n" == running.quick("gateway", "delete", "e1-gateway")
    assert "Deleted topic e1-product\n" == running.quick("topic", "delete", "e1-product")


def test_e2_schema(running: Running, tmp_path: Path) -> None:
    context(running)
    schema = tmp_path / "schema.gql"
    schema.write_text(PRODUCT_SDL % {"topic": "e2-product"})
    created = running.quick("gateway", "create", "-s", str(schema), "e2-gateway")
    assert "Create gateway e2-gateway (this may take a few seconds)\n" == created
    created = running.quick(
        "topic", "create", "e2-product", "--key", "int", "--value", "schema", "-s", "e2-gateway.Product"
    )
    assert "Created new topic e2-product\n" == created
    running.include("e2-product", running.ingest("e2-product", PRODUCTS))
    with running.http() as http:
        invalid = {"key": 999, "value": {"name": "Hat", "price": 9.99, "metadata": {"created_at": "yesterday"}}}
        refused = http.post("/ingest/e2-product", json=invalid)
    assert 400 == refused.status_code
    assert "Error" in refused.text
    query = """{ findProduct(productId: 123) {
        productId name description price { total currency } metadata { created_at source } } }"""
    assert {"findProduct": PRODUCTS[0]["value"]} == running.data("e2-gateway", query)

    wider = (PRODUCT_SDL % {"topic": "e2-product"}).replace(
        "type Query {",
        """type Query {
  findProducts(productId: [Int]): [Product] @topic(name: "e2-product", keyArgument: "productId")
  allProducts: [Product!] @topic(name: "e2-product")""",
    )
    applied = running.quick("gateway", "apply", "e2-gateway", "-f", "-", stdin=wider)
    assert "Applied schema to gateway e2-gateway\n" == applied
    found = running.data("e2-gateway", "{ findProducts(productId: [123, 456]) { name } }")
    assert {"findProducts": [{"name": "T-Shirt"}, {"name": "Jeans"}]} == found
    names = running.data("e2-gateway", "{ allProducts { name } }")
    assert {"allProducts": [{"name": "T-Shirt"}, {"name": "Jeans"}, {"name": "Shoes"}]} == names
    running.quick("gateway", "delete", "e2-gateway")
    running.quick("topic", "delete", "e2-product")


def test_e3_multi_stream(running: Running, tmp_path: Path) -> None:
    context(running)
    schema = tmp_path / "schema.gql"
    schema.write_text(PURCHASE_SDL + PRODUCT_SDL % {"topic": "e3-product"})
    running.quick("gateway", "create", "e3-gateway")
    running.quick("gateway", "apply", "e3-gateway", "--file", str(schema))
    for name, key, type_name in (("e3-product", "int", "Product"), ("e3-purchase", "string", "Purchase")):
        created = running.quick(
            "topic", "create", name, "-k", key, "-v", "schema", "--schema", f"e3-gateway.{type_name}"
        )
        assert f"Created new topic {name}\n" == created
    running.include("e3-product", running.ingest("e3-product", PRODUCTS))
    running.include("e3-purchase", running.ingest("e3-purchase", PURCHASES))
    query = """{ findPurchase(purchaseId: "abc") {
        productId amount price { total currency } product { name price { total } } } }"""
    expected = {
        "productId": 123,
        "amount": 1,
        "price": {"total": 19.99, "currency": "DOLLAR"},
        "product": {"name": "T-Shirt", "price": {"total": 14.99}},
    }
    assert {"findPurchase": expected} == running.data("e3-gateway", query)
    for name in ("e3-product", "e3-purchase"):
        assert f"Deleted topic {name}\n" == running.quick("topic", "delete", name)
    running.quick("gateway", "delete", "e3-gateway")


def test_the_log_tells_who_did_what(running: Running) -> None:
    context(running)
    running.quick("gateway", "create", "audited", "-m", "for the audit: größer")
    running.quick("gateway", "delete", "audited")
    commands = json.loads(running.quick("log", "--limit", "2", "-o", "json"))
    commands = commands["commands"] if isinstance(commands, dict) else commands
    assert [("create_gateway", "gateway/audited"), ("delete_gateway", "gateway/audited")] == [
        (command["command"], command["target"]) for command in commands
    ]
    assert ("default", "for the audit: größer") == (commands[0]["actor"], commands[0]["reason"])
    assert "@" in commands[0]["source"]
