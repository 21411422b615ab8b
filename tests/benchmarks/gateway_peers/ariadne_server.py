"""Ariadne behind its own ASGI application, with caches for parsed and for checked documents."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import graphql
from ariadne import ObjectType, QueryType, make_executable_schema
from ariadne.asgi import GraphQL

from gateway_peers.setup_file import read_setup
from gateway_peers.store import open_stores

DOCUMENTS = 1_000
parse = lru_cache(DOCUMENTS)(graphql.parse)


@lru_cache(DOCUMENTS)
def _checked(schema: graphql.GraphQLSchema, document: graphql.DocumentNode) -> list[graphql.GraphQLError]:
    return graphql.validate(schema, document)


def app() -> GraphQL:
    """Return the application."""
    products, orders, catalogue = open_stores()
    query, order = QueryType(), ObjectType("Order")
    query.set_field("product", lambda _, info, id: products.get(id))  # noqa: A006 - the argument's name
    query.set_field("products", lambda _, info, ids: products.get_many(ids))
    query.set_field("orders", lambda _, info, ids: orders.get_many(ids))
    query.set_field("catalogue", lambda _, info: catalogue.all())
    order.set_field("product", lambda parent, info: products.get(parent["productId"]))
    return GraphQL(
        make_executable_schema(read_setup().sdl, query, order),
        query_parser=lambda context, data: parse(data["query"]),
        query_validator=_validate,
    )


def _validate(schema: graphql.GraphQLSchema, document: graphql.DocumentNode, **_: Any) -> list[graphql.GraphQLError]:
    return _checked(schema, document)
