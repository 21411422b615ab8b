"""JSON → Avro: a schema compiled once into functions that check a node and shape it for fastavro in one pass.

Unions take the first branch that fits, in declared order, without a wrapper in the JSON. What no branch takes
may be wrapped as Avro's own JSON has it: an object whose only key is the name of a branch, full or short, or its
kind, as in `{"string": "x"}` or `{"shop.Price": {…}}`. Ignoring that key does not count as fitting: a record
that has no such field does not take the wrapper for a record with everything left out.

fastavro would choose differently (the record with most fields, double before float), and would walk the whole
value to choose at all; so a chosen branch is written down as a pair of its name and the value, except where null
is the only other choice and the value neither a container nor of a logical type.

Bytes are base64 in JSON; logical types are described in `core.avro_logical`. A field that is absent takes its
default, and null where it has none but takes null.

Texts are those of Quick's converter where it has one. Three things differ: a number that does not fit is
refused, which Quick wraps or cuts off silently; a path names list indexes and map keys too; and what is wrong
inside a nullable record is said, which Quick hides.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from core.avro_logical import to_text
from core.errors import InvalidValueError, Mismatch
from core.json_values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.avro_logical import Logical
    from core.avro_types import AvroNode, AvroSchema

Shape = Callable[[Any], Any]

_ABSENT: Final = object()
"""Stands in for a field that is neither in the JSON nor has a default: it fits no type."""

_JAVA_NAMES: Final = {
    "int": "java.lang.Number",
    "long": "java.lang.Number",
    "float": "java.lang.Number",
    "double": "java.lang.Number",
    "string": "java.lang.String",
    "bytes": "java.lang.String",
    "fixed": "java.lang.String",
    "boolean": "java.lang.Boolean",
    "array": "java.util.List",
    "map": "java.util.Map",
    "record": "java.util.Map",
    "null": "null",
}
_CONTAINERS: Final = frozenset({"record", "array", "map"})
_LARGEST_FLOAT: Final = (2 - 2**-23) * 2.0**127
_ROOT: Final = "(root)"


def compile_shape(schema: AvroSchema, schema_id: int | None = None, *, strict: bool = False) -> Shape:
    """Return a function that gives the Avro value of a JSON node, shaped for fastavro's writer by *schema*.

    The function raises InvalidValueError for a node that does not conform, with the place in dots.

    Args:
        schema: The schema to write with.
        schema_id: Its ID, for errors.
        strict: Whether keys of objects that no field has are refused instead of ignored.
    """
    shape = _Compiler(schema, strict=strict).shape(schema.root)

    def conforming(node: Any) -> Any:
        try:
            return shape(node)
        except _MisfitError as misfit:
            raise InvalidValueError(
                f"Data does not conform to schema: {misfit.cause([])}", misfit.mismatch(schema_id)
            ) from None
        except RecursionError as error:
            raise InvalidValueError(
                "Data does not conform to schema: it is nested too deep. Send it with fewer levels.",
                Mismatch(schema.words(schema.root), "", (), schema_id),
            ) from error

    return conforming


_Path = list[str | int]

_Cause = Callable[[_Path, str], str]
"""Words the cause of a misfit from the path to it, outermost first, and the name of the field it is in."""


class _MisfitError(Exception):
    """A node that does not fit its type. It collects its path on the way out and never leaves this module."""

    def __init__(self, cause: _Cause, expected: str, node: Any, innermost: _MisfitError | None = None) -> None:
        super().__init__()
        self._cause = cause
        self._expected = expected
        self._node = node
        self._innermost = innermost
        self._inner_path: _Path = []
        self._field: str | None = None

    def inside(self, segment: str | int) -> None:
        self._inner_path.append(segment)

    def inside_field(self, name: str) -> None:
        self._inner_path.append(name)
        self._field = self._field or name

    def cause(self, outer_path: _Path) -> str:
        return self._cause([*outer_path, *reversed(self._inner_path)], self._field or _ROOT)

    def mismatch(self, schema_id: int | None, outer_path: Iterable[str | int] = ()) -> Mismatch:
        """Return where and how the node does not fit; of a nullable record, what is wrong inside it."""
        path = (*outer_path, *reversed(self._inner_path))
        if self._innermost is not None:
            return self._innermost.mismatch(schema_id, path)
        found = "" if self._node is _ABSENT else shown(self._node)
        return Mismatch(self._expected, found, path, schema_id)


def _dotted(path: _Path) -> str:
    return ".".join(map(str, path)) or _ROOT


def _wrong_type(kind: str, words: str, node: Any) -> _MisfitError:
    java_name = _JAVA_NAMES[kind]
    return _MisfitError(lambda path, _: f"Field {_dotted(path)} is expected to be type: {java_name}", words, node)


def _unfit_value(expected: str, words: str, node: Any) -> _MisfitError:
    return _MisfitError(
        lambda path, _: f"Field {_dotted(path)} is expected to be {expected}. Got: {shown(node)}", words, node
    )


class _Field(NamedTuple):
    name: str
    shape: Shape
    default: Any
    kind: str
    words: str
    position: int

    def __str__(self) -> str:
        return f"{self.name} type:{self.kind.upper()} pos:{self.position}"


class _Union(NamedTuple):
    """The two texts that say what a union takes, and the shapes of its branches by every name they go by."""

    listed: str
    words: str
    wrapped: dict[str, Shape]
    only_wrapped: frozenset[str]
    """Names that no branch can take for a key of its own: an object with one of them alone is a wrapper."""

    def wrapper(self, node: Any) -> str | None:
        """Return the name in a *node* that is the wrapped form of a branch, or may be."""
        if type(node) is dict and len(node) == 1:
            name = next(iter(node))
            return name if name in self.wrapped else None
        return None

    def unwrapped(self, name: str, node: dict[str, Any]) -> Any:
        try:
            return self.wrapped[name](node[name])
        except _MisfitError as hidden:
            hidden.inside(name)
            raise self.misfit(node, hidden) from None

    def misfit(self, node: Any, hidden: _MisfitError | None = None) -> _MisfitError:
        def cause(path: _Path, field: str) -> str:
            text = (
                f"Could not evaluate union, field {field} is expected to be one of these: {self.listed}. "
                f"If this is a complex type, check if offending field: {_dotted(path)} adheres to schema."
            )
            return text if hidden is None else f"{text} Cause: {hidden.cause(path)}"

        return _MisfitError(cause, self.words, node, hidden)


class _Compiler:
    """Builds the functions of one schema; a record that holds itself finds its own function in `_records`."""

    def __init__(self, schema: AvroSchema, *, strict: bool) -> None:
        self._schema = schema
        self._strict = strict
        self._records: dict[str, Shape] = {}

    def shape(self, node: AvroNode) -> Shape:
        kind = self._schema.kind(node)
        resolved = self._schema.resolve(node)
        if logical := self._schema.logical(node):
            return _logical(logical, _PRIMITIVES[kind] if kind in {"int", "long"} else None)
        if kind in _PRIMITIVES:
            return _PRIMITIVES[kind]
        build: dict[str, Callable[[Any], Shape]] = {
            "record": self._record,
            "union": self._union,
            "array": lambda array: _array(self.shape(array["items"])),
            "map": lambda map_: _map(self.shape(map_["values"])),
            "enum": lambda enum: _enum(enum["symbols"], self._schema.words(enum)),
            "fixed": lambda fixed: _fixed(fixed["size"], self._schema.words(fixed)),
        }
        return build[kind](resolved)

    def _record(self, definition: dict[str, Any]) -> Shape:
        name = definition["name"]
        if name in self._records:
            return self._records[name]
        fields: list[_Field] = []
        words = self._schema.words(definition)
        known = frozenset(field["name"] for field in definition["fields"]) if self._strict else None
        self._records[name] = _record(fields, words, known)
        fields.extend(self._fields(definition))
        return self._records[name]

    def _fields(self, definition: dict[str, Any]) -> Iterator[_Field]:
        for position, field in enumerate(definition["fields"]):
            yield _Field(
                name=field["name"],
                shape=self.shape(field["type"]),
                default=default_node(self._schema, field),
                kind=self._schema.kind(field["type"]),
                words=self._schema.words(field["type"]),
                position=position,
            )

    def _union(self, branches: list[AvroNode]) -> Shape:
        others = [branch for branch in branches if self._schema.kind(branch) != "null"]
        is_nullable = len(others) == 1 and len(branches) == 2  # noqa: PLR2004  null and one other
        plain = is_nullable and self._schema.kind(others[0]) not in _CONTAINERS and not self._schema.logical(others[0])
        shapes = [self.shape(branch) if plain else self._branch(branch) for branch in branches]
        union = self._described(branches, shapes)
        if plain:
            return _nullable(self.shape(others[0]), union)
        return _nullable_container(self._branch(others[0]), union) if is_nullable else _first_fitting(shapes, union)

    def _described(self, branches: list[AvroNode], shapes: list[Shape]) -> _Union:
        wrapped: dict[str, Shape] = {}
        for branch, shape in zip(branches, shapes, strict=True):
            for name in names_in_wrappers(self._schema, branch):
                wrapped.setdefault(name, shape)
        return _Union(
            ", ".join(self._schema.kind(branch).upper() for branch in branches),
            self._schema.words(branches),
            wrapped,
            frozenset(wrapped.keys() - self._own_keys(branches, wrapped.keys())),
        )

    def _own_keys(self, branches: list[AvroNode], names: Iterable[str]) -> frozenset[str]:
        """Return those of *names* that are keys of a branch without a wrapper: fields of records, any key of a map."""
        if any(self._schema.kind(branch) == "map" for branch in branches):
            return frozenset(names)
        records = [self._schema.resolve(branch) for branch in branches if self._schema.kind(branch) == "record"]
        return frozenset(field["name"] for record in records if isinstance(record, dict) for field in record["fields"])

    def _branch(self, branch: AvroNode) -> Shape:
        name, shape = self._schema.name(branch), self.shape(branch)
        return shape if name == "null" else lambda node: (name, shape(node))


def names_in_wrappers(schema: AvroSchema, branch: AvroNode) -> Iterator[str]:
    """Yield the names that a union's *branch* goes by in a wrapper: the full one, and the one without namespace."""
    name = schema.name(branch)
    yield name
    if "." in name:
        yield name.rpartition(".")[2]


def default_node(schema: AvroSchema, field: dict[str, Any]) -> Any:
    """Return the JSON that an absent *field* stands for, a value that fits no type where it must not be absent."""
    if "default" in field:
        return _our_json(schema, field["type"], field["default"])
    kinds = map(schema.kind, schema.parts(field["type"]))
    return None if schema.kind(field["type"]) == "union" and "null" in kinds else _ABSENT


def _our_json(schema: AvroSchema, node: AvroNode, default: Any) -> Any:
    """Return a *default* as our JSON has it: Avro writes bytes in schemas as one character each."""
    resolved: Any = schema.resolve(node)
    kind = schema.kind(node)
    if kind in {"bytes", "fixed"} and isinstance(default, str):
        return _our_bytes(default, schema.logical(node))
    if kind == "union":
        return _our_json(schema, resolved[0], default) if default is not None else None
    if kind == "array" and isinstance(default, list):
        return [_our_json(schema, resolved["items"], item) for item in default]
    if kind == "map" and isinstance(default, dict):
        return {key: _our_json(schema, resolved["values"], member) for key, member in default.items()}
    if kind == "record" and isinstance(default, dict):
        types = {field["name"]: field["type"] for field in resolved["fields"]}
        return {key: _our_json(schema, types[key], member) for key, member in default.items() if key in types}
    return default


def _our_bytes(default: str, logical: Logical | None) -> str:
    try:
        raw = default.encode("latin-1")
        return b64encode(raw).decode() if logical is None else to_text(logical.read(raw))
    except ValueError:
        return default  # It is refused with its place when a record needs it.


def _record(fields: list[_Field], words: str, known: frozenset[str] | None) -> Shape:
    def shape(node: Any) -> dict[str, Any]:
        if not isinstance(node, dict):
            raise _wrong_type("record", words, node)
        shaped = {}
        for field in fields:
            value = node.get(field.name, field.default)
            try:
                shaped[field.name] = field.shape(value)
            except _MisfitError as misfit:
                raise _field_misfit(misfit, field, value) from None
        if known is not None and not node.keys() <= known:
            raise _unknown_key(node, known, words)
        return shaped

    return shape


def _unknown_key(node: dict[str, Any], known: frozenset[str], words: str) -> _MisfitError:
    key = next(key for key in node if key not in known)
    misfit = _MisfitError(
        lambda path, _: f"Field {_dotted(path)} is unknown: {words} has no such field. Leave it out",
        f"a field of {words}",
        node[key],
    )
    misfit.inside(key)
    return misfit


def _field_misfit(misfit: _MisfitError, field: _Field, value: Any) -> _MisfitError:
    if value is _ABSENT:
        misfit = _MisfitError(lambda *_: f"Field {field} not set and has no default value", field.words, value)
    elif value is None and field.kind != "union":
        misfit = _MisfitError(lambda *_: f"Field {field} does not accept null values", field.words, value)
    misfit.inside_field(field.name)
    return misfit


def _array(item: Shape) -> Shape:
    def shape(node: Any) -> list[Any]:
        if not isinstance(node, list):
            raise _wrong_type("array", "array", node)
        shaped: list[Any] = []
        try:
            shaped.extend(map(item, node))
        except _MisfitError as misfit:
            misfit.inside(len(shaped))  # extend keeps what came before the one that failed
            raise
        return shaped

    return shape


def _map(value: Shape) -> Shape:
    def shape(node: Any) -> dict[str, Any]:
        if not isinstance(node, dict):
            raise _wrong_type("map", "map", node)
        shaped = {}
        for key, member in node.items():
            try:
                shaped[key] = value(member)
            except _MisfitError as misfit:
                misfit.inside(key)
                raise
        return shaped

    return shape


def _first_fitting(branches: list[Shape], union: _Union) -> Shape:
    def shape(node: Any) -> Any:
        name = union.wrapper(node)
        if name not in union.only_wrapped:
            for branch in branches:
                try:
                    return branch(node)
                except _MisfitError:
                    continue
        if name is not None:
            return union.unwrapped(name, node)
        raise union.misfit(node)

    return shape


def _nullable(other: Shape, union: _Union) -> Shape:
    def shape(node: Any) -> Any:
        if node is None:
            return None
        try:
            return other(node)
        except _MisfitError:
            if (name := union.wrapper(node)) is not None:
                return union.unwrapped(name, node)
            raise union.misfit(node) from None

    return shape


def _nullable_container(container: Shape, union: _Union) -> Shape:
    def shape(node: Any) -> Any:
        if node is None:
            return None
        name = union.wrapper(node)
        if name in union.only_wrapped:
            return union.unwrapped(name, node)
        try:
            return container(node)
        except _MisfitError as hidden:
            if name is not None:
                return union.unwrapped(name, node)
            raise union.misfit(node, None if node is _ABSENT else hidden) from None

    return shape


def _logical(logical: Logical, number: Shape | None) -> Shape:
    """Return the shape of a logical type: text, and where *number* shapes what is in the bytes, that as well."""

    def shape(node: Any) -> Any:
        is_number = type(node) in (int, float)
        if is_number and number is not None:
            return logical.read(number(node))
        if type(node) is not str and not (is_number and logical.takes_numbers):
            raise _unfit_value(logical.example, logical.words, node)
        try:
            return logical.parse(node)
        except (ValueError, OverflowError):
            raise _unfit_value(logical.example, logical.words, node) from None

    return shape


def _enum(symbols: list[str], words: str) -> Shape:
    known, listed = frozenset(symbols), ", ".join(symbols)

    def shape(node: Any) -> str:
        if isinstance(node, str) and node in known:
            return node
        raise _MisfitError(
            lambda path, _: f"Field {_dotted(path)} is expected to be of enum type and be one of {listed}", words, node
        )

    return shape


def _whole_number(kind: str, bits: int) -> Shape:
    high = (1 << (bits - 1)) - 1
    low = -high - 1

    def shape(node: Any) -> int:
        if type(node) is int:  # a Boolean is an int to isinstance
            if low <= node <= high:
                return node
        elif type(node) is not float:
            raise _wrong_type(kind, kind, node)
        elif node.is_integer() and low <= node <= high:
            return int(node)
        raise _unfit_value(f"a whole number from {low} to {high} ({kind})", kind, node)

    return shape


def _floating(kind: str, largest: float) -> Shape:
    def shape(node: Any) -> float:
        if type(node) not in (float, int):
            raise _wrong_type(kind, kind, node)
        try:
            number = float(node)
        except OverflowError:
            raise _unfit_value(f"at most {largest} ({kind})", kind, node) from None
        if abs(number) > largest and isfinite(number):
            raise _unfit_value(f"at most {largest} ({kind})", kind, node)
        return number

    return shape


def _exactly(kind: str, python_type: type) -> Shape:
    def shape(node: Any) -> Any:
        if isinstance(node, python_type):
            return node
        raise _wrong_type(kind, kind, node)

    return shape


def _bytes_of(kind: str, words: str, expected: str, size: int | None) -> Shape:
    def shape(node: Any) -> bytes:
        if not isinstance(node, str):
            raise _wrong_type(kind, words, node)
        try:
            raw = b64decode(node, validate=True)
        except ValueError:
            raise _unfit_value(expected, words, node) from None
        # Bits that the last character has too many would be lost.
        if b64encode(raw).decode() != node or size not in {None, len(raw)}:
            raise _unfit_value(expected, words, node)
        return raw

    return shape


def _fixed(size: int, words: str) -> Shape:
    return _bytes_of("fixed", words, f"{size} bytes in base64", size)


_PRIMITIVES: Final[dict[str, Shape]] = {
    "null": _exactly("null", type(None)),
    "boolean": _exactly("boolean", bool),
    "int": _whole_number("int", 32),
    "long": _whole_number("long", 64),
    "float": _floating("float", _LARGEST_FLOAT),
    "double": _floating("double", float("inf")),
    "bytes": _bytes_of("bytes", "bytes", "bytes in base64", None),
    "string": _exactly("string", str),
}
