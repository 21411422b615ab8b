"""Avro schema texts as the Confluent registry keeps them, so that one schema has one text and one ID.

The canonical text is what Java's Avro prints of a parsed schema: compact JSON, the attributes of each type in one
order, names as short as their place allows. Checks names, kinds and defaults on the way, and says what does not fit.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from core.avro_types import AvroNode, parse_avro
from core.errors import InvalidInputError
from core.registered_schema import RegisteredSchema

MAX_CHARS: Final = 1_000_000
"""Longest text of a schema: the log holds it, and every client fetches it."""

MAX_TYPES: Final = 10_000
"""Types and fields of one schema; comparing two of this size takes seconds."""

_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_NAMED: Final = frozenset({"record", "error", "enum", "fixed"})
_Definitions = dict[str, dict[str, Any]]
"""The named types of imported schemas, by full name."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ORDERS: Final = ("ascending", "descending", "ignore")

_NO_PROPERTY: Final = frozenset(
    {"type", "name", "namespace", "doc", "fields", "symbols", "items", "values", "size", "aliases"}
)
_NO_FIELD_PROPERTY: Final = frozenset({"name", "type", "doc", "default", "order", "aliases"})


def canonical_avro(text: str, imports: Mapping[str, str], *, normalize: bool = False) -> str:
    """Return the canonical text of an Avro schema.

    Args:
        text: The schema as JSON.
        imports: Texts of the schemas that it names, by the name of their type.
        normalize: Sort the properties that Avro does not know, too, so that their order makes no difference.

    Raises:
        InvalidInputError: It is no Avro schema that values can be written with; says where and why.
    """
    walk = _Walk(_definitions_of(imports), inline=False, bare=False, normalize=normalize)
    node = _walked(walk, text)
    parse_avro(_compact(self_contained_avro(text, imports)), "The schema")
    return _compact(node)


def self_contained_avro(text: str, imports: Mapping[str, str], *, bare: bool = False) -> AvroNode:
    """Return a schema with the definition of what it names put at the first place that names it.

    Args:
        text: The schema as JSON.
        imports: Texts of the schemas that it names, by the name of their type.
        bare: Leave out what says nothing about the bytes: texts, logical types and other properties.

    Raises:
        InvalidInputError: It is no Avro schema; says where and why.
    """
    return _walked(_Walk(_definitions_of(imports), inline=True, bare=bare, normalize=False), text)


def whole_avro(registered: RegisteredSchema) -> str:
    """Return the text of a registered schema with the definition of what it names in it.

    Raises:
        InvalidInputError: It is no Avro schema; says where and why.
    """
    if not registered.imports:
        return registered.schema
    return _compact(self_contained_avro(registered.schema, registered.imports))


def _decoded(text: str, name: str) -> Any:
    if len(text) > MAX_CHARS:
        raise InvalidInputError(f"{name} is longer than {MAX_CHARS} characters. Split it into several.")
    try:
        return msgspec.json.decode(text)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise InvalidInputError(f"{name} is not JSON: {error}. Correct it at that place.") from error


def _walked(walk: _Walk, text: str) -> AvroNode:
    try:
        return walk.type(_decoded(text, "The schema"), "", "the schema")
    except RecursionError as error:
        raise _too_deep() from error


def _compact(node: AvroNode) -> str:
    return json.dumps(node, ensure_ascii=False, separators=(",", ":"))


def _too_deep() -> InvalidInputError:
    return InvalidInputError("The schema is nested too deep. Register one with fewer levels.")


def _definitions_of(imports: Mapping[str, str]) -> _Definitions:
    found: _Definitions = {}
    for name, text in imports.items():
        try:
            _collect(_decoded(text, f"The schema that is named {name}"), "", found)
        except RecursionError as error:
            raise _too_deep() from error
    return found


def _collect(node: Any, space: str, found: _Definitions) -> None:
    if isinstance(node, list):
        for branch in node:
            _collect(branch, space, found)
    if not isinstance(node, dict):
        return
    kind = node.get("type")
    if isinstance(kind, str) and kind in _NAMED:
        own_space, name = _split_name(node, space)
        found.setdefault(_joined(own_space, name), node)
        space = own_space
    for part in (kind, node.get("items"), node.get("values"), node.get("fields")):
        _collect(part, space, found)


def _split_name(node: dict[str, Any], space: str) -> tuple[str, str]:
    name = node.get("name")
    if not isinstance(name, str):
        raise InvalidInputError(f"A type of kind {node['type']} has no name. Give it one.")
    if "." in name:
        own, _, name = name.rpartition(".")
        return own, name
    own = node.get("namespace", space)
    if not isinstance(own, str):
        raise InvalidInputError(f"The namespace of {name} is no text. Write it as one.")
    return own, name


def _joined(space: str, name: str) -> str:
    return f"{space}.{name}" if space else name


class _Walk:
    """One walk through a schema; it remembers which types it has met."""

    def __init__(self, imported: _Definitions, *, inline: bool, bare: bool, normalize: bool) -> None:
        self._imported = imported
        self._inline = inline
        self._bare = bare
        self._normalize = normalize
        self._defined: set[str] = set()
        self._types = 0

    def type(self, node: Any, space: str, where: str) -> AvroNode:
        """Return the type *node* as it is written in the namespace *space*."""
        self._types += 1
        if self._types > MAX_TYPES:
            raise InvalidInputError(f"The schema has more than {MAX_TYPES} types and fields. Split it into several.")
        match node:
            case str():
                return self._reference(node, space, where)
            case list():
                return self._union(node, space, where)
            case {"type": str() as kind}:
                return self._of_kind(kind, node, space, where)
            case {"type": dict() | list() as inner}:
                return self.type(inner, space, where)
        raise InvalidInputError(
            f"{_shown(node)} is no type, at {where}. Write a name, a union or an object with a type."
        )

    def _of_kind(self, kind: str, node: dict[str, Any], space: str, where: str) -> AvroNode:
        if kind in _NAMED:
            return self._named(kind, node, space, where)
        if kind in ("array", "map"):
            part = "items" if kind == "array" else "values"
            if part not in node:
                raise InvalidInputError(f"The {kind} at {where} says no {part}. Add them.")
            inner = self.type(node[part], space, f"{where}[]" if kind == "array" else f"{where}{{}}")
            return {"type": kind, part: inner} | self._properties(node, _NO_PROPERTY)
        written = self._reference(kind, space, where)
        more = self._properties(node, _NO_PROPERTY)
        return {"type": written} | more if more and kind in _PRIMITIVES else written

    def _reference(self, name: str, space: str, where: str) -> AvroNode:
        if name in _PRIMITIVES:
            return name
        full = name if "." in name else _joined(space, name)
        if full not in self._defined and full not in self._imported:
            raise InvalidInputError(
                f"The type {full} at {where} is not defined. Define it before its first use, or name it as a reference."
            )
        own, _, simple = full.rpartition(".")
        if full not in self._defined and self._inline:
            return self.type(self._imported[full] | {"name": simple, "namespace": own}, space, where)
        return simple if own == space else full

    def _union(self, branches: list[Any], space: str, where: str) -> AvroNode:
        written: list[Any] = []
        for branch in branches:
            if isinstance(branch, list):
                raise InvalidInputError(f"A union holds another one at {where}. Write the branches into one union.")
            written.append(self.type(branch, space, where))
        kinds = Counter(_branch_name(branch, space) for branch in written)
        if twice := sorted(kind for kind, count in kinds.items() if count > 1):
            raise InvalidInputError(f"The union at {where} has {', '.join(twice)} twice. Keep one of each.")
        return written

    def _named(self, kind: str, node: dict[str, Any], space: str, where: str) -> AvroNode:
        own, name = _split_name(node, space)
        for part in [*filter(None, own.split(".")), name]:
            if not _NAME.fullmatch(part):
                raise InvalidInputError(
                    f"{part!r} is no name, at {where}. Use letters, digits and '_', no digit first."
                )
        full = _joined(own, name)
        if full in self._defined or (full in self._imported and not self._inline):
            raise InvalidInputError(f"The type {full} is defined a second time, at {where}. Name the first one there.")
        self._defined.add(full)
        written: dict[str, Any] = {"type": "record" if self._bare and kind == "error" else kind, "name": name}
        if own != space:
            written["namespace"] = own
        if isinstance(node.get("doc"), str) and not self._bare:
            written["doc"] = node["doc"]
        written |= self._content(kind, node, own, full)
        no_property = _NO_PROPERTY | {"default"} if kind == "enum" else _NO_PROPERTY
        return written | self._properties(node, no_property) | _aliases(node, full)

    def _content(self, kind: str, node: dict[str, Any], space: str, full: str) -> dict[str, Any]:
        match kind, node:
            case (("record" | "error"), {"fields": list() as fields}):
                return {"fields": self._fields(fields, space, full)}
            case "enum", {"symbols": list() as symbols}:
                _check_symbols(symbols, node, full)
                return {"symbols": symbols} | ({"default": node["default"]} if "default" in node else {})
            case "fixed", {"size": int() as size} if size >= 0 and not isinstance(size, bool):
                return {"size": size}
        missing = {"enum": "symbols", "fixed": "size"}.get(kind, "fields")
        raise InvalidInputError(f"The {kind} {full} has no {missing} that can be used. Add them.")

    def _fields(self, fields: list[Any], space: str, full: str) -> list[Any]:
        written, seen = [], set()
        for field in fields:
            match field:
                case {"name": str() as name, "type": _} if _NAME.fullmatch(name):
                    if name in seen:
                        raise InvalidInputError(f"{full} has the field {name} twice. Rename one.")
                    seen.add(name)
                    written.append(self._field(field, space, f"{full}.{name}"))
                case _:
                    raise InvalidInputError(f"{full} has a field {_shown(field)}: it needs a name and a type.")
        return written

    def _field(self, field: dict[str, Any], space: str, where: str) -> dict[str, Any]:
        written: dict[str, Any] = {"name": field["name"], "type": self.type(field["type"], space, where)}
        if isinstance(field.get("doc"), str) and not self._bare:
            written["doc"] = field["doc"]
        if "default" in field:
            written["default"] = field["default"]
        order = field.get("order", _ORDERS[0])
        if order not in _ORDERS:
            raise InvalidInputError(f"The order of {where} is {_shown(order)}. Choose of {', '.join(_ORDERS)}.")
        if order != _ORDERS[0] and not self._bare:
            written["order"] = order
        return written | _aliases(field, where) | self._properties(field, _NO_FIELD_PROPERTY)

    def _properties(self, node: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
        if self._bare:
            return {}
        found = {name: value for name, value in node.items() if name not in known}
        return dict(sorted(found.items())) if self._normalize else found


def _aliases(node: dict[str, Any], where: str) -> dict[str, Any]:
    aliases = node.get("aliases")
    if not aliases:
        return {}
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise InvalidInputError(f"The aliases of {where} are no list of names. Write them as one.")
    return {"aliases": aliases}


def _check_symbols(symbols: list[Any], node: dict[str, Any], full: str) -> None:
    for symbol in symbols:
        if not isinstance(symbol, str) or not _NAME.fullmatch(symbol):
            raise InvalidInputError(f"The enum {full} has a symbol {_shown(symbol)}, which is no name. Rename it.")
    if len(set(symbols)) < len(symbols):
        raise InvalidInputError(f"The enum {full} has a symbol twice. Keep one of each.")
    if "default" in node and node["default"] not in symbols:
        raise InvalidInputError(f"The enum {full} has a default that is none of its symbols. Choose one of them.")


def _branch_name(branch: AvroNode, space: str) -> str:
    if isinstance(branch, dict):
        kind = str(branch["type"])
        if kind in _NAMED:
            return _joined(branch.get("namespace", space), branch["name"])
        return kind
    assert isinstance(branch, str), "unions hold no unions"
    return branch if branch in _PRIMITIVES or "." in branch else _joined(space, branch)


def _shown(node: Any) -> str:
    text = json.dumps(node, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004  as long as a message bears
