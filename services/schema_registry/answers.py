"""What all parts of the schema registry share: media type, parameters, and errors with Confluent's codes."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import falcon.asgi
import msgspec

from commands import subjects
from core.errors import IncompatibleSchemaError, InvalidInputError, QuickError, RegistryRefusalError, StoreError
from services.manager.effects import answer_when_in_registry, await_registry
from services.worker import Worker

PREFIX: Final = "/schema-registry"
MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"

STORE_ERROR: Final = 50001
TIMED_OUT: Final = 50002

_LARGEST_VERSION: Final = 2**31 - 1

T = TypeVar("T")


class RegistryErrorBody(msgspec.Struct, frozen=True):
    """The body of every answer that is no success."""

    error_code: int
    message: str


class EncodedSlashes:
    """Keeps a slash inside of a segment apart from those between segments: names of subjects may have some.

    A server decodes the path before anybody sees it. Under the registry's prefix each segment is decoded here, and
    `segment` gives it back whole.
    """

    async def process_request(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Take the path as it was sent."""
        raw: bytes | None = req.scope.get("raw_path")
        if raw is None or not is_registry_path(req.path):
            return
        sent = raw.split(b"?")[0].decode("ascii", "replace").rstrip("/")
        req.path = "/".join(
            unquote(one).replace("%", "%25").replace("/", "%2F") if "%" in one else one for one in sent.split("/")
        )


def is_registry_path(path: str) -> bool:
    """Return whether *path* is one of the schema registry."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def segment(text: str) -> str:
    """Return a segment of a path as it was meant."""
    return unquote(text)


def answer(resp: falcon.asgi.Response, body: Any) -> None:
    """Answer with *body* as JSON."""
    resp.content_type = MEDIA_TYPE
    resp.data = msgspec.json.encode(body)


def answer_text(resp: falcon.asgi.Response, text: str) -> None:
    """Answer with the text of a schema as it is."""
    resp.content_type = MEDIA_TYPE
    resp.data = text.encode()


async def await_write(worker: Worker, resp: falcon.asgi.Response, what: str, position: int | None) -> None:
    """Wait until this process shows what a command changed, or what it found to be so already.

    Raises:
        EffectPendingError: It did not within the bound.
    """
    if position is not None:
        await answer_when_in_registry(worker, resp, what, position)
    elif (last := worker.log.index.max_notification_id()) is not None:
        timeout_s = worker.settings.effect_timeout_s
        await worker.in_thread(partial(await_registry, worker.views, what, last, timeout_s))


def flag(req: falcon.asgi.Request, name: str) -> bool:
    """Return a parameter that is true or false; clients write it in any letter case."""
    return (req.get_param(name) or "").lower() == "true"


def page(req: falcon.asgi.Request, found: list[T]) -> list[T]:
    """Return the part of *found* that the parameters `offset` and `limit` ask for; a negative limit asks for all.

    Raises:
        InvalidInputError: One of them is no number.
    """
    offset, limit = max(_number(req, "offset", 0), 0), _number(req, "limit", -1)
    return found[offset:] if limit < 0 else found[offset : offset + limit]


def version_in(text: str) -> int:
    """Return the version that a path names; `LATEST` for `latest`.

    Raises:
        RegistryRefusalError: It is none.
    """
    if text in ("latest", "-1"):
        return subjects.LATEST
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= _LARGEST_VERSION:
        return int(text)
    raise RegistryRefusalError(
        subjects.INVALID_VERSION,
        f"The specified version '{text}' is not a valid version id."
        ' Allowed values are between [1, 2^31-1] and the string "latest"',
    )


def error_code(error: Exception, status: int) -> int:
    """Return Confluent's code for an error that is answered with *status*."""
    match error:
        case RegistryRefusalError():
            return error.code
        case StoreError():
            return STORE_ERROR
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
        return TIMED_OUT
    return STORE_ERROR if status == HTTPStatus.INTERNAL_SERVER_ERROR else status


def status_of(error: QuickError, status: int) -> int:
    """Return how the registry answers *error*, which is *status* elsewhere."""
    return HTTPStatus.CONFLICT if isinstance(error, IncompatibleSchemaError) else status


def render_error(resp: falcon.asgi.Response, code: int, message: str) -> None:
    """Answer with an error."""
    answer(resp, RegistryErrorBody(code, message))


def _number(req: falcon.asgi.Request, name: str, default: int) -> int:
    text = req.get_param(name)
    try:
        return default if text is None else int(text)
    except ValueError as error:
        raise InvalidInputError(f"{name}={text!r} is no number. Write a whole number.") from error
