"""Media types of GraphQL over HTTP: in which one a client wants its answer, and in which one it sends its request."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from falcon.util.mediatypes import best_match, parse_header

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
GRAPHQL: Final = "application/graphql"

CONTENT_TYPES: Final = {JSON: JSON, GRAPHQL_RESPONSE: f"{GRAPHQL_RESPONSE}; charset=utf-8"}
"""The header of an answer by its media type; older clients of JSON compare it as a text."""

_KEPT: Final = 64
"""Headers that are remembered: programs send the same few ones all the time."""


class BodyType(NamedTuple):
    """What a body is, as its header `Content-Type` says."""

    media_type: str
    """Without parameters, in lower case; empty where the header is missing."""

    is_utf_8: bool
    """False where another encoding of characters is named."""


@lru_cache(_KEPT)
def preferred(accept: str | None) -> str | None:
    """Return the media type of an answer that suits the header *accept* best, `None` where none does.

    The specification's own one is for those who name it, and who send no header. `*/*` stands in requests of programs
    that do not care, and gets JSON, which answers 200 whatever happened, as it always did here.
    """
    if accept is None:
        return GRAPHQL_RESPONSE
    ours = (GRAPHQL_RESPONSE, JSON) if GRAPHQL_RESPONSE in accept.lower() else (JSON, GRAPHQL_RESPONSE)
    try:
        return best_match(ours, accept) or None
    except ValueError:
        return JSON  # An unreadable header says nothing.


@lru_cache(_KEPT)
def body_type(content_type: str | None) -> BodyType:
    """Return what the header *content_type* says of a body."""
    media_type, parameters = parse_header(content_type or "")
    charset = parameters.get("charset", "utf-8").strip().lower()
    return BodyType(media_type.strip().lower(), charset in {"utf-8", "utf8"})
