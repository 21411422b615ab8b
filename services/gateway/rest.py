"""Fields that are filled by REST services, as their `@rest` says."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final

import msgspec
from graphql import (
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLUnionType,
)

from core.errors import QuickError, RestServiceError
from core.rest_fields import RestField
from services.gateway.rest_client import RestAnswer, RestClient
from services.gateway.rest_requests import compose
from services.gateway.sources import Arguments, Operation

_WITHOUT_BODY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT})

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class _Shape(Enum):
    """What a field expects; GraphQL itself checks what is inside."""

    LIST = auto()
    OBJECT = auto()
    LEAF = auto()


class RestSource:
    """The values of one field that a REST service fills: one call for all parents.

    Args:
        field: What the directive says.
        type_: The type of the field.
        client: Makes the calls.
    """

    def __init__(self, field: RestField, type_: GraphQLOutputType, client: RestClient) -> None:
        self._field = field
        self._client = client
        self._is_nullable = not isinstance(type_, GraphQLNonNull)
        self._shape = _shape(type_)

    def fetch(self, operation: Operation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        """Return what the service answers, the same for each of *parents*; without parents it is not called."""
        if not parents:
            return []
        operation.check_time()
        try:
            value = self._value(self._client.call(compose(self._field, arguments)))
        except QuickError as error:
            return [error] * len(parents)
        return [value] * len(parents)

    def _value(self, answer: RestAnswer) -> Any:
        if self._is_nullable and (answer.status == HTTPStatus.NOT_FOUND or answer.status in _WITHOUT_BODY):
            return None
        if not answer.is_success:
            told = answer.body.decode(errors="replace")
            raise RestServiceError(f"REST service responded with code {answer.status}", {"REST error message": told})
        if not answer.body:
            raise RestServiceError("The REST service didn't respond with a body")
        return self._checked(_decoded(answer))

    def _checked(self, value: Any) -> Any:
        if value is None or self._shape is _Shape.LEAF:
            return value
        is_list = self._shape is _Shape.LIST
        if isinstance(value, list if is_list else dict):
            return value
        raise RestServiceError(
            f"The REST service responded with {_kind(value)}, but the field is {'a list' if is_list else 'an object'}. "
            "Correct the type in the schema, or name another URL."
        )


def _decoded(answer: RestAnswer) -> Any:
    try:
        return msgspec.json.decode(answer.body.removeprefix(_BYTE_ORDER_MARK))
    except RecursionError as error:
        raise RestServiceError("The REST service responded with JSON that is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        kind = f" but {answer.media_type[:60]!r}" if "json" not in answer.media_type.lower() else ""
        raise RestServiceError(
            f"The REST service did not respond with JSON{kind}. Name a URL in the schema that answers with JSON."
        ) from error


def _shape(type_: GraphQLOutputType) -> _Shape:
    nullable = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if isinstance(nullable, GraphQLList):
        return _Shape.LIST
    is_object = isinstance(nullable, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType)
    return _Shape.OBJECT if is_object else _Shape.LEAF


def _kind(value: Any) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case str():
            return "a text"
        case bool():
            return "true or false"
        case _:
            return "a number"
