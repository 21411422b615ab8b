"""What a client is told: results and errors of GraphQL as they stand in the answer."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from graphql import ExecutionResult, GraphQLError, GraphQLSyntaxError

from core.errors import QuickError

logger = logging.getLogger(__name__)

Answer = dict[str, Any]
"""What GraphQL answers with: `data`, `errors` or both. Without `data` nothing was executed."""

_NULL_IN_NON_NULL: Final = "Cannot return null for non-nullable field"


def refused(errors: Iterable[GraphQLError]) -> Answer:
    """Return the answer to a request that was not executed because of *errors*."""
    return {"errors": [_request_error(error) for error in errors]}


def executed(result: ExecutionResult, gateway: str, positions: Mapping[str, str] | None = None) -> Answer:
    """Return the answer to a request that was executed, at least in part.

    Args:
        result: What came of it.
        gateway: Name of the gateway, for the log.
        positions: Position tokens of what was written, by topic.
    """
    errors = result.errors or []
    if result.data is None and all(error.path is None for error in errors):
        return refused(errors)  # an unknown operation or variables of wrong types: nothing was executed
    answer = complete(result.data, positions)
    if errors:
        answer["errors"] = [_field_error(error, gateway) for error in errors]
    return answer


def complete(data: Any, positions: Mapping[str, str] | None = None) -> Answer:
    """Return the answer with *data*, and with the position tokens of what was written, by topic."""
    return {"data": data, "extensions": {"positions": dict(positions)}} if positions else {"data": data}


def _request_error(error: GraphQLError) -> dict[str, Any]:
    is_syntax = isinstance(error, GraphQLSyntaxError)
    return _rendered(error, error.message, "InvalidSyntax" if is_syntax else "ValidationError")


def _field_error(error: GraphQLError, gateway: str) -> dict[str, Any]:
    if error.message.startswith(_NULL_IN_NON_NULL):
        return _rendered(error, error.message, "NullValueInNonNullableField")
    path = _text_of(error.path or [])
    message = f"Exception while fetching data ({path}) : {_cause(error, path, gateway)}"
    return _rendered(error, message, "DataFetchingException")


def _cause(error: GraphQLError, path: str, gateway: str) -> str:
    """Return what may be told of the reason: what we or GraphQL say on purpose, else an id for the log."""
    cause = error.original_error
    if cause is None or isinstance(cause, QuickError | GraphQLError):
        return str(cause or error.message)
    error_id = uuid.uuid4().hex
    logger.error("Gateway %s failed at %s [error id %s]", gateway, path, error_id, exc_info=cause)
    return f"Internal error. Tell the operator this id, which is in the log: {error_id}"


def _rendered(error: GraphQLError, message: str, classification: str) -> dict[str, Any]:
    rendered: dict[str, Any] = {"message": message}
    if error.locations:
        rendered["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path is not None:
        rendered["path"] = error.path
    own = error.extensions if isinstance(error.original_error, QuickError) else None
    rendered["extensions"] = {"classification": classification, **(own or {})}
    return rendered


def _text_of(path: Sequence[str | int]) -> str:
    """Return *path* as in `/products[0]/price`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f"/{step}" for step in path)
