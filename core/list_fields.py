"""Lists of gateways: the fields that return all values of a topic or a range of them, and what they take beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PAGE_ARGUMENTS: Final = ("first", "after", "last", "before")
"""Arguments that ask for a part of a list."""

WHERE: Final = "where"
"""Argument with conditions, by the name of an indexed field."""

DEFAULT_PAGE: Final = 100
"""Edges of a connection where the operation gives no number."""

MAX_PAGE: Final = 1_000
"""Edges of a connection at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeArguments:
    """Names of the arguments of a range."""

    key: str
    low: str
    high: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListField:
    """A field that returns a list of a topic, or a connection to one. What a user has declared is none of it."""

    topic: str
    """Name of the topic."""

    name: str
    """Of the list, such as `Query.products`. A connection has that of its list, so they share their cursors."""

    is_connection: bool = False

    has_pages: bool
    """Whether it takes `PAGE_ARGUMENTS`."""

    has_where: bool
    """Whether it takes conditions."""

    range: RangeArguments | None
    """Where it is a range of the values of one key."""
