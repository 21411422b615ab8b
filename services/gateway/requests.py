"""GraphQL requests as they come over HTTP: from parameters and bodies to operations, or to what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.gateway.media import GRAPHQL, JSON, BodyType

PARAMETERS: Final = ("query", "operationName", "variables", "extensions", "documentId")
"""The parameters of a URL that make a request."""

_BOM: Final = b"\xef\xbb\xbf"

_WAYS: Final = (
    'Send JSON as {"query": …, "operationName": …, "variables": …} with Content-Type application/json, '
    "or the query alone with Content-Type application/graphql, or the parameter ?query=…"
)


class GraphQLRequest(msgspec.Struct, frozen=True, rename="camel"):
    """One operation that somebody wants to be executed; unknown members of the JSON are ignored.

    Of a member that comes twice the last one counts, as JSON is read nearly everywhere.
    """

    query: str | None = None
    """The text of the document; without it the request names a registered one."""

    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
    """What is asked for beside the operation: `atLeast`, see `services.gateway.positions`. Others are ignored."""
    document_id: str | None = None

    def registered_id(self) -> str | None:
        """Return the id of the registered document that is named, in either of the two ways to do so."""
        if self.document_id is not None:
            return self.document_id
        persisted = (self.extensions or {}).get("persistedQuery")
        digest = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
        return f"sha256:{digest}" if isinstance(digest, str) else None


class Refusal(msgspec.Struct, frozen=True):
    """Why a request is not executed, and the HTTP status that says so."""

    status: int
    """The status of an answer in `application/json`: 200 for a request that is well-formed."""

    message: str

    code: str | None = None
    """A word for programs, where some know one."""


Asked = GraphQLRequest | list[GraphQLRequest] | Refusal
"""What somebody wants: one operation, several, or nothing that can be done."""


def from_parameters(params: Mapping[str, str]) -> GraphQLRequest | Refusal:
    """Return the operation in the parameters of a URL; `variables` and `extensions` are JSON texts."""
    decoded: dict[str, dict[str, Any] | None] = {}
    for name in ("variables", "extensions"):
        try:
            decoded[name] = msgspec.json.decode(params.get(name) or "null", type=dict[str, Any] | None)
        except (ValueError, RecursionError) as error:
            return Refusal(400, f"The parameter {name} is not a JSON object: {error}. Correct it.")
    return _complete(
        GraphQLRequest(
            params.get("query") or None,
            params.get("operationName") or None,
            decoded["variables"],
            decoded["extensions"],
            params.get("documentId") or None,
        )
    )


def from_body(kind: BodyType, body: bytes, params: Mapping[str, str]) -> Asked:
    """Return what was posted.

    Args:
        kind: What the body is.
        body: The whole body.
        params: The parameters of the URL; they count where the body is no JSON.
    """
    if kind.media_type == JSON:
        return _from_json(body.removeprefix(_BOM)) if kind.is_utf_8 else _wrong_charset()
    if params.get("query") or params.get("documentId"):
        return from_parameters(params)
    if kind.media_type == GRAPHQL:
        return _from_text(body) if kind.is_utf_8 else _wrong_charset()
    what = kind.media_type or "missing"
    return Refusal(422, f"Could not process GraphQL request: its content type is {what:.100}. {_WAYS}")


def _from_json(body: bytes) -> Asked:
    try:
        if body.lstrip(b" \t\r\n").startswith(b"["):
            return _all_complete(msgspec.json.decode(body, type=list[GraphQLRequest]))
        return _complete(msgspec.json.decode(body, type=GraphQLRequest))
    except msgspec.ValidationError as error:
        return Refusal(422, f"Could not process GraphQL request: {error}. {_WAYS}")
    except (ValueError, RecursionError) as error:
        return Refusal(400, f"The body is not JSON: {error}. Correct it at that place.")


def _all_complete(requests: list[GraphQLRequest]) -> list[GraphQLRequest] | Refusal:
    for place, request in enumerate(requests):
        if isinstance(complete := _complete(request), Refusal):
            return Refusal(complete.status, f"Of the array, element {place}: {complete.message}")
    return requests


def _complete(request: GraphQLRequest) -> GraphQLRequest | Refusal:
    if request.query is None and request.registered_id() is None:
        return Refusal(422, f"Could not process GraphQL request: there is no query. {_WAYS}")
    return request


def _from_text(body: bytes) -> GraphQLRequest | Refusal:
    try:
        return GraphQLRequest(body.removeprefix(_BOM).decode())
    except UnicodeDecodeError as error:
        return Refusal(400, f"The body is not UTF-8: {error}. Send it as UTF-8.")


def _wrong_charset() -> Refusal:
    return Refusal(415, "The body is not in UTF-8, as its content type says. Send it as UTF-8.")
