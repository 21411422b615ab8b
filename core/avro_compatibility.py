"""Whether a schema reads what another one has written, and if not, where, why and what to do about it.

The verdict is that of Avro's own checker. Its messages name no place that a person finds, so the reasons come from a
walk of our own through both schemas, side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from avro.compatibility import (
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityResult,
    SchemaCompatibilityType,
    lookup_writer_field,
    schema_name_equals,
)
from avro.errors import AvroException
from avro.name import Names
from avro.schema import (
    ArraySchema,
    EnumSchema,
    Field,
    FixedSchema,
    MapSchema,
    NamedSchema,
    RecordSchema,
    Schema,
    UnionSchema,
    make_avsc_object,
)

from core.avro_text import self_contained_avro
from core.errors import InvalidInputError

MAX_REASONS: Final = 20
"""Reasons that are told at once; more are no help."""

MAX_COMPARISONS: Final = 200_000
"""Pairs of types that are compared before two schemas count as too large."""

_PROMOTIONS: Final[Mapping[str, frozenset[str]]] = {
    "long": frozenset({"int"}),
    "float": frozenset({"int", "long"}),
    "double": frozenset({"int", "long", "float"}),
    "bytes": frozenset({"string"}),
    "string": frozenset({"bytes"}),
}
"""What each type reads beside itself."""

_KEEP_TYPE: Final = "Keep the type, or add another field."


class Side(NamedTuple):
    """One of two schemas that are compared."""

    word: str
    """What it is called in the reasons: `new` or `old`."""
    schema: str
    imports: Mapping[str, str] = {}


def avro_incompatibilities(reader: Side, writer: Side) -> list[str]:
    """Return why what *writer* wrote cannot be read with *reader*; nothing when it can.

    Raises:
        InvalidInputError: One of them is no Avro schema, or they are too large to be compared.
    """
    try:
        comparison = _Comparison(reader.word, writer.word)
        return comparison.reasons_for(_parsed(reader), _parsed(writer))
    except RecursionError as error:
        raise InvalidInputError("The schema is nested too deep to be compared. Use one with fewer levels.") from error


def _parsed(side: Side) -> Schema:
    node = self_contained_avro(side.schema, side.imports, bare=True)
    try:
        return make_avsc_object(node, Names())
    except (AvroException, AssertionError) as error:
        raise InvalidInputError(f"The {side.word} schema is no Avro schema: {error}. Correct it.") from error


class _BoundedChecker(ReaderWriterCompatibilityChecker):
    """Avro's checker, which ends: unions of thousands of branches make millions of pairs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the package types only some of it
        self._comparisons = 0

    def calculate_compatibility(self, reader: Schema, writer: Schema, location: list[str]) -> SchemaCompatibilityResult:
        self._comparisons += 1
        if self._comparisons > MAX_COMPARISONS:
            raise InvalidInputError("The schemas are too large to be compared. Split them into several.")
        return super().calculate_compatibility(reader, writer, location)

    def reads(self, reader: Schema, writer: Schema) -> bool:
        found = self.get_compatibility(reader, writer)
        return found.compatibility is not SchemaCompatibilityType.incompatible


class _EnoughError(Exception):
    """Raised inside of a comparison when there are as many reasons as anybody reads."""


class _Comparison:
    """One walk through a reader's and a writer's schema."""

    def __init__(self, reader: str, writer: str) -> None:
        self._reader = reader
        self._writer = writer
        self._checker = _BoundedChecker()
        self._compared: set[tuple[int, int]] = set()
        self._reasons: list[str] = []

    def reasons_for(self, reader: Schema, writer: Schema) -> list[str]:
        try:
            self._compare(reader, writer, _described(reader))
        except _EnoughError:
            return self._reasons
        found = self._checker.get_compatibility(reader, writer)
        if found.compatibility is SchemaCompatibilityType.incompatible and not self._reasons:
            places, messages = sorted(map(str, found.locations)), sorted(map(str, found.messages))
            return [f"{', '.join(places)}: {'; '.join(messages)}. Make the two alike there."]
        return self._reasons

    def _add(self, path: str, reader_has: str, writer_has: str, way_out: str) -> None:
        self._reasons.append(
            f"{path}: the {self._reader} schema has {reader_has}, the {self._writer} one has {writer_has}. {way_out}"
        )
        if len(self._reasons) >= MAX_REASONS:
            raise _EnoughError

    def _compare(self, reader: Schema, writer: Schema, path: str) -> None:
        pair = (id(reader), id(writer))
        if pair in self._compared:
            return
        self._compared.add(pair)
        if isinstance(writer, UnionSchema):
            for branch in writer.schemas:
                self._compare(reader, branch, path)
        elif isinstance(reader, UnionSchema):
            self._compare_branch(reader, writer, path)
        elif reader.type == writer.type:
            self._compare_alike(reader, writer, path)
        elif writer.type not in _PROMOTIONS.get(reader.type, ()):
            self._add(path, _described(reader), _described(writer), self._keep(writer))

    def _compare_branch(self, reader: UnionSchema, writer: Schema, path: str) -> None:
        if any(self._checker.reads(branch, writer) for branch in reader.schemas):
            return
        for branch in reader.schemas:
            if branch.type == writer.type and (not isinstance(writer, NamedSchema) or _is_called_alike(branch, writer)):
                self._compare(branch, writer, path)
                return
        way_out = f"Add {_described(writer)} to the union." if self._reader == "new" else _KEEP_TYPE
        self._add(path, _described(reader), _described(writer), way_out)

    def _compare_alike(self, reader: Schema, writer: Schema, path: str) -> None:
        match reader, writer:
            case ArraySchema(), ArraySchema():
                self._compare(reader.items, writer.items, f"{path}[]")
            case MapSchema(), MapSchema():
                self._compare(reader.values, writer.values, f"{path}{{}}")
            case NamedSchema(), NamedSchema() if not _is_called_alike(reader, writer):
                way_out = f", or give it the alias {writer.fullname}" if self._reader == "new" else ""
                self._add(path, f"the name {reader.fullname}", str(writer.fullname), f"Keep the name{way_out}.")
            case FixedSchema(), FixedSchema() if reader.size != writer.size:
                self._add(path, f"a size of {reader.size}", str(writer.size), "Keep the size, or add another field.")
            case EnumSchema(), EnumSchema():
                self._compare_symbols(reader, writer, path)
            case RecordSchema(), RecordSchema():
                self._compare_fields(reader, writer, path)

    def _compare_symbols(self, reader: EnumSchema, writer: EnumSchema, path: str) -> None:
        missing = [symbol for symbol in writer.symbols if symbol not in set(reader.symbols)]
        default = reader.props.get("default")
        if missing and default not in reader.symbols:
            way_out = "Keep them, or give the enum a default." if self._reader == "new" else "Leave them out."
            self._add(path, "no such symbols", f"the symbols {', '.join(missing[:MAX_REASONS])}", way_out)

    def _compare_fields(self, reader: RecordSchema, writer: RecordSchema, path: str) -> None:
        for field in reader.fields:
            written = lookup_writer_field(writer_schema=writer, reader_field=field)
            if written is not None:
                self._compare(field.type, written.type, f"{path}.{field.name}")
            elif not field.has_default:
                self._add(
                    f"{path}.{field.name}",
                    f"this field of type {_described(field.type)} without a default",
                    "no such field",
                    self._add_or_keep(field),
                )

    def _add_or_keep(self, field: Field) -> str:
        if self._reader == "new":
            return "Give it a default, such as null in a union with null."
        return f"Keep {field.name} in the {self._writer} schema: it may go once the {self._reader} one has a default."

    def _keep(self, writer: Schema) -> str:
        if self._reader == "new":
            return f"Keep {_described(writer)}, make it a union of both, or add another field."
        return _KEEP_TYPE


def _is_called_alike(reader: Schema, writer: NamedSchema) -> bool:
    return isinstance(reader, NamedSchema) and bool(schema_name_equals(reader, writer))


def _described(schema: Schema) -> str:
    if isinstance(schema, UnionSchema):
        return f"the union of {', '.join(_described(branch) for branch in schema.schemas[:MAX_REASONS])}"
    if isinstance(schema, RecordSchema):
        return str(schema.fullname)
    if isinstance(schema, NamedSchema):
        return f"the {schema.type} {schema.fullname}"
    if isinstance(schema, ArraySchema | MapSchema):
        inner = schema.items if isinstance(schema, ArraySchema) else schema.values
        return f"{schema.type} of {_described(inner)}"
    return str(schema.type)
