"""Strawberry behind its own ASGI application, with its caches for parsed and for checked documents.

Records stay dicts: objects of the types below would have to be made first, which costs.
"""

from __future__ import annotations

from operator import getitem
from typing import TYPE_CHECKING, Any, cast

import strawberry
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

from gateway_peers.store import open_stores

if TYPE_CHECKING:
    from strawberry.extensions import SchemaExtension

products, orders, catalogue = open_stores()


@strawberry.type
class Maker:
    """Who makes a product."""

    name: str
    country: str
    city: str


@strawberry.type
class Product:
    """A product."""

    id: int
    name: str
    price: float
    stock: int
    category: str
    description: str
    maker: Maker


@strawberry.type
class Customer:
    """Who has ordered."""

    name: str
    country: str


@strawberry.type
class Order:
    """An order."""

    id: int
    quantity: int
    total: float
    note: str
    product_id: int
    customer: Customer

    @strawberry.field
    def product(self) -> Product | None:
        """Return the product that was ordered."""
        return cast("Any", products.get(cast("Any", self)["productId"]))


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field
    def product(self, id: int) -> Product | None:  # noqa: A002 - the argument's name
        """Return a product."""
        return cast("Any", products.get(id))

    @strawberry.field
    def products(self, ids: list[int]) -> list[Product | None]:
        """Return products."""
        return cast("Any", products.get_many(ids))

    @strawberry.field
    def orders(self, ids: list[int]) -> list[Order | None]:
        """Return orders."""
        return cast("Any", orders.get_many(ids))

    @strawberry.field
    def catalogue(self) -> list[Product]:
        """Return the whole catalogue."""
        return cast("Any", catalogue.all())


def app() -> GraphQL[Any, Any]:
    """Return the application."""
    caches: list[type[SchemaExtension]] = [cast("Any", ParserCache), cast("Any", ValidationCache)]
    config = StrawberryConfig(default_resolver=getitem)
    return GraphQL(strawberry.Schema(Query, extensions=caches, config=config))
