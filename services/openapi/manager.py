"""`/manager`: topics, mirrors, gateways, keys, the doctor; the command log, its past, and work on it."""

from __future__ import annotations

from typing import Any, Final

from projections.declarations import Declarations
from projections.replay import VIEWS
from services.manager.doctor import FindingsBody
from services.manager.gateway_schemas import SchemaBody, SchemaReportBody
from services.manager.gateways import GatewayBody, NewGatewayBody
from services.manager.jobs import AVRO
from services.manager.keys import CreatedKeyBody, KeyBody, NewKeyBody
from services.manager.log import (
    DEFAULT_COMMANDS,
    MAX_WAIT_S,
    DiffBody,
    PassingBody,
    QuarantineBody,
    QuarantineListBody,
    WholeCommandBody,
)
from services.manager.log_pages import MAX_COMMANDS, Page
from services.manager.mirrors import MirrorBody, MirrorChangeBody, NewMirrorBody
from services.manager.status import StatusBody
from services.manager.topics import NewTopicBody, NewTopicSchemaBody, SchemaChangeBody, TopicBody
from services.openapi.parts import (
    AT_MOMENT,
    COMMAND,
    JSON,
    NDJSON,
    POSITION,
    Json,
    body_of,
    flag,
    operation,
    path_parameter,
    query,
    refusals,
    success,
)

TAG: Final = "manager"
KEYS: Final = "keys"
LOG: Final = "log"

_TYPES: Final = ["STRING", "INTEGER", "LONG", "DOUBLE", "SCHEMA"]

_TOPIC: Final = path_parameter("name", "Name of the topic.", type="string", minLength=1, maxLength=249)
_GATEWAY: Final = path_parameter("name", "Name of the gateway.")
_KEY: Final = path_parameter("name", "Name of the key.", type="string", minLength=1, maxLength=63)

_PLACE: Final[Json] = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
_BYTES: Final[Json] = {"type": "string", "format": "binary"}

_LINES: Final = success(
    'JSON lines: `{"step"}` while it works, `{"finding"}` or `{"difference"}`, at the end `{"result"}` or `{"error"}`.'
    " Empty lines keep the connection open.",
    {"type": "string"},
    media=NDJSON,
)

APPLY_SCHEMA: Final[Json] = {
    "answers": {
        "200": {
            "description": "It is served, and the registry shows it: nothing is said, unless it was only checked or a"
            " report is asked for.",
            "headers": POSITION,
            "content": {
                JSON: {"schema": SchemaReportBody},
                "text/plain": {"schema": {"type": "string", "maxLength": 0}},
            },
        },
        **refusals(400, 404, 409, 413, 501, 504),
    },
    "parameters": (
        flag("dryRun", "Only check it, and tell what it would change."),
        flag("failOnBreaking", "Refuse it with 409 when it breaks operations that the running schema answers."),
        flag("report", "Tell what it has changed."),
        *COMMAND,
    ),
    "body": body_of(SchemaBody),
}
"""What is said of an operation that applies a schema."""


def _view() -> Json:
    return query("view", "The view.", enum=list(VIEWS), default="registry")


def _moment(name: str, description: str, **more: Any) -> Json:
    return query(name, f"{description}: a position, or a time in ISO 8601 with its offset from UTC.", **more)


PATHS: Final[Json] = {
    "/manager/topics": {
        "get": operation(
            "listTopics",
            "All topics by name.",
            TAG,
            {**success("The topics.", list[TopicBody]), **refusals(400)},
            parameters=AT_MOMENT,
        ),
    },
    "/manager/topic/{name}": {
        "parameters": [_TOPIC],
        "get": operation(
            "getTopic",
            "One topic.",
            TAG,
            {**success("The topic.", TopicBody), **refusals(400, 404)},
            parameters=AT_MOMENT,
        ),
        "post": operation(
            "createTopic",
            "Create a topic; answered when it exists in Kafka and the registry shows it. At the name `mirror`, a body"
            " with `topicName` creates the mirror of that topic; answered when the registry shows it.",
            TAG,
            {**success("It exists.", headers=POSITION), **refusals(400, 404, 413, 504)},
            parameters=(
                query("keyType", "Type of the keys, in any letter case.", enum=_TYPES, default="LONG"),
                query("valueType", "Type of the values, in any letter case.", enum=_TYPES, default="SCHEMA"),
                *COMMAND,
            ),
            body=body_of({"anyOf": [NewTopicBody, NewMirrorBody]}),
        ),
        "delete": operation(
            "deleteTopic",
            "Delete a topic with its mirror and its schema; answered when it is gone from Kafka and the registry.",
            TAG,
            {**success("It is gone.", headers=POSITION), **refusals(400, 404, 504)},
            parameters=COMMAND,
        ),
    },
    "/manager/topic/{name}/schema": {
        "parameters": [_TOPIC],
        "post": operation(
            "changeTopicSchema",
            "Write new records of a topic with another schema, that goes with the earlier ones.",
            TAG,
            {**success("What came of it.", SchemaChangeBody, headers=POSITION), **refusals(400, 404, 413, 501, 504)},
            parameters=(flag("dryRun", "Only check it."), *COMMAND),
            body=body_of(NewTopicSchemaBody),
        ),
    },
    "/manager/topic/{name}/mirror": {
        "parameters": [_TOPIC],
        "get": operation(
            "getTopicMirror",
            "The mirror of a topic.",
            TAG,
            {**success("The mirror.", MirrorBody), **refusals(400, 404)},
            parameters=AT_MOMENT,
        ),
        "patch": operation(
            "alterTopicMirror",
            "Let a mirror keep something else; what is left out stays as it is. Answered when the registry shows it,"
            " while the mirror goes on to answer as before until it is built.",
            TAG,
            {**success("It is declared so.", headers=POSITION), **refusals(400, 404, 413, 504)},
            parameters=COMMAND,
            body=body_of(MirrorChangeBody),
        ),
        "delete": operation(
            "deleteTopicMirror",
            "Delete the mirror of a topic alone; the topic can be written and no longer read.",
            TAG,
            {**success("It is gone.", headers=POSITION), **refusals(400, 404, 504)},
            parameters=COMMAND,
        ),
    },
    "/manager/topic/{name}/mirror/rebuild": {
        "parameters": [_TOPIC],
        "post": operation(
            "rebuildTopicMirror",
            "Have a mirror built again on every machine, beside the one that answers meanwhile.",
            TAG,
            {**success("It is to be built.", headers=POSITION), **refusals(400, 404, 504)},
            parameters=COMMAND,
        ),
    },
    "/manager/mirrors": {
        "get": operation(
            "listMirrors",
            "All mirrors by name.",
            TAG,
            {**success("The mirrors.", list[MirrorBody]), **refusals(400)},
            parameters=AT_MOMENT,
        ),
    },
    "/manager/gateways": {
        "get": operation(
            "listGateways",
            "All gateways by name.",
            TAG,
            {**success("The gateways.", list[GatewayBody]), **refusals(400)},
            parameters=AT_MOMENT,
        ),
    },
    "/manager/gateway": {
        "post": operation(
            "createGateway",
            "Create a gateway; answered when the registry shows it.",
            TAG,
            {**success("It exists.", headers=POSITION), **refusals(400, 413, 501, 504)},
            parameters=COMMAND,
            body=body_of(NewGatewayBody),
        ),
    },
    "/manager/gateway/{name}": {
        "parameters": [_GATEWAY],
        "get": operation(
            "getGateway",
            "One gateway, with what its schema holds, and what does not fit between it and the topics.",
            TAG,
            {**success("The gateway.", GatewayBody), **refusals(400, 404)},
            parameters=AT_MOMENT,
        ),
        "delete": operation(
            "deleteGateway",
            "Delete a gateway; one that does not exist is deleted already.",
            TAG,
            {**success("It is gone.", headers=POSITION), **refusals(400, 404, 504)},
            parameters=COMMAND,
        ),
    },
    "/manager/gateway/{name}/schema": {
        "parameters": [_GATEWAY],
        "get": operation(
            "getGatewaySchema",
            "The schema that a gateway was given last; blank before the first time.",
            TAG,
            {**success("The schema.", SchemaBody), **refusals(400, 404)},
            parameters=AT_MOMENT,
        ),
        "post": operation("applySchema", "Make a gateway serve a schema.", TAG, **APPLY_SCHEMA),
    },
    "/manager/gateway/{name}/schema/{type_name}/{form}": {
        "parameters": [
            _GATEWAY,
            path_parameter("type_name", "Name of a type of the gateway's schema."),
            path_parameter("form", "How to show it.", enum=["graphql", "avro", "protobuf"]),
        ],
        "get": operation(
            "getWriteType",
            "A type as topics store it: its definition, or what that is converted to.",
            TAG,
            {**success("The text.", SchemaBody), **refusals(400, 404, 501)},
        ),
    },
    "/manager/keys": {
        "get": operation(
            "listKeys", "All API keys by name, but the deployment's own.", KEYS, success("The keys.", list[KeyBody])
        ),
    },
    "/manager/key/{name}": {
        "parameters": [_KEY],
        "get": operation(
            "getKey",
            "One API key; nothing that opens anything.",
            KEYS,
            {**success("The key.", KeyBody), **refusals(404)},
        ),
        "post": operation(
            "createKey",
            "Create an API key, of which only the digest is sent; answered when the registry shows it.",
            KEYS,
            {**success("It is taken from now on.", CreatedKeyBody, headers=POSITION), **refusals(400, 404, 413, 504)},
            parameters=COMMAND,
            body=body_of(NewKeyBody),
        ),
        "delete": operation(
            "revokeKey",
            "Revoke an API key; answered when the registry no longer shows it.",
            KEYS,
            {**success("It is refused from now on.", headers=POSITION), **refusals(400, 404, 504)},
            parameters=COMMAND,
        ),
    },
    "/manager/declarations": {
        "get": operation(
            "listDeclarations",
            "All mirrors and gateways as the registry keeps them, for whoever deploys them.",
            TAG,
            {**success("What is declared to run.", Declarations), **refusals(400)},
            parameters=AT_MOMENT,
        ),
    },
    "/manager/status": {
        "get": operation(
            "getStatus",
            "How far everything is that is declared, in Kafka and in Kubernetes.",
            TAG,
            success("All things.", StatusBody),
        ),
    },
    "/manager/doctor": {
        "get": operation(
            "examine",
            "What is wrong with this instance, and how to mend it.",
            TAG,
            success("All findings.", FindingsBody),
        ),
    },
    "/manager/log": {
        "get": operation(
            "listCommands",
            "A page of commands, newest last: the last ones, those before a position, or those after one.",
            LOG,
            {**success("The commands, and where the next page begins.", Page), **refusals(400)},
            parameters=(
                query(
                    "limit",
                    "Most commands of the page.",
                    type="integer",
                    minimum=1,
                    maximum=MAX_COMMANDS,
                    default=DEFAULT_COMMANDS,
                ),
                query("before", "Only commands before this position.", **_PLACE),
                query("after", "The first commands after this position.", **_PLACE),
                query(
                    "wait",
                    "With `after`: seconds to wait for a command when there is none yet.",
                    type="integer",
                    minimum=0,
                    maximum=int(MAX_WAIT_S),
                    default=0,
                ),
                query("since", "Only commands from this time on, ISO 8601 with its offset from UTC."),
                query("until", "Only commands up to this time, ISO 8601 with its offset from UTC."),
                query("actor", "Only commands of the key of this name."),
                query("command", "Only commands of this kind, such as `create_topic`."),
                query(
                    "target", "Only commands about this, such as `topic/orders`; a `*` at the end stands for anything."
                ),
            ),
        ),
    },
    "/manager/log/{position}": {
        "parameters": [path_parameter("position", "Position of one of its events.", **_PLACE)],
        "get": operation(
            "getCommand",
            "One command, whole, with what it changed.",
            LOG,
            {**success("The command.", WholeCommandBody), **refusals(404)},
        ),
    },
    "/manager/log/verify": {
        "get": operation("verifyLog", "Read the whole log again and check it.", LOG, _LINES),
    },
    "/manager/log/export": {
        "get": operation(
            "exportLog",
            "The log as an Avro object container file; it is whole unless the connection breaks before its end.",
            LOG,
            success("The file.", _BYTES, media=AVRO),
        ),
    },
    "/manager/log/restore": {
        "post": operation(
            "restoreLog",
            "Append an exported log to an empty one.",
            LOG,
            {**_LINES, **refusals(400)},
            parameters=(flag("dryRun", "Only check the file."),),
            body=body_of(_BYTES, media=AVRO),
        ),
    },
    "/manager/log/quarantine": {
        "get": operation(
            "listQuarantined",
            "The records that were passed because nobody can decode them.",
            LOG,
            success("The records.", QuarantineListBody),
        ),
        "post": operation(
            "quarantine",
            "Tell every reader to pass a record that nobody can decode.",
            LOG,
            {**success("Told.", PassingBody), **refusals(400, 413)},
            parameters=COMMAND,
            body=body_of(QuarantineBody),
        ),
    },
    "/manager/diff": {
        "get": operation(
            "diff",
            "What was created, changed and removed between two moments.",
            LOG,
            {**success("The changes.", DiffBody), **refusals(400)},
            parameters=(
                _moment("from", "The first moment", is_required=True),
                _moment("to", "The second moment, now when it is left out"),
            ),
        ),
    },
    "/manager/replay": {
        "get": operation(
            "compareReplay",
            "Rebuild a view beside the live one and compare.",
            LOG,
            {**_LINES, **refusals(400)},
            parameters=(_view(),),
        ),
        "post": operation(
            "replay",
            "Rebuild a view beside the live one, compare, and put it in its place where that is wanted.",
            LOG,
            {**_LINES, **refusals(400)},
            parameters=(_view(), flag("swap", "Put the replay in the place of the live view.")),
        ),
    },
}
"""A name that holds a slash is that of another path, therefore 404 wherever there is one in the path."""
