"""Lists of topics, read from their mirrors in either direction: as of one moment, where these are on this machine.

A list has one of three orders, each with places of its own: by key, by a field that has an index, and that of a range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from core.errors import InvalidInputError, InvalidValueError, QuickError
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from projections.mirror_entries import Entry, key_tail
from projections.mirror_moment import SCAN_ENTRIES
from projections.pages import Placed, PlacedPage
from projections.windows import Window
from services.gateway.mirrors import ListPart
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

    def read(self, part: ListPart, limit: int) -> PlacedPage:
        """Return at most so many rows of *part*."""


class ByKey:
    """All entries in the order of their keys; the place of one is its `key_tail`."""

    def __init__(self, moment: ReadableMoment) -> None:
        self._moment = moment

    def read(self, part: ListPart, limit: int) -> PlacedPage:
        """Return rows, see `Order`."""
        page = self._moment.page(_window(part, limit))
        return PlacedPage([Placed(key_tail(entry.key), entry) for entry in page.entries], page.next)


class ByIndex:
    """The entries that meet a condition, in the order of its field; places are the cursors of the index."""

    def __init__(self, moment: ReadableMoment, declared: MirrorDefinition | None, condition: Condition) -> None:
        self._moment = moment
        self._declared = declared
        self._field = condition.field.name
        self._parts = condition.parts

    def read(self, part: ListPart, limit: int) -> PlacedPage:
        """Return rows, see `Order`."""
        return self._moment.found(self._field, self._parts, _window(part, limit), declared=self._declared)


class ByRange:
    """The values of one key in the order of the range field, of which each has another one: that is the place."""

    def __init__(self, moment: ReadableMoment, declared: MirrorDefinition | None, key: bytes, bounds: Bounds) -> None:
        self._moment = moment
        self._declared = declared
        self._key = key
        self._bounds = bounds

    def read(self, part: ListPart, limit: int) -> PlacedPage:
        """Return rows, see `Order`."""
        start, end = (None if place is None else _range_place(place) for place in (part.start, part.end))
        window = _window(part._replace(start=start, end=end), limit)
        found = self._moment.ranged(self._key, self._bounds, window, declared=self._declared)
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
    part: ListPart,
    conditions: Sequence[Condition],
    *,
    decode: Decode,
    check_time: Callable[[], None],
    at_once: int,
) -> Iterator[LocalRow]:
    """Yield the rows of a part of a list that meet all *conditions*.

    Args:
        order: Of the list.
        part: The part.
        conditions: What the order does not ask for itself.
        decode: Makes values of entries.
        check_time: Called each time before rows are read.
        at_once: How many are expected to be taken.
    """
    limit = min(max(at_once, _SCANNED_AT_ONCE if conditions else 1), SCAN_ENTRIES)
    while True:
        check_time()
        found, following = order.read(part, limit)
        for placed in found:
            row = LocalRow(placed, decode)
            if not conditions or _meets(row.value, conditions):
                yield row
        if following is None:
            return
        part = part._replace(start=following, includes_start=False)


def _meets(value: Any, conditions: Sequence[Condition]) -> bool:
    fields = value[1] if type(value) is tuple else value
    if isinstance(fields, QuickError) or not hasattr(fields, "get"):
        return False  # No index has it either.
    return all(condition.is_met(fields) for condition in conditions)


def _window(part: ListPart, limit: int) -> Window:
    return Window(part.start, part.end, part.includes_start, part.reverse, limit)


def _range_place(place: bytes) -> bytes:
    if not place.startswith(_RANGE_MARK):
        raise InvalidInputError("This cursor was made up. Send one as it was answered, or leave it out.")
    return place.removeprefix(_RANGE_MARK)
