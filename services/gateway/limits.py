"""How large one operation is, measured in its text: before it is validated, and before anything is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from core.gateway_settings import GraphQLLimits

MAX_NESTING: Final = 200
"""Deepest nesting of selections and fragments that is measured: as deep as the parser goes in one definition."""

MAX_ERRORS: Final = 20
"""Complaints about one document at most."""

_ENDLESS: Final = 10**9
"""Where counting ends: fragments that double one another reach numbers of thousands of digits."""

_DEFAULTS: Final = GraphQLLimits()


class _Level(NamedTuple):
    """One selection set with what its fragments add to it, and what is below."""

    depth: int
    fields: int
    beside: int
    """Fields of the selection set itself."""
    names: Counter[str] | None
    """How often it asks for each field; `None` where `beside` is too much already."""
    widest: int
    """The largest `beside` here and below."""
    most_aliases: int
    """The largest number in `names`, here and below."""


_EMPTY: Final = _Level(0, 0, 0, Counter(), 0, 0)


@dataclass(frozen=True, slots=True)
class Size:
    """How large an operation or a fragment is."""

    depth: int
    """Fields above one another."""

    fields: int
    """All fields, those of a fragment counted wherever it is used."""

    root_fields: int | None
    """Fields that have none above them; `None` of a fragment."""

    breadth: int
    """Most fields of one selection set."""

    aliases: int
    """How often one selection set asks for the same field, at most."""


class _TooDeepError(Exception):
    """Selections and fragments are nested too deeply to be measured; only raised and caught here."""


def limit_errors(document: DocumentNode, limits: GraphQLLimits = _DEFAULTS) -> list[GraphQLError]:
    """Return what is too large in *document*, which need not be valid; some of it where there is very much."""
    measure = Measure(document, limits.max_breadth)
    try:
        errors = list(islice(_errors(document, measure, limits), MAX_ERRORS))
    except _TooDeepError:
        return [GraphQLError(f"The document is nested more than {MAX_NESTING} deep. Ask in several steps.")]
    if measure.directives > limits.max_directives:
        message = (
            f"The document has {measure.directives} directives, and {limits.max_directives} are allowed. Split it."
        )
        errors.append(GraphQLError(message))
    return errors


def _errors(document: DocumentNode, measure: Measure, limits: GraphQLLimits) -> Iterator[GraphQLError]:
    are_there_any = False
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            for message in _complaints(measure.size(node), limits):
                are_there_any = True
                yield GraphQLError(message, node)
    # A fragment that nothing uses is validated all the same, and in any other one this was said already.
    for node in document.definitions:
        if not are_there_any and isinstance(node, FragmentDefinitionNode):
            for message in _complaints(measure.size(node), limits, what="A fragment"):
                yield GraphQLError(message, node)


def _complaints(size: Size, limits: GraphQLLimits, *, what: str = "The operation") -> Iterator[str]:
    if size.depth > limits.max_depth:
        yield f"{what} is {size.depth} fields deep, and {limits.max_depth} are allowed. Ask in several steps."
    if size.fields > limits.max_fields:
        yield f"{what} asks for {_number(size.fields)} fields, and {limits.max_fields} are allowed. Split it."
    if size.root_fields is not None and size.root_fields > limits.max_root_fields:
        yield f"{what} has {_number(size.root_fields)} root fields, and {limits.max_root_fields} are allowed. Split it."
    if size.breadth > limits.max_breadth:
        yield (
            f"{what} asks for {_number(size.breadth)} fields beside one another, and {limits.max_breadth} are allowed."
            " Split it."
        )
    if size.aliases > limits.max_aliases:
        yield (
            f"{what} asks for the same field {size.aliases} times beside one another, and {limits.max_aliases} are"
            " allowed. Ask for a list of keys instead, or split it."
        )


def _number(count: int) -> str:
    return "more than a billion" if count >= _ENDLESS else str(count)


class Measure:
    """Measures selections; each node once, however often its fragment is used.

    Args:
        document: What is measured; it may use fragments that it lacks, or in circles: they count nothing.
        max_breadth: In a wider selection set the fields of one name are no longer counted.

    Attributes:
        directives: Directives of what was measured until now.
        visited: Selections that were visited until now.
    """

    def __init__(self, document: DocumentNode, max_breadth: int) -> None:
        definitions = document.definitions
        self._fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}
        self._max_breadth = max_breadth
        self._known: dict[str, _Level] = {}
        self._open: set[str] = set()
        self._nesting = 0
        self.directives = 0
        self.visited = 0

    def size(self, node: OperationDefinitionNode | FragmentDefinitionNode) -> Size:
        """Return the size of *node*.

        Raises:
            _TooDeepError: It is nested too deeply.
        """
        if isinstance(node, FragmentDefinitionNode):
            level = self._fragment(node.name.value)
            return Size(level.depth, level.fields, None, level.widest, level.most_aliases)
        self.directives += len(node.directives)
        level = self._level(node.selection_set)
        return Size(level.depth, level.fields, level.beside, level.widest, level.most_aliases)

    def _level(self, selection_set: SelectionSetNode) -> _Level:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise _TooDeepError
        sum_ = _Sum(self._max_breadth)
        for selection in selection_set.selections:
            self.visited += 1
            self.directives += len(selection.directives)
            self._add(selection, sum_)
        self._nesting -= 1
        return sum_.level()

    def _add(self, selection: SelectionNode, sum_: _Sum) -> None:
        match selection:
            case FieldNode():
                below = _EMPTY if selection.selection_set is None else self._level(selection.selection_set)
                sum_.add_field(selection.name.value, below)
            case InlineFragmentNode():
                sum_.add_level(self._level(selection.selection_set))
            case FragmentSpreadNode():
                sum_.add_level(self._fragment(selection.name.value))

    def _fragment(self, name: str) -> _Level:
        if (known := self._known.get(name)) is not None:
            return known
        node = self._fragments.get(name)
        if node is None or name in self._open:
            return _EMPTY
        self._open.add(name)
        self.directives += len(node.directives)
        level = self._known[name] = self._level(node.selection_set)
        self._open.discard(name)
        return level


class _Sum:
    """Adds up one selection set."""

    def __init__(self, max_breadth: int) -> None:
        self._max_breadth = max_breadth
        self._depth = self._fields = self._beside = self._widest = self._most_aliases = 0
        self._names: Counter[str] | None = Counter()

    def add_field(self, name: str, below: _Level) -> None:
        self._depth = max(self._depth, 1 + below.depth)
        self._fields += 1 + below.fields
        self._beside += 1
        self._note_below(below)
        if self._names is not None:
            self._names[name] += 1

    def add_level(self, level: _Level) -> None:
        """Add what a fragment brings into the same selection set."""
        self._depth = max(self._depth, level.depth)
        self._fields += level.fields
        self._beside += level.beside
        self._note_below(level)
        # What is too wide is refused for that. Its names are not merged: that could be made to take long.
        if level.names is None or self._beside > self._max_breadth:
            self._names = None
        if self._names is not None and level.names is not None:
            self._names.update(level.names)

    def _note_below(self, level: _Level) -> None:
        self._widest = max(self._widest, level.widest)
        self._most_aliases = max(self._most_aliases, level.most_aliases)

    def level(self) -> _Level:
        aliases = max(self._names.values(), default=0) if self._names else 0
        return _Level(
            depth=self._depth,
            fields=min(self._fields, _ENDLESS),
            beside=min(self._beside, _ENDLESS),
            names=self._names,
            widest=min(max(self._widest, self._beside), _ENDLESS),
            most_aliases=max(self._most_aliases, aliases),
        )
