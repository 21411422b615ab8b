"""Errors as HTTP answers: one table of statuses, one body for all services.

The body is Quick's: `{"type", "title", "code", "detail", "uriPath"}`; under /schema-registry it is Confluent's.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import falcon
import falcon.asgi
import msgspec

from core import errors
from services.schema_registry import answers as schema_registry

logger = logging.getLogger(__name__)

STATUSES: list[tuple[type[errors.QuickError], int]] = [
    (errors.UnauthorizedError, 401),
    (errors.ForbiddenError, 403),
    (errors.NotFoundError, 404),
    (errors.TooLargeError, 413),
    (errors.TooDeepError, 422),
    (errors.InvalidInputError, 400),
    (errors.BreakingChangesError, 409),
    (errors.ConflictError, 400),
    (errors.KafkaRefusedError, 400),
    (errors.NotAvailableYetError, 501),
    (errors.EffectPendingError, 504),
    (errors.BusyError, 429),
    (errors.UnavailableError, 503),
    (errors.LogError, 503),
    (errors.StoreError, 503),
    (errors.FoldError, 503),
]
"""What each error means over HTTP; the first class that fits counts, and what is not here is 500."""

_RETRY_AFTER_S = "1"

_COME_AGAIN = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)

_NOT_PASSING = (errors.StandsStillError, errors.StoredSchemaError, errors.FoldError)
"""What does not pass by itself, so that nobody is told to come again."""

OUTCOME_HEADER = "Quick-Command-Outcome"
"""Tells a caller that its command id is spent: `not-recorded` means that it can send the command with a new one."""


class TellsOfEach:
    """An error about a batch that knows what became of each of its records.

    Attributes:
        verdicts: One for each record that is told of, in order.
        cause: The error whose status the answer has, where that is another one.
    """

    verdicts: Sequence[object]
    cause: errors.QuickError | None = None


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every answer that is no success."""

    type: str
    title: str
    code: int
    detail: str
    uriPath: str  # noqa: N815 - the name on the wire
    verdicts: Sequence[Any] | None = None
    """What became of each record, where the request has asked for that."""


def add_error_handlers(app: falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]) -> None:
    """Make *app* answer every error with an `ErrorBody`."""
    app.add_error_handler(Exception, _on_unexpected)
    app.add_error_handler(falcon.HTTPError, _on_http_error)
    app.add_error_handler(errors.QuickError, _on_quick_error)


def status_of(error: errors.QuickError) -> int:
    """Return the HTTP status of *error*."""
    if isinstance(error, TellsOfEach) and error.cause is not None:
        error = error.cause
    if isinstance(error, errors.RegistryRefusalError):
        return error.code // 100
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


async def _on_quick_error(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: Exception, params: object
) -> None:
    assert isinstance(error, errors.QuickError), "registered for these"
    status = status_of(error)
    if schema_registry.is_registry_path(req.path):
        status = schema_registry.status_of(error, status)
        if isinstance(error, errors.UnauthorizedError):
            resp.set_header("WWW-Authenticate", 'Basic realm="schema registry"')
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("%s %s: %s", req.method, req.path, error)
    if status in _COME_AGAIN and not isinstance(error, _NOT_PASSING):
        resp.set_header("Retry-After", _RETRY_AFTER_S)
    if isinstance(error, errors.CommandNotRecordedError):
        resp.set_header(OUTCOME_HEADER, "not-recorded")
    _render(req, resp, status, str(error), error)


async def _on_http_error(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: Exception, params: object
) -> None:
    assert isinstance(error, falcon.HTTPError), "registered for these"
    if error.headers:
        resp.set_headers(error.headers)
    _render(req, resp, error.status_code, error.description or error.title or "", error)


async def _on_unexpected(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: Exception, params: object
) -> None:
    """Tell the caller a number that finds the error in the server's log, and nothing of what is inside."""
    error_id = uuid.uuid4().hex[:12]
    logger.error("%s %s, error %s", req.method, req.path, error_id, exc_info=error)
    _render(
        req,
        resp,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        f"An unexpected error occurred: look for {error_id} in the server's log.",
        error,
    )


def _render(req: falcon.asgi.Request, resp: falcon.asgi.Response, status: int, detail: str, error: Exception) -> None:
    title = HTTPStatus(status).phrase
    if schema_registry.is_registry_path(req.path):
        resp.status = status
        schema_registry.render_error(resp, schema_registry.error_code(error, status), detail or title)
        return
    wants_verdicts = getattr(req.context, "wants_verdicts", False)
    verdicts = error.verdicts if wants_verdicts and isinstance(error, TellsOfEach) else None
    kind = "errors/clientError" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "errors/serverError"
    resp.status = status
    resp.content_type = falcon.MEDIA_JSON
    resp.data = msgspec.json.encode(ErrorBody(kind, title, status, detail or title, req.path, verdicts))
