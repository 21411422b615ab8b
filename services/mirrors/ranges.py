"""Ranges of a mirror's fields: how bounds are asked for, and which mirror can be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from core.comparable_fields import MirrorFields, mirror_fields
from core.errors import InvalidInputError
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from core.topics import TopicSchema
from projections.mirror_entries import Entry
from projections.pages import Page
from projections.windows import WHOLE, Window
from services.mirrors.answering import AnsweringMirror
from services.topic_access import TopicAccess, no_mirror

NO_RANGE: Final = "You are trying to query a range. But no range index set."

MAX_ROWS: Final = 10_000
"""Rows of a range at most; they have no pages."""

MAX_AMONG: Final = 1_000
"""Most values of a field that are asked for at once: each is looked for by itself."""

LOWER: Final = ("gte", "gt", "from")
UPPER: Final = ("lte", "lt", "to")


class ComparableField(Protocol):
    """A field by which values can be ordered."""

    @property
    def name(self) -> str:
        """The name of the field."""

    def from_text(self, text: str) -> bytes:
        """Return a bound, as an address or a command line has it, as ordered bytes.

        Raises:
            InvalidInputError: It is none of the field's kind.
        """

    def from_json(self, node: object) -> bytes:
        """Return a bound that is a JSON node, or an argument of GraphQL, as ordered bytes.

        Raises:
            InvalidInputError: It is none of the field's kind.
        """

    def of_value(self, value: object) -> bytes | None:
        """Return the field's value in a decoded record as ordered bytes, `None` for null.

        Raises:
            InvalidValueError: It is none of the field's kind.
        """


class RangedView(Protocol):
    """A mirror with ranges, or one moment of it."""

    def range(self, key: bytes, bounds: Bounds, window: Window) -> list[Entry]:
        """Return the records of a key within bounds of the range field, in its order.

        Args:
            key: The Kafka key; in a mirror with a range key the ordered bytes of that field.
            bounds: Of the range field.
            window: Which of them.
        """


class IndexedView(RangedView, Protocol):
    """A mirror with indexes."""

    def find(self, field: str, bounds: Bounds, window: Window) -> Page:
        """Return the entries whose last value is within bounds of an indexed field, in its order.

        Args:
            field: The field.
            bounds: Of the field.
            window: Which of them.
        """


class Indexes(NamedTuple):
    """What one mirror can be asked for beside its keys."""

    view: IndexedView
    range_field: ComparableField | None
    range_key: ComparableField | None
    fields: Mapping[str, ComparableField]
    """The indexed ones, by name."""


IndexSource = Callable[[TopicAccess, AnsweringMirror], Indexes | None]
"""Returns the indexes of a mirror, `None` when it has none."""


class _BuiltOrNot(NamedTuple):
    """A mirror that is asked knowing what it is declared to keep: an index may still be being built."""

    view: AnsweringMirror
    declared: MirrorDefinition

    def range(self, key: bytes, bounds: Bounds, window: Window) -> list[Entry]:
        """Return the records of a key, see `IndexedView`."""
        return self.view.range(key, bounds, window, declared=self.declared)

    def find(self, field: str, bounds: Bounds, window: Window) -> Page:
        """Return entries by a field, see `IndexedView`."""
        return self.view.find(field, bounds, window, declared=self.declared)


class DeclaredIndexes:
    """Finds the indexes that a mirror is declared with; what is made from a schema is made once."""

    def __init__(self) -> None:
        self._fields: dict[str, tuple[TopicSchema | None, MirrorDefinition, MirrorFields]] = {}

    def __call__(self, access: TopicAccess, mirror: AnsweringMirror) -> Indexes | None:
        """Return the indexes of the mirror of a topic, `None` when it is declared with none.

        Raises:
            NotFoundError: The topic has no mirror.
        """
        definition = self.definition(access)
        if definition.range_field is None and not definition.indexes:
            return None
        fields = self._fields_of(access, definition)
        by_name = {field.name: field for field in fields.indexes}
        return Indexes(_BuiltOrNot(mirror, definition), fields.range_field, fields.range_key, by_name)

    def definition(self, access: TopicAccess) -> MirrorDefinition:
        """Return what the mirror of a topic is declared to keep.

        Raises:
            NotFoundError: The topic has no mirror.
        """
        if access.mirror is None:
            raise no_mirror(access.name)
        return access.mirror

    def _fields_of(self, access: TopicAccess, definition: MirrorDefinition) -> MirrorFields:
        known = self._fields.get(access.topic_id)
        if known is not None and known[:2] == (access.value_schema, definition):
            return known[2]
        schema = access.value_schema
        fields = mirror_fields(definition, None if schema is None else schema.registered())
        self._fields[access.topic_id] = (schema, definition, fields)
        return fields


def bounds_of(field: ComparableField, given: Mapping[str, Any], encode: Callable[[Any], bytes]) -> Bounds:
    """Return the bounds that *given* names, by the names of comparison operators, or by `from` and `to`.

    Args:
        field: What they are bounds of, for messages.
        given: Bounds by `gte`, `gt`, `lte`, `lt`, or by `from`, which is included, and `to`, which is not.
        encode: Makes a bound into ordered bytes.

    Raises:
        InvalidInputError: There are two for one end, both forms are mixed, or nothing can lie between them.
    """
    if given.keys() & {"from", "to"} and given.keys() & {"gte", "gt", "lte", "lt"}:
        raise InvalidInputError(
            f"The bounds {', '.join(given)} are of two forms. Give from and to, or gte, gt, lte and lt."
        )
    lower, upper = _one_of(LOWER, given), _one_of(UPPER, given)
    bounds = Bounds(
        None if lower is None else encode(given[lower]),
        None if upper is None else encode(given[upper]),
        includes_low=lower != "gt",
        includes_high=upper == "lte",
    )
    if bounds.low is not None and bounds.high is not None and bounds.low > bounds.high:
        raise InvalidInputError(
            f"Nothing of field {field.name} lies from {given[lower or '']!r:.80} to {given[upper or '']!r:.80}."
            " Give the lower bound first; reverse=true turns the order of the answer."
        )
    return bounds


class Range(NamedTuple):
    """A range that somebody asks for."""

    bounds: Bounds
    window: Window = WHOLE
    """Without a limit it is for all rows, of which there may be `MAX_ROWS`."""


def ranged(view: RangedView, key: bytes, wanted: Range) -> list[Entry]:
    """Return the rows of a range.

    Raises:
        InvalidInputError: No limit is given, and there are more rows than an answer takes.
    """
    window = wanted.window
    rows = view.range(key, wanted.bounds, window.at_most(MAX_ROWS + 1) if window.limit is None else window)
    if len(rows) > MAX_ROWS:
        raise InvalidInputError(
            f"The range has more than {MAX_ROWS} records. Narrow its bounds, or ask for the first ones with a limit."
        )
    return rows


def range_indexes(indexes: Indexes | None) -> tuple[Indexes, ComparableField]:
    """Return *indexes* and their range field.

    Raises:
        InvalidInputError: There is none.
    """
    if indexes is None or indexes.range_field is None:
        raise InvalidInputError(NO_RANGE)
    return indexes, indexes.range_field


def _one_of(names: tuple[str, ...], given: Mapping[str, Any]) -> str | None:
    found = [name for name in names if name in given]
    if len(found) > 1:
        raise InvalidInputError(f"The bounds {' and '.join(found)} are both of one end. Give one of them.")
    return found[0] if found else None
