"""Graphene's view of the scalars of a gateway schema."""

from __future__ import annotations

from typing import Any, Final

import graphene  # type: ignore[import-untyped]  # Graphene ships no types
from graphql import GraphQLScalarType

from core.scalar_values import scalar_values

GrapheneScalar = Any

OF_GRAPHQL: Final[dict[str, GrapheneScalar]] = {
    "Boolean": graphene.Boolean,
    "Float": graphene.Float,
    "ID": graphene.ID,
    "Int": graphene.Int,
    "String": graphene.String,
}
"""The scalars that GraphQL itself defines."""


def graphene_scalar(type_: GraphQLScalarType) -> GrapheneScalar:
    """Return the Graphene scalar that stands for *type_*: by name one of those built in, else JSON."""
    values = scalar_values(type_.name)
    members = {
        "Meta": {"name": type_.name, "description": type_.description},
        "serialize": staticmethod(values.serialize),
        "parse_value": staticmethod(values.parse_value),
        "parse_literal": staticmethod(values.parse_literal),
    }
    # Graphene puts the name of the class among the globals of its own module: no place for a user's name.
    return type("GatewayScalar", (graphene.Scalar,), members)
