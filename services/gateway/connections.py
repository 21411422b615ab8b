"""Connections: a page of a list, its edges, and what is around it, each made when somebody asks for it.

They stand where records stand, so the fields of GraphQL are got from them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from services.gateway.list_cursors import ListCursors
from services.gateway.mirrors import ListRow


class Edge:
    """A value and its place in a list.

    Args:
        row: The row of the list.
        cursors: Of the list.
    """

    __slots__ = ("_cursors", "_row")

    def __init__(self, row: ListRow, cursors: ListCursors) -> None:
        self._row = row
        self._cursors = cursors

    @property
    def cursor(self) -> str:
        """The cursor of the place."""
        return self._cursors.token(self._row.place)

    def get(self, name: str) -> Any:
        """Return a field."""
        match name:
            case "node":
                return self._row.value
            case "cursor":
                return self.cursor
        return None


class PageInfo:
    """Where a page stands in its list.

    Args:
        edges: The page.
        has_more: Tells whether something comes behind it.
        has_less: Tells whether something comes before it.
    """

    __slots__ = ("_edges", "_has_less", "_has_more")

    def __init__(self, edges: list[Edge], has_more: Callable[[], bool], has_less: Callable[[], bool]) -> None:
        self._edges = edges
        self._has_more = has_more
        self._has_less = has_less

    def get(self, name: str) -> Any:
        """Return a field."""
        match name:
            case "hasNextPage":
                return self._has_more()
            case "hasPreviousPage":
                return self._has_less()
            case "startCursor":
                return self._edges[0].cursor if self._edges else None
            case "endCursor":
                return self._edges[-1].cursor if self._edges else None
        return None


class Connection:
    """A page of a list.

    Args:
        taken: Its rows, in the order in which they were read.
        rest: The rows behind them, in that order, read when it is asked whether there are any.
        has_skipped: Tells whether something comes before them, in that order.
        cursors: Of the list.
        is_reversed: Whether they were read from the end of the list.
    """

    __slots__ = ("_edges", "_has_rest", "_has_skipped", "_is_reversed", "_rest")

    def __init__(
        self,
        taken: list[ListRow],
        rest: Iterator[ListRow],
        has_skipped: Callable[[], bool],
        cursors: ListCursors,
        *,
        is_reversed: bool,
    ) -> None:
        self._edges = [Edge(row, cursors) for row in (reversed(taken) if is_reversed else taken)]
        self._rest = rest
        self._has_rest: bool | Exception | None = None
        self._has_skipped = has_skipped
        self._is_reversed = is_reversed

    def get(self, name: str) -> Any:
        """Return a field."""
        match name:
            case "edges":
                return self._edges
            case "pageInfo" if self._is_reversed:
                return PageInfo(self._edges, self._has_skipped, self._has_more)
            case "pageInfo":
                return PageInfo(self._edges, self._has_more, self._has_skipped)
        return None

    def _has_more(self) -> bool:
        """Return whether rows are left; asked again, it says the same, or raises the same: who reads on has ended."""
        if self._has_rest is None:
            try:
                self._has_rest = next(self._rest, None) is not None
            except Exception as error:  # noqa: BLE001  It is raised below.
                self._has_rest = error
        if isinstance(self._has_rest, Exception):
            raise self._has_rest.with_traceback(None)
        return self._has_rest
