"""`/ingest`: records in."""

from __future__ import annotations

from typing import Final

from services.errors import ErrorBody
from services.ingest.ndjson import UploadEnd
from services.ingest.resources import POSITION_HEADER, WriteBody
from services.ingest.verdicts import RefusedVerdict, ValidVerdict, WrittenVerdict
from services.openapi.parts import JSON, NDJSON, Json, answer, flag, operation, path_parameter, query, refusals

TAG: Final = "ingest"

_TOPIC: Final = path_parameter("topic", "Name of the topic.", type="string", minLength=1, maxLength=249)

_FLAGS: Final = (
    flag("verdicts", "Tell of each record what became of it."),
    flag("atomic", "Write all records or none, in a transaction."),
    flag("strict", "Refuse names that the schema does not know."),
    flag("dryRun", "Check everything and write nothing."),
)

_BINARY: Final = (
    query("key", "Key of the record, as text; for bodies that are the bytes of one value, and wanted there."),
    query(
        "schemaId",
        "Schema of an Avro or Protobuf body, that of the topic when it is left out.",
        type="integer",
        minimum=1,
        maximum=2**32 - 1,
    ),
    query(
        "timestamp",
        "Milliseconds since 1970; for bodies that are the bytes of one value.",
        type="integer",
        minimum=1,
        maximum=2**63 - 1,
    ),
)

_TEXT: Final[Json] = {"type": "string"}

_VERDICT: Final[Json] = {"anyOf": [RefusedVerdict, WrittenVerdict, ValidVerdict]}
_VERDICTS: Final[Json] = {
    "properties": {"verdicts": {"anyOf": [{"type": "array", "items": _VERDICT}, {"type": "null"}]}}
}

_LINES: Final[Json] = {
    "type": "string",
    "description": "A verdict a line, as soon as it is known; the last line tells of the upload as a whole.",
    "x-line": {"anyOf": [RefusedVerdict, WrittenVerdict, ValidVerdict, UploadEnd]},
}

_PAIR: Final[Json] = {
    "type": "object",
    "required": ["key", "value"],
    "properties": {
        "key": {"description": "As the topic's key type wants it."},
        "value": {"description": "As the topic's value type wants it; null deletes the key."},
        "headers": {
            "anyOf": [
                {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/HeaderValue"}},
                {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "value"],
                        "properties": {"name": _TEXT, "value": {"$ref": "#/components/schemas/HeaderValue"}},
                        "additionalProperties": False,
                    },
                },
                {"type": "null"},
            ]
        },
        "timestamp": {
            "description": "Milliseconds since 1970, or ISO 8601 with its offset from UTC.",
            "anyOf": [{"type": "integer", "minimum": 1, "maximum": 2**63 - 1}, _TEXT, {"type": "null"}],
        },
    },
}

_HEADER_VALUE: Final[Json] = {
    "anyOf": [
        _TEXT,
        {
            "type": "object",
            "required": ["base64"],
            "properties": {"base64": {"type": "string", "contentEncoding": "base64"}},
            "additionalProperties": False,
        },
        {"type": "null"},
    ]
}

SCHEMAS: Final[Json] = {"Pair": _PAIR, "HeaderValue": _HEADER_VALUE}

_ONE_PAIR: Final[Json] = {"$ref": "#/components/schemas/Pair"}
_BYTES: Final[Json] = {"type": "string", "format": "binary"}

_POSITION: Final[Json] = {
    POSITION_HEADER: {
        "description": "Position of the write, for Quick-At-Least of a read; left out when nothing was written.",
        "schema": _TEXT,
    }
}

_WRITTEN: Final[Json] = {
    "200": answer(
        "All records are acknowledged, or would be taken.", {"allOf": [WriteBody, _VERDICTS]}, headers=_POSITION
    ),
    **refusals(404, 413, 422, 429),
    "400": answer("Unusable; tells of each record where that was asked for.", {"allOf": [ErrorBody, _VERDICTS]}),
}

PATHS: Final[Json] = {
    "/ingest/{topic}": {
        "parameters": [_TOPIC, *_FLAGS],
        "post": operation(
            "write",
            "Write one record, a list of them, one a line, or one whose value is the body.",
            TAG,
            {
                **_WRITTEN,
                **refusals(415),
                "200": {
                    **_WRITTEN["200"],
                    "content": {**_WRITTEN["200"]["content"], NDJSON: {"schema": _LINES}},
                },
            },
            parameters=_BINARY,
            body={
                "required": True,
                "content": {
                    JSON: {"schema": {"anyOf": [_ONE_PAIR, {"type": "array", "items": _ONE_PAIR}]}},
                    NDJSON: {"schema": {"type": "string", "description": "A pair a line.", "x-line": _ONE_PAIR}},
                    "application/avro": {"schema": {**_BYTES, "description": "Bytes of one record, without a frame."}},
                    "application/x-protobuf": {
                        "schema": {**_BYTES, "description": "Bytes of one message, without a frame."}
                    },
                    "application/octet-stream": {
                        "schema": {**_BYTES, "description": "The value exactly as it shall stand in Kafka."}
                    },
                },
            },
        ),
        "delete": operation(
            "deleteKeys",
            "Delete one key or a list of keys; a key that is not there is no error.",
            TAG,
            {**_WRITTEN, **refusals(415)},
            body={
                "required": True,
                "content": {JSON: {"schema": {"description": "One key or a list of them, as the key type wants it."}}},
            },
        ),
    },
    "/ingest/{topic}/{key}": {
        "parameters": [_TOPIC, path_parameter("key", "The key, as text; it may hold slashes."), *_FLAGS],
        "delete": operation("deleteKey", "Delete one key; one that is not there is no error.", TAG, _WRITTEN),
    },
}
