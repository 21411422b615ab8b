"""Lists of topics, read from their mirrors in either direction: as of one moment, where these are on this machine.

A list has one of three orders, each with places of its own: by key, by a field that has an index, and that of a range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from core.errors import InvalidInputError, InvalidValueError, QuickError
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from projections.mirror_entries import Entry, key_tail
from projections.mirror_moment import SCAN_ENTRIES
from projections.pages import Placed, PlacedPage
from projections.windows import Window
from services.mirrors.ranges import MAX_AMONG, ComparableField, bounds_of
from services.readable_mirrors import ReadableMoment

_SCANNED_AT_ONCE: Final = 250
"""Rows that are read at once, at least, where conditions leave out most of them."""

_RANGE_MARK: Final = b"r"
"""In front of the places of a range, which may be empty texts."""

Decode = Callable[[Entry], Any]
"""Returns the value of an entry, an exception where it cannot be read."""


class Condition(NamedTuple):
    """What a list asks of one indexed field; compared as its index compares."""

    field: ComparableField
    values: frozenset[bytes] | None
    """The ordered bytes of the values that it may have, `None` for any."""
    bounds: Bounds

    @property
    def parts(self) -> list[Bounds]:
        """What of the index meets the condition, in its order."""
        if self.values is None:
            return [self.bounds]
        return [Bounds(value, value, includes_high=True) for value in sorted(self.values) if self.bounds.holds(value)]

    def is_met(self, fields: Mapping[str, Any]) -> bool:
        """Return whether a record meets it; one with null, or with what the index does not take, does not."""
        try:
            ordered = self.field.of_value(fields.get(self.field.name))
        except InvalidValueError:
            return False
        return ordered is not None and (self.values is None or ordered in self.values) and self.bounds.holds(ordered)


def condition(field: ComparableField, given: Mapping[str, Any]) -> Condition:
    """Return the condition on *field* that *given* makes by its operators.

    Raises:
        InvalidInputError: A value is none of the field's kind, there are two bounds for one end, or too many values.
    """
    among: list[Any] | None = given.get("in")
    if among is not None and len(among) > MAX_AMONG:
        raise InvalidInputError(
            f"The condition in of {field.name} has {len(among)} values, and {MAX_AMONG} are allowed. Ask several times."
        )
    values = None if among is None else frozenset(map(field.from_json, among))
    if "eq" in given:
        value = frozenset([field.from_json(given["eq"])])
        values = value if values is None else value & values
    bounds = {name: bound for name, bound in given.items() if name not in {"eq", "in"}}
    return Condition(field, values, bounds_of(field, bounds, field.from_json))


class Order(Protocol):
    """One order of the rows of a mirror."""

    def read(self, window: Window) -> PlacedPage:
        """Return the rows in a window, at most as many as its limit."""


class ByKey:
    """All entries in the order of their keys; the place of one is its `key_tail`."""

    def __init__(self, moment: ReadableMoment) -> None:
        self._moment = moment

    def read(self, window: Window) -> PlacedPage:
        """Return rows, see `Order`."""
        page = self._moment.page(window)
        return PlacedPage([Placed(key_tail(entry.key), entry) for entry in page.entries], page.next)


class ByIndex:
    """The entries that meet a condition, in the order of its field; places are the cursors of the index."""

    def __init__(self, moment: ReadableMoment, declared: MirrorDefinition | None, condition: Condition) -> None:
        self._moment = moment
        self._declared = declared
        self._field = condition.field.name
        self._parts = condition.parts

    def read(self, window: Window) -> PlacedPage:
        """Return rows, see `Order`."""
        return self._moment.found(self._field, self._parts, window, declared=self._declared)


class ByRange:
    """The values of one key in the order of the range field, of which each has another one: that is the place."""

    def __init__(self, moment: ReadableMoment, declared: MirrorDefinition | None, key: bytes, bounds: Bounds) -> None:
        self._moment = moment
        self._declared = declared
        self._key = key
        self._bounds = bounds

    def read(self, window: Window) -> PlacedPage:
        """Return rows, see `Order`."""
        after, until = (None if place is None else _range_place(place) for place in (window.after, window.until))
        unmarked = msgspec.structs.replace(window, after=after, until=until)
        found = self._moment.ranged(self._key, self._bounds, unmarked, declared=self._declared)
        rows = [row._replace(place=_RANGE_MARK + row.place) for row in found.rows]
        return PlacedPage(rows, None if found.next is None else _RANGE_MARK + found.next)


class LocalRow:
    """A row of a list, decoded when it is asked for; implements `services.gateway.mirrors.ListRow`."""

    __slots__ = ("_decode", "_value", "entry", "place")

    def __init__(self, placed: Placed, decode: Decode) -> None:
        self.place, self.entry = placed
        self._decode: Decode | None = decode
        self._value: Any = None

    @property
    def value(self) -> Any:
        """The value."""
        if self._decode is not None:
            self._value = self._decode(self.entry)
            self._decode = None
        return self._value


def rows_of(
    order: Order,
    window: Window,
    conditions: Sequence[Condition],
    *,
    decode: Decode,
    check_time: Callable[[], None],
    at_once: int,
) -> Iterator[LocalRow]:
    """Yield the rows of a list that are in a window and meet all *conditions*.

    Args:
        order: Of the list.
        window: Which rows; all of them, whatever its limit.
        conditions: What the order does not ask for itself.
        decode: Makes values of entries.
        check_time: Called each time before rows are read.
        at_once: How many are expected to be taken.
    """
    window = window.at_most(min(max(at_once, _SCANNED_AT_ONCE if conditions else 1), SCAN_ENTRIES))
    while True:
        check_time()
        found, following = order.read(window)
        for placed in found:
            row = LocalRow(placed, decode)
            if not conditions or _meets(row.value, conditions):
                yield row
        if following is None:
            return
        window = window.behind(following)


def _meets(value: Any, conditions: Sequence[Condition]) -> bool:
    fields = value[1] if type(value) is tuple else value
    if isinstance(fields, QuickError) or not hasattr(fields, "get"):
        return False  # No index has it either.
    return all(condition.is_met(fields) for condition in conditions)


def _range_place(place: bytes) -> bytes:
    if not place.startswith(_RANGE_MARK):
        raise InvalidInputError("This cursor was made up. Send one as it was answered, or leave it out.")
    return place.removeprefix(_RANGE_MARK)
