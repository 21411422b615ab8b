"""The bare limit: LMDB, fastavro and JSON behind Falcon, with the selected fields written down by hand.

It reads the same requests as the others, but not the query in them: one path for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import falcon.asgi
import msgspec

from gateway_peers.store import Record, Store, open_stores

Variables = dict[str, Any]


class Body(msgspec.Struct):
    """What of a request is read; the query is skipped."""

    variables: Variables = {}


class Resource:
    """Answers with what *data* makes of the variables."""

    def __init__(self, data: Callable[[Variables], Any]) -> None:
        self._data = data
        self._decoder = msgspec.json.Decoder(Body)
        self._encoder = msgspec.json.Encoder()

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer as a gateway would."""
        variables = self._decoder.decode(await req.stream.read()).variables
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._encoder.encode({"data": self._data(variables)})


def app() -> falcon.asgi.App[Any, Any]:
    """Return the application."""
    created: falcon.asgi.App[Any, Any] = falcon.asgi.App()
    for workload, data in by_workload(*open_stores()).items():
        created.add_route(f"/{workload}", Resource(data))
    return created


def by_workload(products: Store, orders: Store, catalogue: Store) -> dict[str, Callable[[Variables], Any]]:
    """Return what makes the data of each workload."""

    def point(variables: Variables) -> Any:
        record = products.get(variables["id"])
        return {"product": None if record is None else product(record)}

    def some(variables: Variables) -> Any:
        records = products.get_many(variables["ids"])
        return {"products": [None if record is None else product(record) for record in records]}

    def join(variables: Variables) -> Any:
        parents = [record for record in orders.get_many(variables["ids"]) if record is not None]
        children = products.get_many([record["productId"] for record in parents])
        return {"orders": [order(parent, child) for parent, child in zip(parents, children, strict=True)]}

    def everything(_: Variables) -> Any:
        return {"catalogue": [product(record) for record in catalogue.all()]}

    return {"point": point, "list": some, "join": join, "all": everything}


def product(record: Record) -> Record:
    """Return the selected fields of a product."""
    maker = record["maker"]
    return {
        "id": record["id"],
        "name": record["name"],
        "price": record["price"],
        "stock": record["stock"],
        "maker": {"name": maker["name"], "country": maker["country"]},
    }


def order(parent: Record, child: Record | None) -> Record:
    """Return the selected fields of an order."""
    customer = parent["customer"]
    return {
        "id": parent["id"],
        "quantity": parent["quantity"],
        "total": parent["total"],
        "note": parent["note"],
        "customer": {"name": customer["name"], "country": customer["country"]},
        "product": None if child is None else product(child),
    }
