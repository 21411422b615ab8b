"""Which scalars can serve a stored value, which can be written as it, and which values can be keys."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, NamedTuple

from core.comparable_kinds import FieldKind
from core.stored_shapes import StoredKind
from core.topic_type import TopicType


class Fit(Enum):
    """How well a scalar and a stored type go together."""

    ALWAYS = auto()
    AT_TIMES = auto()
    """Some values are errors."""
    NEVER = auto()


class _Scalars(NamedTuple):
    always: tuple[str, ...]
    """The most natural one first: messages propose it."""
    at_times: tuple[str, ...] = ()


_TEXTS: Final = ("String", "ID")

_UNITS: Final = ("Int", "Long", "BigInt")
"""Scalars for numbers of a logical type's own unit, such as milliseconds."""

_SERVING: Final[Mapping[StoredKind, _Scalars]] = {
    StoredKind.BOOLEAN: _Scalars(("Boolean", "String", "Int", "Float")),
    StoredKind.INT: _Scalars(("Int", "Long", "BigInt", "Decimal", "Float", "Boolean", *_TEXTS)),
    StoredKind.LONG: _Scalars(("Long", "BigInt", "Decimal", "Float", "Boolean", *_TEXTS), ("Int",)),
    StoredKind.DOUBLE: _Scalars(("Float", "Decimal", "String", "Boolean"), ("Int", "Long", "BigInt", "ID")),
    StoredKind.STRING: _Scalars(_TEXTS, ("DateTime", "Date", "Time", "UUID", "Decimal", "Bytes", "Long", "BigInt")),
    StoredKind.ENUM: _Scalars(_TEXTS),
    StoredKind.BYTES: _Scalars(("Bytes", *_TEXTS)),
    StoredKind.DATE: _Scalars(("Date", *_TEXTS)),
    StoredKind.TIME: _Scalars(("Time", *_TEXTS)),
    StoredKind.MOMENT: _Scalars(("DateTime", *_TEXTS)),
    StoredKind.LOCAL_MOMENT: _Scalars(_TEXTS),
    StoredKind.DECIMAL: _Scalars(("Decimal", "Float", *_TEXTS), ("BigInt", "Int", "Long")),
    StoredKind.UUID: _Scalars(("UUID", *_TEXTS)),
}
"""By what is stored: the scalars that serve it. GraphQL's own convert freely, and so does what is here."""

_WRITING: Final[Mapping[StoredKind, _Scalars]] = {
    StoredKind.BOOLEAN: _Scalars(("Boolean",)),
    StoredKind.INT: _Scalars(("Int",), ("Long", "BigInt", "Float")),
    StoredKind.LONG: _Scalars(("Long", "Int"), ("BigInt", "Float")),
    StoredKind.DOUBLE: _Scalars(("Float", "Int", "Long"), ("BigInt",)),
    StoredKind.STRING: _Scalars((*_TEXTS, "DateTime", "Date", "Time", "UUID", "Decimal", "Bytes")),
    StoredKind.ENUM: _Scalars((), _TEXTS),
    StoredKind.BYTES: _Scalars(("Bytes",), _TEXTS),
    StoredKind.DATE: _Scalars(("Date",), (*_TEXTS, *_UNITS)),
    StoredKind.TIME: _Scalars(("Time",), (*_TEXTS, *_UNITS)),
    StoredKind.MOMENT: _Scalars(("DateTime",), (*_TEXTS, *_UNITS)),
    StoredKind.LOCAL_MOMENT: _Scalars((), (*_TEXTS, *_UNITS)),
    StoredKind.DECIMAL: _Scalars((), ("Decimal", *_TEXTS, "Int", "Long", "BigInt", "Float")),
    StoredKind.UUID: _Scalars(("UUID",), _TEXTS),
}
"""By what is stored: the scalars whose values are written as it."""

_BOUNDS: Final[Mapping[FieldKind, tuple[str, ...]]] = {
    FieldKind.INTEGER: ("Long", "Int", "BigInt"),
    FieldKind.FLOAT: ("Float", "Int", "Long", "BigInt"),
    FieldKind.DECIMAL: ("Decimal", "Int", "Long", "BigInt", "Float", *_TEXTS),
    FieldKind.STRING: (*_TEXTS, "DateTime", "Date", "Time", "UUID", "Decimal", "Bytes"),
    FieldKind.BOOLEAN: ("Boolean",),
    FieldKind.DATE: ("Date", *_UNITS, *_TEXTS),
    FieldKind.TIME: ("Time", *_UNITS, *_TEXTS),
    FieldKind.TIMESTAMP: ("DateTime", *_UNITS, *_TEXTS),
    FieldKind.LOCAL_TIMESTAMP: (*_UNITS, *_TEXTS),
    FieldKind.ENUM: _TEXTS,
}

KEY_SCALARS: Final[Mapping[TopicType, tuple[str, ...]]] = {
    TopicType.STRING: (*_TEXTS, "UUID", "DateTime", "Date", "Time", "Decimal", "Bytes"),
    TopicType.INTEGER: ("Int",),
    TopicType.LONG: ("Long", "Int"),
    TopicType.DOUBLE: ("Float", "Int"),
}
"""Scalars whose values can be keys of each type; an Int is widened, and what GraphQL has as text is text."""

KEY_KINDS: Final[Mapping[TopicType, frozenset[StoredKind]]] = {
    TopicType.STRING: frozenset(
        {
            StoredKind.STRING,
            StoredKind.ENUM,
            StoredKind.BYTES,
            StoredKind.DATE,
            StoredKind.TIME,
            StoredKind.MOMENT,
            StoredKind.LOCAL_MOMENT,
            StoredKind.DECIMAL,
            StoredKind.UUID,
        }
    ),
    TopicType.INTEGER: frozenset({StoredKind.INT, StoredKind.LONG}),
    TopicType.LONG: frozenset({StoredKind.INT, StoredKind.LONG}),
    TopicType.DOUBLE: frozenset({StoredKind.INT, StoredKind.LONG, StoredKind.DOUBLE}),
    TopicType.SCHEMA: frozenset({StoredKind.RECORD, StoredKind.MAP, StoredKind.ANY}),
}
"""What a record may hold under the name of a key field, by the type of the keys that it gives."""

_KNOWN: Final = frozenset(
    {"Boolean", "Float", "ID", "Int", "String", "BigInt", "Bytes", "Date", "DateTime", "Decimal", "Long", "Time"}
    | {"UUID"}
)


def passes_anything(scalar: str) -> bool:
    """Return whether *scalar* takes any JSON: `JSON` does, and what a user declares."""
    return scalar not in _KNOWN


def serves(scalar: str, kind: StoredKind) -> Fit:
    """Return whether *scalar* serves stored values of *kind*."""
    return _fit(scalar, _SERVING.get(kind))


def writes(scalar: str, kind: StoredKind) -> Fit:
    """Return whether values of *scalar* can be written as *kind*."""
    return _fit(scalar, _WRITING.get(kind))


def bounds(scalar: str, kind: FieldKind) -> bool:
    """Return whether values of *scalar* can be bounds of a range over *kind*."""
    return passes_anything(scalar) or scalar in _BOUNDS[kind]


def serving(kind: StoredKind) -> str:
    """Return what serves stored values of *kind*, as messages propose it."""
    match kind:
        case StoredKind.RECORD | StoredKind.MAP | StoredKind.UNION:
            return "an object type"
        case StoredKind.ENUM:
            return "an enum or String"
        case StoredKind.LIST:
            return "a list"
    scalars = _SERVING.get(kind)
    return scalars.always[0] if scalars is not None else "JSON"


def writing(kind: StoredKind) -> str:
    """Return what is written as *kind*, as messages propose it."""
    match kind:
        case StoredKind.RECORD | StoredKind.MAP | StoredKind.UNION:
            return "an input type"
        case StoredKind.ENUM:
            return "an enum"
        case StoredKind.LIST:
            return "a list"
    scalars = _WRITING.get(kind)
    return (*scalars.always, *scalars.at_times)[0] if scalars is not None else "JSON"


def bounding(kind: FieldKind) -> str:
    """Return what bounds a range over *kind*, as messages propose it."""
    return _BOUNDS[kind][0]


def _fit(scalar: str, scalars: _Scalars | None) -> Fit:
    if passes_anything(scalar):
        return Fit.ALWAYS
    if scalars is None:
        return Fit.NEVER
    if scalar in scalars.always:
        return Fit.ALWAYS
    return Fit.AT_TIMES if scalar in scalars.at_times else Fit.NEVER
