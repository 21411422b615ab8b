"""A type for msgspec from an Avro schema: JSON is read, checked and shaped for fastavro's writer in one pass.

Its values give the same bytes as those of `core.json_to_avro`, which is proven by comparing both. Where msgspec
cannot say exactly what a schema takes (logical types, bytes, unions of several types, records that hold
themselves, defaults that do not fit) there is no type, and each record takes the longer way.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

import msgspec

from core.avro_types import AvroNode, AvroSchema
from core.json_to_avro import default_node, names_in_wrappers

_LARGEST_FLOAT: Final = (2 - 2**-23) * 2.0**127

_PRIMITIVES: Final[dict[str, Any]] = {
    "null": None,
    "boolean": bool,
    "int": Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    "long": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "float": Annotated[float, msgspec.Meta(ge=-_LARGEST_FLOAT, le=_LARGEST_FLOAT)],
    "double": float,
    "string": str,
}

_NOTHING: Final = Annotated[int, msgspec.Meta(ge=1, le=0)]
"""A type without values: it refuses a key of an object whatever stands there."""


class _InexpressibleError(Exception):
    """Part of a schema has no exact type in msgspec; never leaves this module."""


def json_type(schema: AvroSchema) -> Any | None:
    """Return the type whose values are those of *schema* that can be written, `None` where there is none."""
    if schema.holding_themselves() or schema.kind(schema.root) not in {"record", "map"}:
        return None
    try:
        return _Types(schema).of(schema.root)
    except _InexpressibleError:
        return None


class _Types:
    """Makes the types of one schema, each named one once."""

    def __init__(self, schema: AvroSchema) -> None:
        self._schema = schema
        self._records: dict[tuple[str, frozenset[str]], Any] = {}

    def of(self, node: AvroNode, wrappers: frozenset[str] = frozenset()) -> Any:
        """Return the type of *node*; an object with a key of *wrappers* is none of its values."""
        resolved: Any = self._schema.resolve(node)
        kind = self._schema.kind(node)
        if self._schema.logical(node) is not None:
            raise _InexpressibleError
        if kind in _PRIMITIVES:
            return _PRIMITIVES[kind]
        match kind:
            case "record":
                return self._record(resolved, wrappers)
            case "union":
                return self._nullable(resolved)
            case "array":
                return list[self.of(resolved["items"])]  # type: ignore[misc]  # the type is made at run time
            case "map":
                return dict[str, self.of(resolved["values"])]  # type: ignore[misc]  # the type is made at run time
            case "enum":
                return Literal[tuple(resolved["symbols"])]
        raise _InexpressibleError

    def _nullable(self, branches: list[AvroNode]) -> Any:
        others = [branch for branch in branches if self._schema.kind(branch) != "null"]
        if len(others) != 1 or len(branches) != 2:  # noqa: PLR2004  null and one other
            raise _InexpressibleError
        names = frozenset(name for branch in branches for name in names_in_wrappers(self._schema, branch))
        return self.of(others[0], names) | None

    def _record(self, definition: dict[str, Any], wrappers: frozenset[str]) -> Any:
        key = definition["name"], wrappers
        if key not in self._records:
            fields = {field["name"]: self._field(field) for field in definition["fields"]}
            refused = dict.fromkeys(wrappers - fields.keys(), NotRequired[_NOTHING])
            # mypy wants a literal; the fields are known at run time only.
            self._records[key] = TypedDict(definition["name"], fields | refused)  # type: ignore[operator]
        return self._records[key]

    def _field(self, field: dict[str, Any]) -> Any:
        field_type = self.of(field["type"])
        if "default" not in field:
            return NotRequired[field_type] if default_node(self._schema, field) is None else field_type
        try:
            msgspec.convert(field["default"], field_type)
        except msgspec.ValidationError as error:  # The longer way says so; fastavro would write it as it is.
            raise _InexpressibleError from error
        return NotRequired[field_type]
