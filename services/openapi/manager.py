"""`/manager` without the log: topics, mirrors, gateways, keys, applications, the doctor."""

from __future__ import annotations

from typing import Final

from services.manager.doctor import FindingsBody
from services.manager.gateways import GatewayBody, NewGatewayBody, SchemaBody
from services.manager.keys import CreatedKeyBody, KeyBody, NewKeyBody
from services.manager.mirrors import MirrorBody, MirrorChangeBody, NewMirrorBody
from services.manager.topics import NewTopicBody, NewTopicSchemaBody, SchemaChangeBody, TopicBody
from services.openapi.parts import (
    AT_MOMENT,
    COMMAND,
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

_TYPES: Final = ["STRING", "INTEGER", "LONG", "DOUBLE", "SCHEMA"]

_TOPIC: Final = path_parameter("name", "Name of the topic.", type="string", minLength=1, maxLength=249)
_GATEWAY: Final = path_parameter("name", "Name of the gateway.")
_KEY: Final = path_parameter("name", "Name of the key.", type="string", minLength=1, maxLength=63)
_APPLICATION: Final = path_parameter("name", "Name of the application.")

_NO_APPLICATIONS: Final = refusals(501)

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
            "One gateway, with what does not fit between its schema and the topics.",
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
        "post": operation(
            "applySchema",
            "Make a gateway serve a schema; answered when the registry shows it.",
            TAG,
            {**success("It is served.", headers=POSITION), **refusals(400, 404, 413, 501, 504)},
            parameters=COMMAND,
            body=body_of(SchemaBody),
        ),
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
    "/manager/doctor": {
        "get": operation(
            "examine",
            "What is wrong with this instance, and how to mend it.",
            TAG,
            success("All findings.", FindingsBody),
        ),
    },
    "/manager/applications": {
        "get": operation("listApplications", "Not available yet.", TAG, _NO_APPLICATIONS),
        "post": operation("postApplications", "Not available yet.", TAG, _NO_APPLICATIONS),
        "delete": operation("deleteApplications", "Not available yet.", TAG, _NO_APPLICATIONS),
    },
    "/manager/application": {
        "get": operation("getNoApplication", "Not available yet.", TAG, _NO_APPLICATIONS),
        "post": operation("createApplication", "Not available yet.", TAG, _NO_APPLICATIONS),
        "delete": operation("deleteNoApplication", "Not available yet.", TAG, _NO_APPLICATIONS),
    },
    "/manager/application/{name}": {
        "parameters": [_APPLICATION],
        "get": operation("getApplication", "Not available yet.", TAG, refusals(404, 501)),
        "post": operation("postApplication", "Not available yet.", TAG, refusals(404, 501)),
        "delete": operation("deleteApplication", "Not available yet.", TAG, refusals(404, 501)),
    },
}
"""A name that holds a slash is that of another path, therefore 404 wherever there is one in the path."""
