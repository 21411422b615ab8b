"""What an operation is expected to cost: its fields, those below a list as often as the list has elements.

A document is compiled once, into a few multiplications and additions. Where no length depends on variables or on a
topic there is nothing left to do for a request; else it takes some microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NameNode,
    NullValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    ValueNode,
    VariableNode,
    get_named_type,
    is_list_type,
    is_non_null_type,
    value_from_ast_untyped,
)

from core.directives import TopicField
from core.list_fields import DEFAULT_PAGE

LENGTH_ARGUMENTS: Final = ("first", "last", "limit")
"""Arguments that say how many elements a list has at most."""

EMBEDDED_LENGTH: Final = 10
"""Expected length of a list that is a part of a record, or of the schema, and of one whose keys are."""

ENDLESS: Final = 10**15
"""Where counting ends: it is more than any limit, and its digits can be printed."""

Values = Mapping[str, Any]
EntryCounts = Callable[[str], int | None]
"""Returns how many entries the mirror of a topic has, `None` where that is not known at once; must not block."""

_META_FIELDS: Final = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}

Length = Callable[[Values], int]


@dataclass(frozen=True, slots=True)
class _Sum:
    """A constant and multiples of terms, each named by its place in the program."""

    constant: int
    terms: tuple[tuple[int, int], ...] = ()
    """Pairs of place and factor."""


@dataclass(frozen=True, slots=True)
class _Page:
    """The cost of a connection without its edges, and that of each edge."""

    around: _Sum
    each: _Sum


@dataclass(frozen=True, slots=True)
class _Whole:
    """How long a list is expected to be."""

    key: object
    """Tells lengths apart that may differ."""
    length: Callable[[], int]
    is_fixed: bool


def _fixed(length: int) -> _Whole:
    return _Whole(length, lambda: length, is_fixed=True)


@dataclass(frozen=True, slots=True)
class _Term:
    """The cost of a list whose length is known with the request."""

    length: Length
    each: _Sum


class Cost(Protocol):
    """The cost of one operation."""

    @property
    def fixed(self) -> int | None:
        """The cost where it is the same for all requests."""

    def of(self, variables: Values) -> int:
        """Return the cost with these variables, as they came: not coerced, and without defaults."""


@dataclass(frozen=True, slots=True)
class FixedCost:
    """The cost of an operation that does not depend on the request."""

    fixed: int

    def of(self, variables: Values) -> int:
        """Return the cost."""
        return self.fixed


class VariableCost:
    """The cost of an operation that depends on its variables, or on what topics hold."""

    fixed = None

    def __init__(self, terms: list[_Term], whole: _Sum, defaults: Values) -> None:
        self._terms = terms
        self._whole = whole
        self._defaults = defaults

    def of(self, variables: Values) -> int:
        """Return the cost with these variables."""
        values = {**self._defaults, **variables} if self._defaults else variables
        known: list[int] = []
        for term in self._terms:
            known.append(min(term.length(values) * _value(term.each, known), ENDLESS))
        return min(_value(self._whole, known), ENDLESS)


def _value(sum_: _Sum, known: list[int]) -> int:
    return sum_.constant + sum(known[place] * factor for place, factor in sum_.terms)


class CostCompiler:
    """Compiles the costs of documents of one schema. Safe to use from several threads.

    Args:
        schema: What documents were validated against.
        topic_fields: The fields that are read from topics, by type and name.
        list_length: Expected length of a list from a topic, where nothing tells it.
        entry_counts: Tells how many entries a topic has, where that is known.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        topic_fields: Mapping[tuple[str, str], TopicField],
        *,
        list_length: int,
        entry_counts: EntryCounts | None = None,
    ) -> None:
        self.schema = schema
        self.topic_fields = topic_fields
        self.list_length = list_length
        self.entry_counts = entry_counts

    def compiled(self, document: DocumentNode) -> dict[str | None, Cost]:
        """Return the cost of each operation of a valid *document* by its name."""
        program = _Program(self, document)
        return {
            node.name.value if node.name else None: program.cost(node)
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
        }


class _Program:
    """Compiles one document; what is alike becomes one term, so that fragments cannot multiply the work."""

    def __init__(self, compiler: CostCompiler, document: DocumentNode) -> None:
        self._compiler = compiler
        self._schema = compiler.schema
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._of_fragments: dict[str, _Sum] = {}
        self._pages_of_fragments: dict[str, _Page] = {}
        self._terms: list[_Term] = []
        self._places: dict[tuple[object, _Sum], int] = {}

    def cost(self, operation: OperationDefinitionNode) -> Cost:
        root = self._schema.get_root_type(operation.operation)
        if root is None:
            return FixedCost(0)  # Validation lets it pass, and executing it is an error.
        whole = self._selections(operation.selection_set, root)
        if not whole.terms:
            return FixedCost(whole.constant)
        last = max(place for place, _ in whole.terms)
        return VariableCost(self._terms[: last + 1], whole, _defaults(operation))

    def _selections(self, selection_set: SelectionSetNode, parent: GraphQLNamedType) -> _Sum:
        # Few frames a level: documents may be nested as deep as the parser goes.
        sums: list[_Sum] = []
        for selection in selection_set.selections:
            match selection:
                case FieldNode():
                    sums.append(self._field(selection, parent))
                case InlineFragmentNode(type_condition=condition):
                    type_ = parent if condition is None else self._schema.type_map[condition.name.value]
                    sums.append(self._selections(selection.selection_set, type_))
                case FragmentSpreadNode():
                    sums.append(self._fragment(selection.name.value))
        return _added(sums)

    def _fragment(self, name: str) -> _Sum:
        if name not in self._of_fragments:
            node = self._fragments[name]
            type_ = self._schema.type_map[node.type_condition.name.value]
            self._of_fragments[name] = self._selections(node.selection_set, type_)
        return self._of_fragments[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType) -> _Sum:
        name = node.name.value
        if name == "__typename":
            return _Sum(1)
        field = _definition(parent, name)
        if field is None:
            return _Sum(1)
        type_ = get_named_type(field.type)
        topic_field = self._compiler.topic_fields.get((parent.name, name))
        if topic_field is not None and topic_field.is_connection and node.selection_set is not None:
            return self._connection(node, field, self._page(node.selection_set, type_))
        below = _Sum(0) if node.selection_set is None else self._selections(node.selection_set, type_)
        lists = _lists_of(field.type)
        if not lists:
            return _Sum(_bounded(1 + below.constant), below.terms)
        each = _Sum(_bounded(1 + below.constant), below.terms)
        for _ in range(lists - 1):  # lists in lists
            each = _multiplied(each, EMBEDDED_LENGTH)
        return _one_more(self._list(node, field, topic_field, each))

    def _connection(self, node: FieldNode, field: GraphQLField, page: _Page) -> _Sum:
        edges = self._limited(node, field, _fixed(DEFAULT_PAGE), page.each)
        if edges is None:
            edges = _multiplied(page.each, DEFAULT_PAGE)
        return _one_more(_added((page.around, edges)))

    def _page(self, selection_set: SelectionSetNode, type_: GraphQLNamedType) -> _Page:
        """Return the cost of the selection of a connection: its edges are as many as its arguments say."""
        fields = type_.fields if isinstance(type_, GraphQLObjectType) else {}
        arounds: list[_Sum] = []
        edges: list[_Sum] = []
        for selection in selection_set.selections:
            match selection:
                case FieldNode(name=NameNode(value="edges"), selection_set=SelectionSetNode() as below):
                    arounds.append(_Sum(1))
                    edge = get_named_type(fields["edges"].type)
                    edges.append(_one_more(self._selections(below, edge)))
                case FieldNode():
                    arounds.append(self._field(selection, type_))
                case InlineFragmentNode():
                    page = self._page(selection.selection_set, type_)
                    arounds.append(page.around)
                    edges.append(page.each)
                case FragmentSpreadNode():
                    page = self._page_of_fragment(selection.name.value, type_)
                    arounds.append(page.around)
                    edges.append(page.each)
        return _Page(_added(arounds), _added(edges))

    def _page_of_fragment(self, name: str, type_: GraphQLNamedType) -> _Page:
        if name not in self._pages_of_fragments:
            self._pages_of_fragments[name] = self._page(self._fragments[name].selection_set, type_)
        return self._pages_of_fragments[name]

    def _list(self, node: FieldNode, field: GraphQLField, topic_field: TopicField | None, each: _Sum) -> _Sum:
        whole = self._whole(topic_field)
        if (limited := self._limited(node, field, whole, each)) is not None:
            return limited
        keys = None if topic_field is None else _argument(node, topic_field.key_argument)
        if topic_field is not None and keys is not None and topic_field.range_from is None:
            return self._keyed(keys, each)
        if whole.is_fixed:
            return _multiplied(each, whole.length())
        return self._term(whole.key, lambda _: whole.length(), each)

    def _whole(self, topic_field: TopicField | None) -> _Whole:
        """Return how long a list is expected to be where its arguments do not limit it."""
        if topic_field is None or topic_field.key_field is not None:
            return _fixed(EMBEDDED_LENGTH)
        expected, counts = self._compiler.list_length, self._compiler.entry_counts
        if not topic_field.reads_all or counts is None:
            return _fixed(expected)
        topic, counted = topic_field.topic, counts
        return _Whole(("entries", topic), lambda: _or_else(counted(topic), expected), is_fixed=False)

    def _limited(self, node: FieldNode, field: GraphQLField, whole: _Whole, each: _Sum) -> _Sum | None:
        """Return the cost of a list whose arguments say how long it is at most, `None` where they do not."""
        variables: list[str] = []
        for name in LENGTH_ARGUMENTS:
            argument = _argument(node, name)
            if argument is None:
                if name in field.args and isinstance(default := field.args[name].default_value, int):
                    return _multiplied(each, max(default, 0))
                continue
            match argument.value:
                case VariableNode() as variable:
                    variables.append(variable.name.value)
                case IntValueNode(value=text):
                    return _multiplied(each, _whole_number(text))
        if not variables:
            return None

        def length(values: Values) -> int:
            given = next((values[name] for name in variables if values.get(name) is not None), None)
            return _limit(given, whole)

        return self._term(("limit", *variables, whole.key), length, each)

    def _keyed(self, argument: ArgumentNode, each: _Sum) -> _Sum:
        match argument.value:
            case VariableNode() as variable:
                name = variable.name.value
                return self._term(("keys", name), lambda values: _count(values.get(name)), each)
            case value:
                return _multiplied(each, _literal_count(value))

    def _term(self, key: object, length: Length, each: _Sum) -> _Sum:
        place = self._places.setdefault((key, each), len(self._terms))
        if place == len(self._terms):
            self._terms.append(_Term(length, each))
        return _Sum(0, ((place, 1),))


def _definition(parent: GraphQLNamedType, name: str) -> GraphQLField | None:
    if name in _META_FIELDS:
        return _META_FIELDS[name]
    return parent.fields.get(name) if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else None


def _lists_of(type_: Any) -> int:
    """Return how many lists are around the named type of *type_*."""
    count = 0
    while is_non_null_type(type_) or is_list_type(type_):
        count += is_list_type(type_)
        type_ = type_.of_type
    return count


def _added(sums: Iterable[_Sum]) -> _Sum:
    constant = 0
    factors: dict[int, int] = {}
    for sum_ in sums:
        constant += sum_.constant
        for place, factor in sum_.terms:
            factors[place] = _bounded(factors.get(place, 0) + factor)
    return _Sum(_bounded(constant), tuple(sorted(factors.items())))


def _multiplied(sum_: _Sum, times: int) -> _Sum:
    terms = tuple((place, _bounded(factor * times)) for place, factor in sum_.terms)
    return _Sum(_bounded(sum_.constant * times), terms)


def _one_more(sum_: _Sum) -> _Sum:
    return _Sum(_bounded(1 + sum_.constant), sum_.terms)


def _bounded(number: int) -> int:
    return min(number, ENDLESS)


def _defaults(operation: OperationDefinitionNode) -> dict[str, Any]:
    return {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions
        if definition.default_value is not None
    }


def _whole_number(text: str) -> int:
    """Return the number of an integer literal; of a very long one only that it is large."""
    return ENDLESS if len(text) > len(str(ENDLESS)) else _bounded(max(int(text), 0))


def _literal_count(value: ValueNode) -> int:
    match value:
        case ListValueNode(values=values):
            return len(values)
        case NullValueNode():
            return 0
    return 1


def _count(value: Any) -> int:
    if isinstance(value, list):
        return len(value)
    return 0 if value is None else 1


def _limit(value: Any, whole: _Whole) -> int:
    # A number with a fraction, or a text of digits, may yet be coerced to a whole number.
    try:
        number = whole.length() if value is None else int(value)
    except (TypeError, ValueError, OverflowError):
        return whole.length()
    return _bounded(max(number, 0))


def _argument(node: FieldNode, name: str | None) -> ArgumentNode | None:
    return next((argument for argument in node.arguments if argument.name.value == name), None)


def _or_else(count: int | None, expected: int) -> int:
    return expected if count is None else count
