"""JSON → Avro: a schema compiled once into functions that check a node and shape it for fastavro in one pass.

Unions take the first branch that fits, in declared order, without a wrapper in the JSON. fastavro would
choose differently (the record with most fields, double before float), and would walk the whole value to
choose at all; so a chosen branch is written down as a pair of its name and the value, except where null is
the only other choice and the value no container.

Texts are those of Quick's converter where it has one. Three things differ: a number that does not fit is
refused, which Quick wraps or cuts off silently; a path names list indexes and map keys too; and what is wrong
inside a nullable record is said, which Quick hides.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from core.errors import InvalidValueError
from core.json_values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def compile_shape(schema: AvroSchema) -> Shape:
    """Return a function that gives the Avro value of a JSON node, shaped for fastavro's writer by *schema*.

    The function raises InvalidValueError for a node that does not conform, with the place in dots.
    """
    shape = _Compiler(schema).shape(schema.root)

    def conforming(node: Any) -> Any:
        try:
            return shape(node)
        except _MisfitError as misfit:
            raise InvalidValueError(f"Data does not conform to schema: {misfit.cause([])}") from None
        except RecursionError as error:
            raise InvalidValueError(
                "Data does not conform to schema: it is nested too deep. Send it with fewer levels."
            ) from error

    return conforming


_Cause = Callable[[list[str], str], str]
"""Words the cause of a misfit from the path to it, outermost first, and the name of the field it is in."""


class _MisfitError(Exception):
    """A node that does not fit its type. It collects its path on the way out and never leaves this module."""

    def __init__(self, cause: _Cause) -> None:
        super().__init__()
        self._cause = cause
        self._inner_path: list[str] = []
        self._field: str | None = None

    def inside(self, segment: str) -> None:
        self._inner_path.append(segment)

    def inside_field(self, name: str) -> None:
        self._inner_path.append(name)
        self._field = self._field or name

    def cause(self, outer_path: list[str]) -> str:
        return self._cause([*outer_path, *reversed(self._inner_path)], self._field or _ROOT)


def _dotted(path: list[str]) -> str:
    return ".".join(path) or _ROOT


def _wrong_type(kind: str) -> _Cause:
    expected = _JAVA_NAMES[kind]
    return lambda path, _: f"Field {_dotted(path)} is expected to be type: {expected}"


def _unfit_value(expected: str, node: Any) -> _MisfitError:
    return _MisfitError(lambda path, _: f"Field {_dotted(path)} is expected to be {expected}. Got: {shown(node)}")


class _Field(NamedTuple):
    name: str
    shape: Shape
    default: Any
    kind: str
    position: int

    def __str__(self) -> str:
        return f"{self.name} type:{self.kind.upper()} pos:{self.position}"


class _Compiler:
    """Builds the functions of one schema; a record that holds itself finds its own function in `_records`."""

    def __init__(self, schema: AvroSchema) -> None:
        self._schema = schema
        self._records: dict[str, Shape] = {}

    def shape(self, node: AvroNode) -> Shape:
        kind = self._schema.kind(node)
        if kind in _PRIMITIVES:
            return _PRIMITIVES[kind]
        build: dict[str, Callable[[Any], Shape]] = {
            "record": self._record,
            "union": self._union,
            "array": lambda array: _array(self.shape(array["items"])),
            "map": lambda map_: _map(self.shape(map_["values"])),
            "enum": lambda enum: _enum(enum["symbols"]),
            "fixed": lambda fixed: _fixed(fixed["size"]),
        }
        return build[kind](self._schema.resolve(node))

    def _record(self, definition: dict[str, Any]) -> Shape:
        name = definition["name"]
        if name in self._records:
            return self._records[name]
        fields: list[_Field] = []
        self._records[name] = _record(fields)
        fields.extend(self._fields(definition))
        return self._records[name]

    def _fields(self, definition: dict[str, Any]) -> Iterator[_Field]:
        for position, field in enumerate(definition["fields"]):
            yield _Field(
                name=field["name"],
                shape=self.shape(field["type"]),
                default=field.get("default", _ABSENT),
                kind=self._schema.kind(field["type"]),
                position=position,
            )

    def _union(self, branches: list[AvroNode]) -> Shape:
        expected = ", ".join(self._schema.kind(branch).upper() for branch in branches)
        others = [branch for branch in branches if self._schema.kind(branch) != "null"]
        if len(others) != 1 or len(branches) != 2:  # noqa: PLR2004  null and one other
            return _first_fitting([self._branch(branch) for branch in branches], _no_branch(expected))
        if self._schema.kind(others[0]) in _CONTAINERS:
            return _nullable_container(self._branch(others[0]), _no_branch(expected))
        return _nullable(self.shape(others[0]), _no_branch(expected))

    def _branch(self, branch: AvroNode) -> Shape:
        name, shape = self._schema.name(branch), self.shape(branch)
        return shape if name == "null" else lambda node: (name, shape(node))


def _record(fields: list[_Field]) -> Shape:
    no_object = _wrong_type("record")

    def shape(node: Any) -> dict[str, Any]:
        if not isinstance(node, dict):
            raise _MisfitError(no_object)
        shaped = {}
        for field in fields:
            value = node.get(field.name, field.default)
            try:
                shaped[field.name] = field.shape(value)
            except _MisfitError as misfit:
                raise _field_misfit(misfit, field, value) from None
        return shaped

    return shape


def _field_misfit(misfit: _MisfitError, field: _Field, value: Any) -> _MisfitError:
    if value is _ABSENT:
        misfit = _MisfitError(lambda *_: f"Field {field} not set and has no default value")
    elif value is None and field.kind != "union":
        misfit = _MisfitError(lambda *_: f"Field {field} does not accept null values")
    misfit.inside_field(field.name)
    return misfit


def _array(item: Shape) -> Shape:
    no_list = _wrong_type("array")

    def shape(node: Any) -> list[Any]:
        if not isinstance(node, list):
            raise _MisfitError(no_list)
        shaped: list[Any] = []
        try:
            shaped.extend(map(item, node))
        except _MisfitError as misfit:
            misfit.inside(str(len(shaped)))  # extend keeps what came before the one that failed
            raise
        return shaped

    return shape


def _map(value: Shape) -> Shape:
    no_object = _wrong_type("map")

    def shape(node: Any) -> dict[str, Any]:
        if not isinstance(node, dict):
            raise _MisfitError(no_object)
        shaped = {}
        for key, member in node.items():
            try:
                shaped[key] = value(member)
            except _MisfitError as misfit:
                misfit.inside(key)
                raise
        return shaped

    return shape


def _no_branch(expected: str) -> _Cause:
    return lambda path, field: (
        f"Could not evaluate union, field {field} is expected to be one of these: {expected}. "
        f"If this is a complex type, check if offending field: {_dotted(path)} adheres to schema."
    )


def _first_fitting(branches: list[Shape], no_branch: _Cause) -> Shape:
    def shape(node: Any) -> Any:
        for branch in branches:
            try:
                return branch(node)
            except _MisfitError:
                continue
        raise _MisfitError(no_branch)

    return shape


def _nullable(other: Shape, no_branch: _Cause) -> Shape:
    def shape(node: Any) -> Any:
        if node is None:
            return None
        try:
            return other(node)
        except _MisfitError:
            raise _MisfitError(no_branch) from None

    return shape


def _nullable_container(container: Shape, no_branch: _Cause) -> Shape:
    def shape(node: Any) -> Any:
        if node is None:
            return None
        try:
            return container(node)
        except _MisfitError as hidden:
            raise _MisfitError(_with_hidden_cause(no_branch, hidden)) from None

    return shape


def _with_hidden_cause(no_branch: _Cause, hidden: _MisfitError) -> _Cause:
    return lambda path, field: f"{no_branch(path, field)} Cause: {hidden.cause(path)}"


def _enum(symbols: list[str]) -> Shape:
    known, listed = frozenset(symbols), ", ".join(symbols)

    def shape(node: Any) -> str:
        if isinstance(node, str) and node in known:
            return node
        raise _MisfitError(
            lambda path, _: f"Field {_dotted(path)} is expected to be of enum type and be one of {listed}"
        )

    return shape


def _whole_number(kind: str, bits: int) -> Shape:
    no_number = _wrong_type(kind)
    high = (1 << (bits - 1)) - 1
    low = -high - 1

    def shape(node: Any) -> int:
        if type(node) is int:  # a Boolean is an int to isinstance
            if low <= node <= high:
                return node
        elif type(node) is not float:
            raise _MisfitError(no_number)
        elif node.is_integer() and low <= node <= high:
            return int(node)
        raise _unfit_value(f"a whole number from {low} to {high} ({kind})", node)

    return shape


def _floating(kind: str, largest: float) -> Shape:
    no_number = _wrong_type(kind)

    def shape(node: Any) -> float:
        if type(node) not in (float, int):
            raise _MisfitError(no_number)
        try:
            number = float(node)
        except OverflowError:
            raise _unfit_value(f"at most {largest} ({kind})", node) from None
        if abs(number) > largest and isfinite(number):
            raise _unfit_value(f"at most {largest} ({kind})", node)
        return number

    return shape


def _exactly(kind: str, python_type: type) -> Shape:
    wrong_type = _wrong_type(kind)

    def shape(node: Any) -> Any:
        if isinstance(node, python_type):
            return node
        raise _MisfitError(wrong_type)

    return shape


def _bytes(node: Any) -> bytes:
    if not isinstance(node, str):
        raise _MisfitError(_wrong_type("bytes"))
    try:
        return node.encode("latin-1")
    except UnicodeEncodeError:
        raise _unfit_value("bytes, one for each character from U+0000 to U+00FF", node) from None


def _fixed(size: int) -> Shape:
    def shape(node: Any) -> bytes:
        value = _bytes(node)
        if len(value) != size:
            raise _unfit_value(f"{size} bytes, one for each character", node)
        return value

    return shape


_PRIMITIVES: Final[dict[str, Shape]] = {
    "null": _exactly("null", type(None)),
    "boolean": _exactly("boolean", bool),
    "int": _whole_number("int", 32),
    "long": _whole_number("long", 64),
    "float": _floating("float", _LARGEST_FLOAT),
    "double": _floating("double", float("inf")),
    "bytes": _bytes,
    "string": _exactly("string", str),
}
