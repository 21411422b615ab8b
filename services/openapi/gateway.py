"""`/gateway`: queries over GraphQL. What can be asked is described by the schema of each gateway, not here."""

from __future__ import annotations

from typing import Final

from services.errors import ErrorBody
from services.gateway.media import GRAPHQL_RESPONSE
from services.gateway.requests import GraphQLRequest
from services.gateway.resource import COST_HEADER
from services.manager.gateway_schemas import SchemaBody
from services.mirrors.freshness import AT_LEAST_HEADER, MAX_LAG_HEADER, POSITION_HEADER
from services.openapi.manager import APPLY_SCHEMA
from services.openapi.parts import JSON, Json, answer, header, operation, path_parameter, query, refusals, success

TAG: Final = "gateway"

_NAME: Final = path_parameter("name", "Name of the gateway.")

_ONE: Final[Json] = {
    "type": "object",
    "properties": {
        "data": {"anyOf": [{"type": "object"}, {"type": "null"}]},
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["message"],
                "properties": {"message": {"type": "string"}, "extensions": {"type": "object"}},
            },
        },
        "extensions": {
            "type": "object",
            "description": "`positions`: for each topic that the operation has written to, the position of the write.",
        },
    },
}

_ANSWER: Final[Json] = {"anyOf": [_ONE, {"type": "array", "minItems": 1, "items": _ONE}]}
"""An array answers an array of operations, in its order."""

_MEDIA: Final[Json] = {JSON: {"schema": _ANSWER}, GRAPHQL_RESPONSE: {"schema": _ANSWER}}


def _answer(description: str) -> Json:
    return {"description": description, "content": _MEDIA}


_POSITIONS: Final[Json] = {
    POSITION_HEADER: {
        "description": "Positions of what a mutation has written, one for each topic, separated by commas.",
        "schema": {"type": "string"},
    }
}

_ANSWERS: Final[Json] = {
    "200": {
        **_answer("The answer of the operation; with errors in it too, unless graphql-response+json is preferred."),
        "headers": _POSITIONS,
    },
    "400": _answer("The request is unreadable, or its operation could not be executed at all."),
    "406": _answer("The header Accept names no media type that there is."),
    "413": _answer("The body is too long."),
    "415": _answer("The body is not in UTF-8, or packed in a way that is not read."),
    "422": _answer("The request holds no operation; 400 where graphql-response+json is preferred."),
    "504": _answer("The operation took longer than is waited for."),
    **refusals(404),
}

PATHS: Final[Json] = {
    "/gateway/{name}/graphql": {
        "parameters": [
            _NAME,
            query("query", "The operation."),
            query("operationName", "Which operation of several."),
            query("variables", "Its variables, as the text of a JSON object."),
            query(
                "extensions",
                'As the text of a JSON object: {"atLeast": POSITION or [POSITION, …]}, {"reportCost": true}.',
            ),
            header(
                AT_LEAST_HEADER,
                "Positions of writes that the answer has to include, separated by commas, as they were answered.",
                type="string",
            ),
            header(
                MAX_LAG_HEADER,
                "How far the mirrors that the operation reads may be behind. Beyond that the answer is 503.",
                type="string",
                examples=["5s", "500ms", "100 records", "5s, 100 records"],
            ),
            query("documentId", "Id of a registered document, in the place of the query."),
            header(COST_HEADER, "`true`: tell what the operation costs, in the extensions of its answer."),
        ],
        "get": operation(
            "query",
            "Execute a query; shows GraphiQL to a browser that brings none.",
            TAG,
            {
                **_ANSWERS,
                "200": {
                    **_ANSWERS["200"],
                    "content": {**_MEDIA, "text/html": {"schema": {"type": "string"}}},
                },
                "405": _answer("A mutation is sent with POST."),
            },
        ),
        "post": operation(
            "execute",
            "Execute an operation.",
            TAG,
            {**_ANSWERS, **refusals(429)},
            body={
                "required": False,
                "content": {
                    JSON: {
                        "schema": {"anyOf": [GraphQLRequest, {"type": "array", "minItems": 1, "items": GraphQLRequest}]}
                    },
                    "application/graphql": {"schema": {"type": "string"}},
                },
            },
        ),
    },
    "/gateway/{name}/control/schema": {
        "parameters": [_NAME],
        "post": operation(
            "applyGatewaySchema", "Make the gateway serve a schema, as the manager does.", TAG, **APPLY_SCHEMA
        ),
    },
    "/gateway/{name}/schema/{type_name}": {
        "parameters": [_NAME, path_parameter("type_name", "Name of a type of the gateway's schema.")],
        "get": operation(
            "getGatewayType",
            "The definition of a type as topics store it.",
            TAG,
            {**success("The definition.", SchemaBody), **refusals(400, 404)},
        ),
    },
    "/gateway/{name}/graphiql-assets/{file}": {
        "parameters": [_NAME, path_parameter("file", "Name of a file.")],
        "get": operation(
            "getGraphiQLFile",
            "A file of GraphiQL, the query editor for browsers.",
            TAG,
            {
                "200": {
                    "description": "The file.",
                    "content": {
                        "text/css": {"schema": {"type": "string"}},
                        "text/javascript": {"schema": {"type": "string"}},
                    },
                },
                "404": answer("There is no such file.", ErrorBody),
            },
            is_open=True,
        ),
    },
}
