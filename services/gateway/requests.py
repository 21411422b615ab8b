"""GraphQL requests as they come over HTTP: from parameters and bodies to an operation, or to what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

MAX_BODY_BYTES: Final = 1_000_000
"""Longest body of a GraphQL request."""

_WAYS: Final = (
    'Send JSON as {"query": …, "operationName": …, "variables": …} with Content-Type application/json, '
    "or the query alone with Content-Type application/graphql, or the parameter ?query=…"
)


class GraphQLRequest(msgspec.Struct, frozen=True, rename="camel"):
    """One operation that somebody wants to be executed; unknown members of the JSON are ignored."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
    """What is asked for beside the operation: `atLeast`, see `services.gateway.positions`. Others are ignored."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a request holds no operation, and the HTTP status that says so."""

    status: int
    message: str


def too_long() -> Refusal:
    """Return the refusal of a body that is longer than `MAX_BODY_BYTES`."""
    return Refusal(413, f"The body is longer than {MAX_BODY_BYTES} bytes. Ask for less in one request.")


def from_parameters(params: Mapping[str, str]) -> GraphQLRequest | Refusal:
    """Return the operation in the parameters of a URL; `variables` and `extensions` are JSON text."""
    if not params.get("query"):
        return Refusal(422, f"Could not process GraphQL request: there is no query. {_WAYS}")
    objects: dict[str, dict[str, Any] | None] = {}
    for name in ("variables", "extensions"):
        try:
            objects[name] = msgspec.json.decode(params.get(name) or "null", type=dict[str, Any] | None)
        except (ValueError, RecursionError) as error:
            return Refusal(400, f"The parameter {name} is not a JSON object: {error}. Correct it.")
    return GraphQLRequest(params["query"], params.get("operationName") or None, **objects)


def from_body(media_type: str, body: bytes, params: Mapping[str, str]) -> GraphQLRequest | Refusal:
    """Return the operation that was posted.

    Args:
        media_type: Content type without its parameters, in lower case.
        body: The whole body.
        params: The parameters of the URL; they count where the body is no JSON.
    """
    if media_type == "application/json":
        return _from_json(body)
    if params.get("query"):
        return from_parameters(params)
    if media_type == "application/graphql":
        return _from_text(body)
    return Refusal(422, f"Could not process GraphQL request: its content type is {media_type or 'missing'}. {_WAYS}")


def _from_json(body: bytes) -> GraphQLRequest | Refusal:
    try:
        return msgspec.json.decode(body, type=GraphQLRequest)
    except msgspec.ValidationError as error:
        return Refusal(422, f"Could not process GraphQL request: {error}. {_WAYS}")
    except (ValueError, RecursionError) as error:
        return Refusal(400, f"The body is not JSON: {error}. Correct it at that place.")


def _from_text(body: bytes) -> GraphQLRequest | Refusal:
    try:
        return GraphQLRequest(body.decode())
    except UnicodeDecodeError as error:
        return Refusal(400, f"The body is not UTF-8: {error}. Send it as UTF-8.")
