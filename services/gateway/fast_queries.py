"""Queries of a few keys on the fast path, see `services.fast_path`; `services.gateway.resource` knows the rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from services.fast_path import SEGMENT, FastAnswer
from services.gateway.answers import Answer
from services.gateway.executor import GatewayExecutor
from services.gateway.media import CONTENT_TYPES, JSON, body_type, preferred
from services.gateway.registered_documents import RegisteredDocuments
from services.gateway.requests import GraphQLRequest, Refusal, from_body

_PATH: Final = re.compile(rb"/gateway/" + SEGMENT + rb"/graphql")

_TYPES: Final = {name: f"content-type: {value}\r\n".encode() for name, value in CONTENT_TYPES.items()}


class FastQueries:
    """`POST /gateway/{name}/graphql` with one operation that is known and quick.

    Args:
        known: Returns the executor of a gateway if that takes no time, else `None`.
        registered: Finds registered documents.
    """

    path = _PATH

    def __init__(self, known: Callable[[str], GatewayExecutor | None], registered: RegisteredDocuments) -> None:
        self._known = known
        self._registered = registered

    def answer(self, names: Sequence[str], headers: Mapping[bytes, bytes], body: bytes) -> FastAnswer | None:
        """Return what the operation answers, if it is one that answers with data.

        Raises:
            QuickError: No projector has made the views yet.
        """
        media_type = preferred(_text(headers.get(b"accept")))
        sent = body_type(_text(headers.get(b"content-type")))
        if media_type is None or sent.media_type != JSON:
            return None
        request = from_body(sent, body, {})
        if not isinstance(request, GraphQLRequest) or request.extensions:
            return None
        answer = self._executed(names[0], request)
        if answer is None or "data" not in answer:
            return None
        return FastAnswer(_TYPES[media_type], msgspec.json.encode(answer))

    def _executed(self, gateway: str, request: GraphQLRequest) -> Answer | None:
        text, executor = self._registered.text(gateway, request), self._known(gateway)
        if executor is None or isinstance(text, Refusal):
            return None
        prepared = executor.prepare_known(text, request.operation_name, request.variables)
        return prepared.execute() if prepared is not None and prepared.is_quick else None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
