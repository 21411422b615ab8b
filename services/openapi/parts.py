"""What the descriptions of all services are made of: operations, parameters, answers.

Where a schema is wanted a type may stand, a Struct of a service or a list of them: `document` replaces it.
"""

from __future__ import annotations

from typing import Any, Final

from services.errors import OUTCOME_HEADER, ErrorBody
from services.manager.caller import COMMAND_ID_HEADER, POSITION_HEADER, REASON_HEADER, SOURCE_HEADER
from services.manager.moments import AS_OF

Json = dict[str, Any]

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"

_ANSWERED_EVERYWHERE: Final = (401, 403, 503)

_REFUSALS: Final = {
    400: ("Unusable", "What was sent cannot be used as it is; says where and why."),
    401: ("Unauthorized", "The API key is missing, wrong, expired or revoked."),
    403: ("Forbidden", "The scopes of the API key do not cover the request."),
    404: ("Unknown", "The named thing does not exist."),
    409: ("Breaking", "It would break those who use what is there now, and that was not wanted. Nothing was done."),
    413: ("TooLarge", "The body, or a record in it, is longer than is taken."),
    415: ("UnsupportedType", "A body of this content type is not read."),
    422: ("TooDeep", "The JSON is nested deeper than is read."),
    429: ("Busy", "There is as much at work as may be. Nothing was done: come again soon."),
    501: ("NotAvailable", "This is understood, but this version cannot do it."),
    503: ("Unavailable", "A part that is needed cannot be reached now."),
    504: (
        "Pending",
        "The command is recorded, but its effect did not happen within the bound. It goes on being tried.",
    ),
}
"""Name and meaning of each status that is no success."""

_RETRY_AFTER: Final[Json] = {
    "Retry-After": {"description": "Seconds after which to come again.", "schema": {"type": "integer"}}
}
_OUTCOME: Final[Json] = {
    OUTCOME_HEADER: {
        "description": "`not-recorded` when the command id is spent, so that the command can be sent with a new one.",
        "schema": {"enum": ["not-recorded"]},
    }
}
_HEADERS: Final = {429: _RETRY_AFTER, 503: {**_RETRY_AFTER, **_OUTCOME}}


def operation(
    operation_id: str,
    summary: str,
    tag: str,
    answers: Json,
    *,
    parameters: tuple[Json, ...] = (),
    body: Json | None = None,
    is_open: bool = False,
) -> Json:
    """Return the description of one method of a path.

    Args:
        operation_id: Its name for generators of clients.
        summary: What it does, in a sentence.
        tag: The service that it belongs to.
        answers: What it answers beside what every request may be answered.
        parameters: Its parameters.
        body: The body that it takes.
        is_open: Whether it needs no key.
    """
    made: Json = {"operationId": operation_id, "summary": summary, "tags": [tag]}
    if is_open:
        made["security"] = []
    if parameters:
        made["parameters"] = list(parameters)
    if body is not None:
        made["requestBody"] = body
    made["responses"] = answers if is_open else {**answers, **refusals(*_ANSWERED_EVERYWHERE)}
    return made


def success(description: str, schema: object = None, *, media: str = JSON, headers: Json | None = None) -> Json:
    """Return the answer 200; without a schema it has no body."""
    return {"200": answer(description, schema, media=media, headers=headers)}


def answer(description: str, schema: object = None, *, media: str = JSON, headers: Json | None = None) -> Json:
    """Return an answer; without a schema it has no body."""
    made: Json = {"description": description}
    if headers is not None:
        made["headers"] = headers
    if schema is not None:
        made["content"] = {media: {"schema": schema}}
    return made


def refusals(*statuses: int) -> Json:
    """Return the answers of these statuses."""
    return {str(status): {"$ref": f"#/components/responses/{_REFUSALS[status][0]}"} for status in statuses}


def refusal_components() -> Json:
    """Return what `refusals` refers to."""
    return {
        name: answer(meaning, ErrorBody, headers=_HEADERS.get(status)) for status, (name, meaning) in _REFUSALS.items()
    }


def body_of(schema: object, *, media: str = JSON) -> Json:
    """Return a body that has to be sent."""
    return {"required": True, "content": {media: {"schema": schema}}}


def path_parameter(name: str, description: str, **schema: Any) -> Json:
    """Return a part of the path, a text unless *schema* says otherwise."""
    wanted = schema or {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": wanted}


def query(name: str, description: str, *, is_required: bool = False, **schema: Any) -> Json:
    """Return a parameter of the query, a text unless *schema* says otherwise."""
    wanted = schema or {"type": "string"}
    return {"name": name, "in": "query", "required": is_required, "description": description, "schema": wanted}


def flag(name: str, description: str) -> Json:
    """Return a parameter of the query that is true or false; false when it is left out."""
    return query(name, description, type="boolean", default=False)


def header(name: str, description: str, **schema: Any) -> Json:
    """Return a header of the request that may be left out."""
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


POSITION: Final[Json] = {
    POSITION_HEADER: {
        "description": "Position of the command in the log. Left out when there was nothing to change.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
"""Headers of the answer to a command."""

MOMENT: Final = query(
    AS_OF, "Show what was true then: a position of the log, or a time in ISO 8601 with its offset from UTC."
)

PARAMETERS: Final[Json] = {
    "Moment": MOMENT,
    "CommandId": header(
        COMMAND_ID_HEADER,
        "Name of this command, chosen by the caller. Sent again it records nothing new and is answered the same.",
        type="string",
        maxLength=200,
    ),
    "Source": header(SOURCE_HEADER, "Who asks, `user@host`, percent-encoded.", type="string", maxLength=10_000),
    "Reason": header(REASON_HEADER, "Why it is asked for, percent-encoded.", type="string", maxLength=10_000),
    "Trace": header("traceparent", "W3C Trace Context; one of another form is ignored.", type="string"),
}

AT_MOMENT: Final[tuple[Json, ...]] = ({"$ref": "#/components/parameters/Moment"},)
"""Parameters of what can be asked for the past."""

COMMAND: Final[tuple[Json, ...]] = tuple(
    {"$ref": f"#/components/parameters/{name}"} for name in ("CommandId", "Source", "Reason", "Trace")
)
"""Parameters of every command."""
