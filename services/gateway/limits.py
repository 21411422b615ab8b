"""How much one operation may ask for, checked before anything is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
)

MAX_TOKENS: Final = 10_000
"""Most names, signs and values in one document."""

MAX_DEPTH: Final = 20
"""Most fields above one another; the introspection query of the usual tools needs 15."""

MAX_FIELDS: Final = 5_000
"""Most fields of one operation, those of a fragment counted wherever it is used."""


class _Size(NamedTuple):
    depth: int
    fields: int


def limit_errors(document: DocumentNode) -> list[GraphQLError]:
    """Return an error for each operation of *document* that asks for too much; *document* must be valid."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    measure = _Measure(fragments)
    errors = []
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            size = measure.of(node.selection_set.selections)
            errors += [GraphQLError(message, node) for message in _complaints(size)]
    return errors


def _complaints(size: _Size) -> Iterable[str]:
    if size.depth > MAX_DEPTH:
        yield f"The operation is {size.depth} fields deep, and {MAX_DEPTH} are allowed. Ask in several steps."
    if size.fields > MAX_FIELDS:
        yield f"The operation asks for {size.fields} fields, and {MAX_FIELDS} are allowed. Split it."


class _Measure:
    """Measures selections; each fragment once, however often it is used."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, _Size] = {}

    def of(self, selections: Iterable[SelectionNode]) -> _Size:
        sizes = [self._of_one(selection) for selection in selections]
        return _Size(max(size.depth for size in sizes), sum(size.fields for size in sizes))

    def _of_one(self, selection: SelectionNode) -> _Size:
        match selection:
            case FieldNode():
                below = _Size(0, 0) if selection.selection_set is None else self.of(selection.selection_set.selections)
                return _Size(1 + below.depth, 1 + below.fields)
            case InlineFragmentNode():
                return self.of(selection.selection_set.selections)
            case FragmentSpreadNode():
                return self._of_fragment(selection.name.value)
        raise AssertionError(f"GraphQL has no selection of kind {selection.kind}")

    def _of_fragment(self, name: str) -> _Size:
        if name not in self._known:
            self._known[name] = self.of(self._fragments[name].selection_set.selections)
        return self._known[name]
