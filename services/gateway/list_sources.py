"""Lists of topics with pages and conditions, and the connections to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from core.errors import InvalidInputError
from core.list_fields import DEFAULT_PAGE, MAX_PAGE, PAGE_ARGUMENTS, WHERE, ListField
from projections.windows import Window
from services.gateway.connections import Connection
from services.gateway.list_cursors import ListCursors
from services.gateway.mirrors import ListQuery, ListRow, RangeOf
from services.gateway.sources import Arguments
from services.gateway.topic_sources import ReadingOperation, TopicSource, argument

_AT_ONCE: Final = 1_000
"""Rows that are read at once where the operation gives no number."""


class Wanted(NamedTuple):
    """The part of a list that the arguments of a field ask for."""

    first: int | None = None
    last: int | None = None
    after: str | None = None
    before: str | None = None

    @property
    def number(self) -> int | None:
        """How many values at most; `None` for all."""
        return self.first if self.last is None else self.last

    def window(self, cursors: ListCursors) -> Window:
        """Return the part as places of rows.

        Raises:
            InvalidInputError: A cursor is none of the list.
        """
        after = None if self.after is None else cursors.place("after", self.after)
        before = None if self.before is None else cursors.place("before", self.before)
        return Window(after, before) if self.last is None else Window(before, after, reverse=True)


class ListSource(TopicSource):
    """The values of a list: all of them, or those that its arguments ask for.

    Args:
        field: What was generated for the list.
        whole: Gives all of it.
    """

    def __init__(self, field: ListField, whole: TopicSource) -> None:
        super().__init__(field.topic)
        self._field = field
        self._whole = whole

    def _read(self, operation: ReadingOperation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        wanted, where = _wanted(self._field, arguments), _where(self._field, arguments)
        if wanted == _EVERYTHING and not where:
            return self._whole.fetch(operation, parents, arguments)
        query = _query(self._field, where, arguments)
        cursors = cursors_of(self._field, query, operation)
        window = wanted.window(cursors)
        return [[row.value for row in _taken(operation, query, window, wanted.number)] for _ in parents]


class ConnectionSource(TopicSource):
    """The connection to a list: a page of it.

    Args:
        field: What was generated for the list.
    """

    def __init__(self, field: ListField) -> None:
        super().__init__(field.topic)
        self._field = field

    def _read(self, operation: ReadingOperation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        wanted = _wanted(self._field, arguments)
        if wanted.number is None:
            wanted = wanted._replace(first=DEFAULT_PAGE)
        number = wanted.number or 0
        if number > MAX_PAGE:
            raise InvalidInputError(
                f"{'first' if wanted.last is None else 'last'} is {number}, and a page has {MAX_PAGE} edges at most. "
                "Ask for several pages: after takes the endCursor of the one before."
            )
        query = _query(self._field, _where(self._field, arguments), arguments)
        cursors = cursors_of(self._field, query, operation)
        window = wanted.window(cursors)
        return [self._page(operation, query, window, number, cursors) for _ in parents]

    @staticmethod
    def _page(
        operation: ReadingOperation, query: ListQuery, window: Window, number: int, cursors: ListCursors
    ) -> Connection:
        rows = _rows(operation, query, window, number + 1)
        taken = list(islice(rows, number))

        def comes_before_it() -> bool:
            if window.after is None:
                return False
            other_way = Window(after=window.after, includes_after=True, reverse=not window.reverse)
            return next(_rows(operation, query, other_way, 1), None) is not None

        return Connection(taken, rows, comes_before_it, cursors, is_reversed=window.reverse)


_EVERYTHING: Final = Wanted()


def cursors_of(field: ListField, query: ListQuery, operation: ReadingOperation) -> ListCursors:
    """Return the cursors of a list: good for this field, this topic as it is now, and what was asked for."""
    asked = json.dumps([query.scanned, query.where, query.range], sort_keys=True, default=str)
    return ListCursors(field.name, operation.reading.identity(field.topic), asked)


def _taken(operation: ReadingOperation, query: ListQuery, window: Window, number: int | None) -> list[ListRow]:
    """Return the rows in a window in the order of the list, at most so many."""
    taken = list(islice(_rows(operation, query, window, number), number))
    if window.reverse:
        taken.reverse()
    return taken


def _rows(operation: ReadingOperation, query: ListQuery, window: Window, number: int | None) -> Iterator[ListRow]:
    at_once = _AT_ONCE if number is None else min(number, _AT_ONCE)
    return operation.reading.rows(query, window, operation.check_time, at_once=at_once)


def _wanted(field: ListField, arguments: Arguments) -> Wanted:
    """Return which part of the list is asked for.

    Raises:
        InvalidInputError: `first` and `last` come together, or one of them is negative.
    """
    if not field.has_pages:
        return _EVERYTHING
    wanted = Wanted(**{name: arguments.get(name) for name in PAGE_ARGUMENTS})
    if wanted.first is not None and wanted.last is not None:
        raise InvalidInputError(
            f"first is {wanted.first} and last is {wanted.last}: one list has both ends. Give one of them."
        )
    if wanted.number is not None and wanted.number < 0:
        raise InvalidInputError(
            f"{'first' if wanted.last is None else 'last'} is {wanted.number}. Give the number of values, 0 or more."
        )
    return wanted


def _where(field: ListField, arguments: Arguments) -> Mapping[str, Mapping[str, Any]]:
    """Return the conditions that are given.

    Raises:
        InvalidInputError: One of them, or a value in it, is null.
    """
    where = arguments.get(WHERE) if field.has_where else None
    if where is None:
        return {}
    nulls = [name for name, conditions in where.items() if conditions is None]
    nulls += [
        f"{name}.{operator}"
        for name, conditions in where.items()
        for operator, value in (conditions or {}).items()
        if value is None
    ]
    if nulls:
        raise InvalidInputError(f"{WHERE}.{nulls[0]} is null, and no index holds null. Leave it out, or give a value.")
    return where  # type: ignore[no-any-return]  # as its input type says


def _query(field: ListField, where: Mapping[str, Mapping[str, Any]], arguments: Arguments) -> ListQuery:
    if field.range is None:
        return ListQuery(field.topic, where)
    key, low, high = (argument(name, arguments) for name in (field.range.key, field.range.low, field.range.high))
    return ListQuery(field.topic, range=RangeOf(key, low, high))
