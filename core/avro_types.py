"""Avro schemas as they are used here: parsed once, names resolved, reduced to what bytes and defaults need.

Logical types that are followed (see `core.avro_logical`) stay in it under names of our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import fastavro
import msgspec
from fastavro.schema import SchemaParseException

from core.avro_logical import PREFIX, logical, logical_type
from core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.avro_logical import Logical

AvroNode = str | list[Any] | dict[str, Any]
"""A type inside a schema: a primitive or a full name, the branches of a union, or a definition."""

_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_DEFINED: Final = frozenset({"record", "enum", "fixed", "array", "map"})
_KINDS: Final = _PRIMITIVES | _DEFINED | {"union"}

_REFUSALS: Final = (SchemaParseException, ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class AvroSchema:
    """A parsed schema: *root* as fastavro wants it, and the definition behind each full name in it."""

    root: AvroNode
    definitions: dict[str, dict[str, Any]]

    def resolve(self, node: AvroNode) -> AvroNode:
        """Return the definition that *node* names, or *node* itself."""
        return self.definitions.get(node, node) if isinstance(node, str) else node

    def kind(self, node: AvroNode) -> str:
        """Return what *node* is in Avro's words, such as `null`, `int`, `record` or `union`."""
        resolved = self.resolve(node)
        if isinstance(resolved, str):
            return resolved
        return "union" if isinstance(resolved, list) else str(resolved["type"])

    def logical(self, node: AvroNode) -> Logical | None:
        """Return the logical type of *node*, `None` where it has none that is followed."""
        resolved = self.resolve(node)
        return logical(resolved) if isinstance(resolved, dict) and "logicalType" in resolved else None

    def words(self, node: AvroNode) -> str:
        """Return what *node* is, as messages say it: `long`, `enum (RED, BLUE)`, `record shop.Price`, `date`."""
        resolved = self.resolve(node)
        if isinstance(resolved, list):
            return f"union ({', '.join(map(self.words, resolved))})"
        if known := self.logical(node):
            return known.words
        match resolved:
            case {"type": "enum", "symbols": symbols}:
                return f"enum ({', '.join(symbols)})"
            case {"type": "record" | "fixed" as kind, "name": name}:
                return f"{kind} {name}"
        return self.kind(node)

    def name(self, node: AvroNode) -> str:
        """Return the name by which a union knows the branch *node*: its full name, or its kind."""
        resolved = self.resolve(node)
        return str(resolved["name"]) if isinstance(resolved, dict) and "name" in resolved else self.kind(node)

    def parts(self, node: AvroNode) -> list[AvroNode]:
        """Return the types directly inside *node*: fields, items, values or branches."""
        resolved = self.resolve(node)
        if isinstance(resolved, str):
            return []
        if isinstance(resolved, list):
            return resolved
        fields = [field["type"] for field in resolved.get("fields", ())]
        return fields + [resolved[key] for key in ("items", "values") if key in resolved]

    def reachable(self, start: AvroNode, *, through: frozenset[str] = _KINDS) -> Iterator[AvroNode]:
        """Yield *start* and the types below it, each definition once, going on only through those kinds."""
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            node = waiting.pop()
            name = self.name(node)
            if name in seen:
                continue
            if name in self.definitions:
                seen.add(name)
            yield node
            if self.kind(node) in through:
                waiting.extend(self.parts(node))

    def holding_themselves(self, *, through: frozenset[str] = _KINDS) -> list[str]:
        """Return the names of the records that can hold a record of their own type, through those kinds."""
        return [
            name
            for name, definition in self.definitions.items()
            for part in self.parts(definition)
            if any(self.name(below) == name for below in self.reachable(part, through=through))
        ]


def parse_avro(text: str, name: str) -> AvroSchema:
    """Return the Avro schema in *text*; *name* says in messages which one it is.

    Raises:
        InvalidInputError: The text is no Avro schema whose values could be written.
    """
    try:
        node = msgspec.json.decode(text)
    except RecursionError as error:
        raise InvalidInputError(f"{name} is nested too deep. Register one with fewer levels.") from error
    except ValueError as error:
        raise InvalidInputError(f"{name} is not an Avro schema: it is no JSON ({error}). Correct it there.") from error
    definitions: dict[str, dict[str, Any]] = {}
    try:
        schema = AvroSchema(fastavro.parse_schema(_bare(node), definitions), definitions)
        _refuse_unusable(schema)
    except _REFUSALS as error:
        cause = f"{type(error).__name__}: {error}"
        raise InvalidInputError(f"{name} cannot be used as Avro ({cause}). Register a corrected one.") from error
    return schema


def _refuse_unusable(schema: AvroSchema) -> None:
    if clashes := sorted(schema.definitions.keys() & _KINDS):
        raise SchemaParseException(f"named like a kind of type: {', '.join(clashes)}")
    # No value of such a record ends, and fastavro's compiled reader would follow it until the process dies.
    if endless := schema.holding_themselves(through=frozenset({"record"})):
        raise SchemaParseException(f"always holds another one of itself: {', '.join(endless)}")
    for node in schema.reachable(schema.root):
        if schema.kind(node) == "union":
            names = [schema.name(branch) for branch in schema.parts(node)]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise SchemaParseException(f"a union has two branches of {', '.join(twice)}")


def _bare(node: Any) -> Any:
    if isinstance(node, list):
        return [_bare(branch) for branch in node]
    if not isinstance(node, dict):
        return node
    kind = "record" if node["type"] == "error" else node["type"]
    logical_name = logical_type(node)
    followed = {"logicalType": PREFIX + logical_name} if logical_name else {}
    followed |= {key: node[key] for key in ("precision", "scale") if followed and key in node}
    if not isinstance(kind, str) or kind not in _DEFINED:
        # {"type": "string", …}, as Java's tools write primitives and references
        return {"type": kind} | followed if followed else _bare(kind)
    bare = {key: node[key] for key in ("name", "namespace", "symbols", "size") if key in node}
    bare |= {key: _bare(node[key]) for key in ("items", "values") if key in node}
    if "fields" in node:
        bare["fields"] = [_bare_field(field) for field in node["fields"]]
    return bare | {"type": kind} | followed


def _bare_field(field: dict[str, Any]) -> dict[str, Any]:
    default = {"default": field["default"]} if "default" in field else {}
    return {"name": field["name"], "type": _bare(field["type"])} | default
