"""`/schema-registry`: subjects and schemas, as Confluent's clients know them, with Confluent's errors."""

from __future__ import annotations

from typing import Final

from services.openapi.parts import COMMAND, Json, body_of, operation, path_parameter, query
from services.schema_registry.answers import MEDIA_TYPE, RegistryErrorBody
from services.schema_registry.bodies import NewSchemaBody, RegisteredSchemaBody
from services.schema_registry.compatibility import CompatibilityBody
from services.schema_registry.config import LevelBody, NewLevelBody
from services.schema_registry.schemas import SubjectVersionBody
from services.schema_registry.subjects import RegisteredBody

TAG: Final = "schema registry"

_LARGEST: Final = 2**31 - 1

_TEXT: Final[Json] = {"type": "string"}
_NUMBER: Final[Json] = {"type": "integer"}
_TEXTS: Final[Json] = {"type": "array", "items": _TEXT}
_NUMBERS: Final[Json] = {"type": "array", "items": _NUMBER}


def _object(properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _flag(name: str, description: str) -> Json:
    """Return a parameter that is false unless it is `true`, in any letter case: nothing else is refused."""
    return query(name, description, type="string", default="false", examples=["true", "false"])


_MEANINGS: Final = {
    400: "What was sent cannot be used as it is.",
    401: "The API key is missing, wrong, expired or revoked.",
    403: "The scopes of the API key do not cover the request.",
    404: "There is no such subject, version, schema or level.",
    409: "The schema does not go with an earlier one.",
    413: "The body is longer than is taken.",
    422: "The schema, version, level or subject is invalid, or what is asked for is not permitted.",
    501: "Schemas of this type cannot be used in this way yet.",
    503: "A part that is needed cannot be reached now.",
    504: "The command is recorded, but not shown within the bound.",
}

_SECURITY: Final[list[Json]] = [{"ApiKeyAuth": []}, {"BasicAuth": []}]

_SUBJECT: Final = path_parameter("subject", "Name of the subject; a slash in it is sent as `%2F`.")
_VERSION: Final = path_parameter("version", "Number of the version, or `latest`.")
_ID: Final = path_parameter("schema_id", "ID of the schema.", type="integer", minimum=0, maximum=_LARGEST)

_PAGE: Final = (
    query("offset", "How many to pass.", type="integer", default=0),
    query("limit", "How many to show; a negative one shows all.", type="integer", default=-1),
)
_DELETED: Final = _flag("deleted", "Those that were deleted softly too.")
_DELETED_ONLY: Final = _flag("deletedOnly", "Those that were deleted softly, and no others.")
_PREFIX: Final = query("subjectPrefix", "What names of subjects begin with.")
_PERMANENT: Final = _flag("permanent", "Delete for good what was deleted softly.")
_NORMALIZE: Final = _flag("normalize", "Compare schemas in one canonical form.")
_VERBOSE: Final = _flag("verbose", "Give the reasons.")

_NEW_SCHEMA: Final = body_of(NewSchemaBody, media=MEDIA_TYPE)
_NEW_LEVEL: Final = body_of(NewLevelBody, media=MEDIA_TYPE)


def _operation(
    operation_id: str,
    summary: str,
    schema: object,
    *statuses: int,
    parameters: tuple[Json, ...] = (),
    body: Json | None = None,
) -> Json:
    answers: Json = {}
    if schema is not None:
        answers["200"] = {"description": "Done.", "content": {MEDIA_TYPE: {"schema": schema}}}
    for status in sorted({*statuses, 401, 403, 503}):
        answers[str(status)] = {
            "description": _MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": RegistryErrorBody}},
        }
    made = operation(operation_id, summary, TAG, answers, parameters=parameters, body=body, is_open=True)
    return {**made, "security": _SECURITY}


PATHS: Final[Json] = {
    "/schema-registry": {
        "get": _operation("registry", "Tells that there is a registry.", {"type": "object"}),
    },
    "/schema-registry/schemas": {
        "get": _operation(
            "listSchemas",
            "All versions of all subjects.",
            list[RegisteredSchemaBody],
            400,
            parameters=(_PREFIX, _DELETED, _flag("latestOnly", "The latest version of each subject alone."), *_PAGE),
        ),
    },
    "/schema-registry/schemas/types": {
        "get": _operation("listSchemaTypes", "The types of schemas that can be registered.", _TEXTS),
    },
    "/schema-registry/schemas/ids/{schema_id}": {
        "parameters": [_ID],
        "get": _operation(
            "getSchema",
            "One schema, by its ID.",
            RegisteredSchemaBody,
            404,
            parameters=(_flag("fetchMaxId", "Give the greatest ID too."),),
        ),
    },
    "/schema-registry/schemas/ids/{schema_id}/schema": {
        "parameters": [_ID],
        "get": _operation("getSchemaText", "Nothing but the text of a schema, as it is.", {}, 404),
    },
    "/schema-registry/schemas/ids/{schema_id}/subjects": {
        "parameters": [_ID],
        "get": _operation(
            "listSubjectsOfSchema",
            "The subjects that have a schema.",
            _TEXTS,
            400,
            404,
            parameters=(query("subject", "This subject alone."), _DELETED, *_PAGE),
        ),
    },
    "/schema-registry/schemas/ids/{schema_id}/versions": {
        "parameters": [_ID],
        "get": _operation(
            "listVersionsOfSchema",
            "The versions that are a schema.",
            list[SubjectVersionBody],
            400,
            404,
            parameters=(query("subject", "This subject alone."), _DELETED, *_PAGE),
        ),
    },
    "/schema-registry/subjects": {
        "get": _operation(
            "listSubjects",
            "The names of all subjects.",
            _TEXTS,
            400,
            parameters=(_PREFIX, _DELETED, _DELETED_ONLY, *_PAGE),
        ),
    },
    "/schema-registry/subjects/{subject}": {
        "parameters": [_SUBJECT],
        "post": _operation(
            "findSchema",
            "The version of a subject that is a schema.",
            RegisteredSchemaBody,
            400,
            404,
            413,
            422,
            501,
            parameters=(_DELETED, _NORMALIZE),
            body=_NEW_SCHEMA,
        ),
        "delete": _operation(
            "deleteSubject",
            "Delete a subject softly, or for good; answered with its versions.",
            _NUMBERS,
            400,
            404,
            422,
            504,
            parameters=(_PERMANENT, *COMMAND),
        ),
    },
    "/schema-registry/subjects/{subject}/versions": {
        "parameters": [_SUBJECT],
        "get": _operation(
            "listVersions",
            "The versions of a subject.",
            _NUMBERS,
            400,
            404,
            parameters=(_DELETED, _DELETED_ONLY, *_PAGE),
        ),
        "post": _operation(
            "registerSchema",
            "Register a schema under a subject; one that is there already keeps its ID.",
            RegisteredBody,
            400,
            404,
            409,
            413,
            422,
            501,
            504,
            parameters=(_NORMALIZE, *COMMAND),
            body=_NEW_SCHEMA,
        ),
    },
    "/schema-registry/subjects/{subject}/versions/{version}": {
        "parameters": [_SUBJECT, _VERSION],
        "get": _operation(
            "getVersion",
            "One version with its schema.",
            RegisteredSchemaBody,
            404,
            422,
            parameters=(_DELETED,),
        ),
        "delete": _operation(
            "deleteVersion",
            "Delete a version softly, or for good; answered with its number.",
            _NUMBER,
            400,
            404,
            422,
            504,
            parameters=(_PERMANENT, *COMMAND),
        ),
    },
    "/schema-registry/subjects/{subject}/versions/{version}/schema": {
        "parameters": [_SUBJECT, _VERSION],
        "get": _operation(
            "getVersionText",
            "Nothing but the text of a version's schema, as it is.",
            {},
            404,
            422,
            parameters=(_DELETED,),
        ),
    },
    "/schema-registry/subjects/{subject}/versions/{version}/referencedby": {
        "parameters": [_SUBJECT, _VERSION],
        "get": _operation(
            "listReferrers", "The IDs of the schemas that name a version.", _NUMBERS, 400, 404, 422, parameters=_PAGE
        ),
    },
    "/schema-registry/compatibility/subjects/{subject}/versions": {
        "parameters": [_SUBJECT],
        "post": _operation(
            "checkAgainstSubject",
            "Whether a schema would go with those that the subject's level asks for. Nothing is registered.",
            CompatibilityBody,
            400,
            404,
            413,
            422,
            501,
            parameters=(_VERBOSE, _NORMALIZE),
            body=_NEW_SCHEMA,
        ),
    },
    "/schema-registry/compatibility/subjects/{subject}/versions/{version}": {
        "parameters": [_SUBJECT, _VERSION],
        "post": _operation(
            "checkAgainstVersion",
            "Whether a schema would go with one version. Nothing is registered.",
            CompatibilityBody,
            400,
            404,
            413,
            422,
            501,
            parameters=(_VERBOSE, _NORMALIZE),
            body=_NEW_SCHEMA,
        ),
    },
    "/schema-registry/config": {
        "get": _operation("getLevel", "The level of subjects without one of their own.", LevelBody),
        "put": _operation(
            "setLevel",
            "Set the level of subjects without one of their own.",
            NewLevelBody,
            400,
            413,
            422,
            504,
            parameters=COMMAND,
            body=_NEW_LEVEL,
        ),
        "delete": _operation(
            "resetLevel",
            "Go back to the default; answered with the level that counted.",
            LevelBody,
            400,
            404,
            504,
            parameters=COMMAND,
        ),
    },
    "/schema-registry/config/{subject}": {
        "parameters": [_SUBJECT],
        "get": _operation(
            "getSubjectLevel",
            "The level of a subject.",
            LevelBody,
            404,
            parameters=(_flag("defaultToGlobal", "The level that counts, where the subject has none of its own."),),
        ),
        "put": _operation(
            "setSubjectLevel",
            "Set the level of a subject.",
            NewLevelBody,
            400,
            404,
            413,
            422,
            504,
            parameters=COMMAND,
            body=_NEW_LEVEL,
        ),
        "delete": _operation(
            "resetSubjectLevel",
            "Go back to the level of all subjects; answered with the level that counted.",
            LevelBody,
            400,
            404,
            504,
            parameters=COMMAND,
        ),
    },
    "/schema-registry/mode": {
        "get": _operation("getMode", "The mode, READWRITE for ever.", _object({"mode": {"enum": ["READWRITE"]}})),
        "put": _operation("setMode", "Refused: the mode is READWRITE for ever.", None, 422),
        "delete": _operation("resetMode", "Refused: the mode is READWRITE for ever.", None, 422),
    },
    "/schema-registry/mode/{subject}": {
        "parameters": [_SUBJECT],
        "get": _operation(
            "getSubjectMode", "The mode, READWRITE for ever.", _object({"mode": {"enum": ["READWRITE"]}}), 404
        ),
        "put": _operation("setSubjectMode", "Refused: the mode is READWRITE for ever.", None, 404, 422),
        "delete": _operation("resetSubjectMode", "Refused: the mode is READWRITE for ever.", None, 404, 422),
    },
    "/schema-registry/contexts": {
        "get": _operation("listContexts", "The contexts, of which there is one.", _TEXTS),
    },
    "/schema-registry/v1/metadata/id": {
        "get": _operation(
            "getClusterId",
            "The IDs of the Kafka cluster and of the log.",
            _object({"id": _TEXT, "scope": _object({"path": _TEXTS, "clusters": {"type": "object"}})}),
        ),
    },
    "/schema-registry/v1/metadata/version": {
        "get": _operation(
            "getVersionOfQuick", "The version of the program.", _object({"version": _TEXT, "commitId": _TEXT})
        ),
    },
}
