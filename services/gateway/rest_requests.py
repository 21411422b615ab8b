"""The request that a `@rest` field makes of its arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import msgspec

from core.errors import InvalidInputError
from core.rest_fields import RestField
from core.rest_urls import RestUrl
from services.gateway.sources import Arguments

JSON_BODY: Final = "application/json; charset=utf-8"

_SEPARATORS: Final = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One request to a REST service."""

    method: str

    url: RestUrl
    """Where to; its path and query are replaced by *target*."""

    target: str
    """Path and query as they are sent, ASCII only."""

    body: bytes
    """JSON, or empty."""


def compose(field: RestField, arguments: Arguments) -> RestRequest:
    """Return the request of *field* with *arguments*.

    Raises:
        InvalidInputError: An argument of the path is absent, null, or would change which resource is meant.
    """
    body = None if field.body is None else arguments.get(field.body)
    return RestRequest(
        method=field.method.value,
        url=field.url,
        target=_target(field, arguments),
        body=b"" if body is None else _json(body),
    )


def _target(field: RestField, arguments: Arguments) -> str:
    path = field.url.path
    for name in field.path:
        path = f"{path.removesuffix('/')}/{_segment(name, arguments.get(name))}"
    pairs = [(name, arguments.get(name)) for name in field.query]
    queries = [field.url.query] if field.url.query else []
    queries += [f"{name}={_quoted(_text(value))}" for name, value in pairs if value is not None]
    return (path or "/") + ("?" + "&".join(queries) if queries else "")


def _segment(name: str, value: Any) -> str:
    if value is None:
        raise InvalidInputError(
            f"{name} is used as a path parameter and is thus required. "
            "Either specify it in your query or remove it as a path parameter."
        )
    text = _text(value)
    # Some servers decode %2F before they look for dots, and dots cannot be encoded in a way that all leave alone.
    if not text or any(part in {".", ".."} for part in _SEPARATORS.split(text)):
        raise InvalidInputError(
            f"{name} is used as a path parameter, and {text[:40]!r} would lead to another path. Give another value."
        )
    return _quoted(text)


def _text(value: Any) -> str:
    """Return *value* as text where it is one, or a scalar that JSON writes as text; all else as JSON."""
    if isinstance(value, str):
        return value
    encoded = _json(value)
    return msgspec.json.decode(encoded, type=str) if encoded.startswith(b'"') else encoded.decode()


def _json(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value, enc_hook=str)
    except (ValueError, UnicodeEncodeError) as error:
        raise _unencodable() from error


def _quoted(text: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise _unencodable() from error


def _unencodable() -> InvalidInputError:
    return InvalidInputError("An argument has a character that is half a surrogate pair. Send whole characters.")
