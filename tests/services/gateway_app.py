"""The GraphQL service over a mirror in memory: the real resource, middleware and errors, no broker and no LMDB."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from core.errors import NotFoundError
from core.gateway_settings import GatewaySettings
from core.sdl import parse_gateway_schema
from core.types import TopicType
from services.app import App
from services.compression import GzipMiddleware
from services.cors import OriginsMiddleware
from services.errors import add_error_handlers
from services.gateway.assets import GraphiQLAssetResource
from services.gateway.executor import GatewayExecutor
from services.gateway.resource import GraphQLResource

SDL = """
type Query {
  product(id: Long): String @topic(name: "products", keyArgument: "id")
  needed(id: Long): String! @topic(name: "products", keyArgument: "id")
  some(ids: [Long!]): [String] @topic(name: "products", keyArgument: "ids")
  products: [String!]! @topic(name: "products")
  ofKind(id: Long, kind: Kind): String @topic(name: "products", keyArgument: "id")
  broken: [String] @topic(name: "broken")
}
enum Kind { LARGE }
type Mutation { nothing: Int }
"""

URL = "/gateway/shop/graphql"


class OneMirror:
    """A mirror of one topic that can be held up, and that remembers how many read it at the same time."""

    def __init__(self) -> None:
        self.is_free = threading.Event()
        self.is_free.set()
        self.is_reading = threading.Event()
        self.values: dict[Any, str] = {1: "Shoes"}
        self.readers = self.most_readers = 0
        self._lock = threading.Lock()

    def begin(self, *, names_types: bool = False) -> OneMirror:
        return self

    def close(self) -> None:
        """Nothing is held."""

    def is_at_hand(self, topic: str) -> bool:
        return False  # Everything is read in a thread.

    def key_type(self, topic: str) -> TopicType:
        return TopicType.LONG

    def get(self, topic: str, key: Any) -> Any | None:
        with self._lock:
            self.readers += 1
            self.most_readers = max(self.most_readers, self.readers)
        self.is_reading.set()
        try:
            assert self.is_free.wait(30)
        finally:
            with self._lock:
                self.readers -= 1
        return self.values.get(key)

    def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any | None]:
        return [self.get(topic, key) for key in keys]

    def range(self, topic: str, key: Any, low: Any, high: Any) -> list[Any]:
        return []

    def all(self, topic: str, check_time: Callable[[], None]) -> list[Any]:
        if topic == "broken":
            raise RuntimeError("the password is hunter2")
        return list(self.values.values())


def resource(mirror: OneMirror, settings: GatewaySettings | None = None, **limits: int) -> GraphQLResource:
    """Return the resource of the one gateway `shop`."""
    settings = settings or GatewaySettings()
    executor = GatewayExecutor(parse_gateway_schema(SDL), mirror, "shop", settings=settings)

    def executors(name: str) -> GatewayExecutor:
        if name != "shop":
            raise NotFoundError(f"Gateway {name} does not exist")
        return executor

    return GraphQLResource(executors, settings, **limits)


def app(graphql: GraphQLResource, *, gzip_level: int = 1, origins: Sequence[str] = ("*",)) -> App:
    """Return the application that serves *graphql*."""
    made = App()
    made.add_middleware(OriginsMiddleware(origins))
    if gzip_level:
        made.add_middleware(GzipMiddleware(gzip_level))
    made.add_route("/gateway/{name}/graphql", graphql)
    made.add_route("/gateway/{name}/graphiql-assets/{file}", GraphiQLAssetResource())
    add_error_handlers(made)
    return made
