"""The description as a whole, put together of its services' parts."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import msgspec

from services.openapi import applications, gateway, ingest, instance, manager, mirror, parts, schema_registry
from services.openapi.parts import Json

_DESCRIPTION: Final = (
    "Kafka topics as a platform that is queried, written to and audited. Every error has the same body, but those of"
    " GraphQL and of the schema registry, which have their own; one that nobody expected is answered with 500 and the"
    " number under which the server's log has it. A path without an API key is answered with 401 whether there is"
    " anything at it or not."
)

_SECURITY: Final[Json] = {
    "ApiKeyAuth": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "BasicAuth": {
        "type": "http",
        "scheme": "basic",
        "description": "For /schema-registry alone: the API key as password, with any user.",
    },
}

_TAGS: Final = {
    instance.TAG: "Health and figures.",
    manager.TAG: "Topics, mirrors and gateways.",
    applications.TAG: "Images that process topics, run by Kubernetes beside Quick.",
    manager.KEYS: "API keys.",
    manager.LOG: "Who did what, when and why; the past, and what the log is checked and mended with.",
    ingest.TAG: "Records in.",
    mirror.TAG: "The last value of each key.",
    gateway.TAG: "Queries.",
    schema_registry.TAG: "Subjects and schemas, as Confluent's clients know them.",
}

_SCHEMA_REFERENCE: Final = "#/components/schemas/{name}"


@cache
def document(*, with_schema_registry: bool) -> Json:
    """Return the description.

    Args:
        with_schema_registry: Whether schemas are registered here, not at another registry.
    """
    services = [instance, manager, applications, ingest, mirror, gateway]
    if with_schema_registry:
        services.append(schema_registry)
    made: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Quick",
            "summary": "Kafka topics, queried, written and audited.",
            "description": _DESCRIPTION,
            "version": version("quick-es"),
        },
        "servers": [{"url": "/"}],
        "security": [{"ApiKeyAuth": []}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": {path: item for service in services for path, item in service.PATHS.items()},
        "components": {
            "securitySchemes": _SECURITY,
            "parameters": parts.PARAMETERS,
            "responses": parts.refusal_components(),
            "schemas": ingest.SCHEMAS,
        },
    }
    return _with_schemas(made)


_GENERIC: Final = re.compile(rb"\b([A-Z][A-Za-z]*)_([A-Z][A-Za-z]*)_(?=\")")
"""What msgspec calls a generic type of another: `Row_Mirror_`, which is called MirrorRow here."""


@cache
def encoded(*, with_schema_registry: bool) -> bytes:
    """Return the description as JSON."""
    return msgspec.json.encode(document(with_schema_registry=with_schema_registry))


def _with_schemas(made: Json) -> Json:
    """Return a description in which schemas stand where there were types."""
    types: dict[Any, None] = {}
    _collect(made, types)
    generated = msgspec.json.schema_components(list(types), ref_template=_SCHEMA_REFERENCE)
    schemas, components = msgspec.json.decode(_GENERIC.sub(rb"\2\1", msgspec.json.encode(generated)))
    resolved: Json = _replaced(made, dict(zip(types, schemas, strict=True)))
    resolved["components"]["schemas"] |= components
    return resolved


def _is_type(node: object) -> bool:
    return node is not None and not isinstance(node, dict | list | tuple | str | int | float)


def _collect(node: Any, types: dict[Any, None]) -> None:
    if _is_type(node):
        types[node] = None
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            _collect(child, types)


def _replaced(node: Any, schemas: dict[Any, Json]) -> Any:
    if _is_type(node):
        return schemas[node]
    if isinstance(node, dict):
        return {name: _replaced(child, schemas) for name, child in node.items()}
    if isinstance(node, list):
        return [_replaced(child, schemas) for child in node]
    return node
