"""`/mirror`: what topics hold."""

from __future__ import annotations

from typing import Any, Final

from services.mirrors.batch import BatchBody
from services.mirrors.entry_frames import MEDIA_TYPE
from services.mirrors.freshness import AT_LEAST_HEADER, LAG_HEADER, MAX_LAG_HEADER, POSITION_HEADER
from services.mirrors.keys import MAX_KEYS
from services.mirrors.pages import DEFAULT_LIMIT, MAX_LIMIT
from services.mirrors.ranges import MAX_ROWS
from services.mirrors.status import MirrorStatusBody
from services.openapi.parts import JSON, Json, flag, header, operation, path_parameter, query, refusals, success

TAG: Final = "mirror"

_TOPIC: Final = path_parameter("topic", "Name of the topic.", type="string", minLength=1, maxLength=249)

_PARAMETERS: Final = [
    _TOPIC,
    header(
        AT_LEAST_HEADER, "Position of a write that the answer has to include, as ingest answered it.", type="string"
    ),
    header(
        MAX_LAG_HEADER,
        "How far the mirror may be behind its topic: a time, a number of records, or both. Beyond that the answer is"
        " 503.",
        type="string",
        examples=["5s", "500ms", "100 records", "5s, 100 records"],
    ),
]

_FRESHNESS: Final[Json] = {
    POSITION_HEADER: {
        "description": "Position up to which the answer includes every write; for Quick-At-Least.",
        "schema": {"type": "string"},
    },
    LAG_HEADER: {
        "description": "How far the mirror is behind its topic: `records=N; seconds=S`.",
        "schema": {
            "type": "string",
            "pattern": r"^records=(\d+|unknown); seconds=(\d+(\.\d+)?|unknown)$",
        },
    },
}

_VALUE: Final[Json] = {"description": "As the topic's value type shows it."}

_ONE: Final[Json] = {"type": "object", "required": ["value"], "properties": {"value": _VALUE}}

_ELEMENT: Final[Json] = {"description": "A value; with keys=true an object with key and value."}


def _values(description: str, element: Json = _VALUE, **more: Any) -> Json:
    properties = {"value": {"type": "array", "items": element, "description": description}, **more}
    return {"type": "object", "required": ["value"], "properties": properties}


_NEXT: Final[Json] = {
    "anyOf": [{"type": "string"}, {"type": "null"}],
    "description": "What `after` has to be for the following page; null when there is none.",
}

_MISSING: Final[Json] = {
    "type": "array",
    "minItems": 1,
    "description": "The keys that do not exist, as they were given; left out when all do.",
}

_SOME: Final = _values("In the order of the keys, null where there is none.", missing=_MISSING)

_REFUSED: Final = refusals(400, 404)


def _success(description: str, schema: object) -> Json:
    return success(description, schema, headers=_FRESHNESS)


def _limit(default: str, most: int) -> Json:
    return query("limit", f"Most elements of the answer; {default}.", type="integer", minimum=1, maximum=most)


_AFTER: Final = query("after", "The page behind the one that was answered with this as next.")
_KEYS: Final = flag("keys", "Answer with the keys too: each element is an object with key and value.")
_REVERSE: Final = flag("reverse", "From the high end of the range down.")

_BOUNDS: Final = (
    query("gte", "Lower bound, included."),
    query("gt", "Lower bound, not included."),
    query("lte", "Upper bound, included."),
    query("lt", "Upper bound, not included."),
    query("from", "Lower bound, included; goes with `to` alone."),
    query("to", "Upper bound, not included; goes with `from` alone."),
)

_RANGE: Final = (*_BOUNDS, _REVERSE, _limit(f"if left out all, of which there may be {MAX_ROWS}", MAX_ROWS))

_BATCH: Final[Json] = {
    "required": True,
    "content": {
        JSON: {"schema": BatchBody},
        MEDIA_TYPE: {
            "schema": {
                "type": "string",
                "format": "binary",
                "description": "Version (1 byte, 1), number of keys (4 bytes, big-endian), of each key its length"
                " (4 bytes) and its bytes as in Kafka.",
            }
        },
    },
}

_BATCH_ANSWER: Final[Json] = {
    "200": {
        "description": "The values, in the form of the request.",
        "headers": _FRESHNESS,
        "content": {
            JSON: {"schema": _SOME},
            MEDIA_TYPE: {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": "Version (1 byte, 1), number of keys (4 bytes), of each key 0 (1 byte) where there"
                    " is none, else 1 (1 byte), timestamp in milliseconds (8 bytes), length of the value (4 bytes) and"
                    " its bytes as in Kafka.",
                }
            },
        },
    }
}

PATHS: Final[Json] = {
    "/mirror/{topic}/mirror": {
        "parameters": _PARAMETERS,
        "get": operation(
            "getAllValues",
            "Every value, by key: streamed; a page of them with limit or after; one with key.",
            TAG,
            {
                **_success(
                    "The values. With key one value, which is no list.",
                    {
                        "type": "object",
                        "required": ["value"],
                        "properties": {
                            "value": {
                                "description": "The list of values; with keys=true of objects with key and value."
                            },
                            "next": _NEXT,
                        },
                    },
                ),
                **_REFUSED,
            },
            parameters=(
                _limit(f"{DEFAULT_LIMIT} where only after is given", MAX_LIMIT),
                _AFTER,
                _KEYS,
                query(
                    "key", "Any key, as text, also one that no path can hold: `keys`, or one that ends with a slash."
                ),
            ),
        ),
    },
    "/mirror/{topic}/mirror/keys": {
        "parameters": _PARAMETERS,
        "get": operation(
            "getValues",
            "The values of some keys.",
            TAG,
            {**_success("The values.", _SOME), **_REFUSED, **refusals(413)},
            parameters=(
                {
                    **query("ids", "The keys, as text; also joined by commas if not of type schema.", is_required=True),
                    "schema": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                    "style": "form",
                    "explode": True,
                },
                flag("exact", "Each ids is one key, with the commas that are in it."),
            ),
        ),
    },
    "/mirror/{topic}/mirror/batch": {
        "parameters": _PARAMETERS,
        "post": operation(
            "getManyValues",
            f"The values of up to {MAX_KEYS} keys, all as of one moment.",
            TAG,
            {**_BATCH_ANSWER, **_REFUSED, **refusals(413, 415)},
            body=_BATCH,
        ),
    },
    "/mirror/{topic}/mirror/range/{key}": {
        "parameters": [
            *_PARAMETERS,
            path_parameter("key", "The key, as text; in a mirror with a range key a value of that field."),
        ],
        "get": operation(
            "getRange",
            "The records of a key within bounds of the mirror's range field, in its order.",
            TAG,
            {**_success("The values.", _values("In the order of the range field.")), **_REFUSED},
            parameters=_RANGE,
        ),
    },
    "/mirror/{topic}/range": {
        "parameters": _PARAMETERS,
        "get": operation(
            "getRangeOfKey",
            "The same for any key, also one that no path can hold.",
            TAG,
            {**_success("The values.", _values("In the order of the range field.")), **_REFUSED},
            parameters=(query("key", "The key, as text.", is_required=True), *_RANGE),
        ),
    },
    "/mirror/{topic}/mirror/index/{field}": {
        "parameters": [*_PARAMETERS, path_parameter("field", "The indexed field.")],
        "get": operation(
            "getIndexed",
            "Keys by a field of their last values, in its order, page by page.",
            TAG,
            {
                **_success("A page of values.", _values("In the order of the field.", _ELEMENT, next=_NEXT)),
                **_REFUSED,
            },
            parameters=(*_BOUNDS, _REVERSE, _limit(f"{DEFAULT_LIMIT} if left out", MAX_LIMIT), _AFTER, _KEYS),
        ),
    },
    "/mirror/{topic}/mirror/{key}": {
        "parameters": [
            *_PARAMETERS,
            path_parameter(
                "key",
                "The key, as text; it may hold slashes. One that is empty, ends with a slash, or is an address of its"
                " own (keys, batch, range/…, index/…) is a parameter: /mirror/{topic}/mirror?key=keys.",
            ),
        ],
        "get": operation("getValue", "The value of one key.", TAG, {**_success("The value.", _ONE), **_REFUSED}),
    },
    "/mirror/{topic}/status": {
        "parameters": [_TOPIC],
        "get": operation(
            "getMirrorStatus",
            "What the mirror keeps, whether it is ready, how far it is and how much it holds.",
            TAG,
            {**_success("The mirror as it stands here.", MirrorStatusBody), **refusals(404)},
        ),
    },
    "/mirror/{topic}/streams/partitions": {
        "parameters": _PARAMETERS,
        "get": operation(
            "getPartitions",
            "Who answers for each partition: the address of whoever is asked.",
            TAG,
            {
                **_success(
                    "An address for each partition.", {"type": "object", "additionalProperties": {"type": "string"}}
                ),
                **_REFUSED,
            },
        ),
    },
}
