"""`/mirror`: the last value of each key."""

from __future__ import annotations

from typing import Final

from services.mirror import AT_LEAST_HEADER
from services.openapi.parts import Json, header, operation, path_parameter, query, refusals, success

TAG: Final = "mirror"

_PARAMETERS: Final = [
    path_parameter("topic", "Name of the topic.", type="string", minLength=1, maxLength=249),
    header(
        AT_LEAST_HEADER, "Position of a write that the answer has to include, as ingest answered it.", type="string"
    ),
]

_VALUE: Final[Json] = {"description": "As the topic's value type shows it."}

_ONE: Final[Json] = {"type": "object", "required": ["value"], "properties": {"value": _VALUE}}
_ALL: Final[Json] = {
    "type": "object",
    "required": ["value"],
    "properties": {"value": {"type": "array", "items": _VALUE}},
}
_SOME: Final[Json] = {
    "type": "object",
    "required": ["value"],
    "properties": {
        "value": {
            "type": "array",
            "items": _VALUE,
            "description": "In the order of the keys, null where there is none.",
        },
        "missing": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "description": "The keys that do not exist; left out when all do.",
        },
    },
}

PATHS: Final[Json] = {
    "/mirror/{topic}/mirror": {
        "parameters": _PARAMETERS,
        "get": operation(
            "getAllValues",
            "Every value, by key.",
            TAG,
            {**success("The values.", _ALL), **refusals(400, 404)},
        ),
    },
    "/mirror/{topic}/mirror/keys": {
        "parameters": _PARAMETERS,
        "get": operation(
            "getValues",
            "The values of some keys.",
            TAG,
            {**success("The values.", _SOME), **refusals(400, 404)},
            parameters=(
                {
                    **query("ids", "The keys, as text; also joined by commas if not of type schema.", is_required=True),
                    "schema": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                    "style": "form",
                    "explode": True,
                },
            ),
        ),
    },
    "/mirror/{topic}/mirror/{key}": {
        "parameters": [*_PARAMETERS, path_parameter("key", "The key, as text; it may hold slashes.")],
        "get": operation(
            "getValue", "The value of one key.", TAG, {**success("The value.", _ONE), **refusals(400, 404)}
        ),
    },
}
